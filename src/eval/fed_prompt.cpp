#include "eval/fed_prompt.h"

namespace ilora {

std::vector<int32_t> fed_prompt(const Encoder& encoder, std::vector<int32_t> prompt,
                                int64_t reserve, const Answerer& answerer) {
  encoder.cut(prompt, reserve);
  if (!answerer.prefix) return prompt;
  std::vector<int32_t> fed = answerer.prefix(prompt);
  encoder.cut(prompt, reserve, static_cast<int64_t>(fed.size()));
  fed.insert(fed.end(), prompt.begin(), prompt.end());
  return fed;
}

}  // namespace ilora
