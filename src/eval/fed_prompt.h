// A prompt as it is fed under an adapter. Called by evaluator.cpp, probe.cpp and `ilora analyze cka`.
#pragma once

#include <cstdint>
#include <vector>

#include "data/encoder.h"
#include "model/pass.h"

namespace ilora {

// The prompt's tokens, cut from the left to leave room for `reserve` more, behind what the adapter
// puts in front of them (soft prompts, chosen by the cut prompt), which may cost the prompt more
// tokens. Throws Error(kUsage) where that does not fit (Encoder::cut).
std::vector<int32_t> fed_prompt(const Encoder& encoder, std::vector<int32_t> prompt,
                                int64_t reserve, const Answerer& answerer);
// The same of a row's, which may be a conversation's. `where` names the row in errors.
std::vector<int32_t> fed_prompt(const Encoder& encoder, const Example& row,
                                const std::string& where, int64_t reserve,
                                const Answerer& answerer);

}  // namespace ilora
