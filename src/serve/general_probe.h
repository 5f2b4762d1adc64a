// Questions that any model of language answers from what it read before it was taught anything: what a
// server measures so that a few corrections do not cost it all else. Written for this program.
//
// A question counts as answered where the generated answer has the right word in it.
#pragma once

#include <vector>

#include "eval/evaluator.h"

namespace ilora {

std::vector<RowScore> score_general(Evaluator& evaluator, const Answerer& answerer);

}  // namespace ilora
