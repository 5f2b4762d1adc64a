// The demonstration suite that ships: five small tasks that a 135-million-parameter model learns
// from 96 rows each and forgets when it learns the next. Called by `ilora suite mini` and by the
// tests.
//
// Every task is a classification of one sentence, answered with a letter. All tasks write the same
// question and share the same letters, but each gives them a meaning of its own, so what was learnt
// for one task is wrong for the next: naive training in sequence has to forget. The letters are
// arbitrary, so a model that was not trained has only chance.
#pragma once

#include <vector>

#include "data/task.h"

namespace ilora {

// The tasks in their order: reviews (English, good or bad), anfragen (German, what a customer
// writes about), topics (English), languages (English, German, French, Spanish) and measures
// (English, what kind of unit); four answers each but the first. 96 training, 24 evaluation and 32
// test rows per task, every answer equally often in each split, no prompt twice. The words and
// phrases that evaluation and test rows are filled with do not occur so in training rows (in
// measures: a number with its unit); the sentences around them do, except that reviews and measures
// use the same sentences for every answer. The same rows on every call: nothing is drawn.
std::vector<TaskText> mini_suite();

}  // namespace ilora
