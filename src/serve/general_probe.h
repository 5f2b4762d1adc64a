// Questions that any model of language answers from what it read before it was taught anything: what a
// server measures so that a few corrections do not cost it all else. Written for this program.
//
// A question has one right answer and two wrong ones in the same words, so that a score does not rise
// with the manner of speaking that is taught: it is the right one's share of the probability of the
// three.
#pragma once

#include <vector>

#include "eval/evaluator.h"

namespace ilora {

std::vector<RowScore> score_general(Evaluator& evaluator, const Answerer& answerer);

}  // namespace ilora
