#include "eval/fed_prompt.h"

namespace ilora {

std::vector<int32_t> fed_prompt(const Encoder& encoder, std::vector<int32_t> prompt,
                                int64_t reserve, const Answerer& answerer) {
  encoder.cut(prompt, reserve);
  if (!answerer.prefix) return prompt;
  const Prefix prefix = answerer.prefix(prompt);
  encoder.cut(prompt, reserve, prefix.size());
  return prefix.before(prompt);
}

std::vector<int32_t> fed_prompt(const Encoder& encoder, const Example& row,
                                const std::string& where, int64_t reserve,
                                const Answerer& answerer) {
  std::vector<int32_t> prompt = encoder.prompt(row, where, reserve);
  if (!answerer.prefix || prompt.empty()) return prompt;
  const Prefix prefix = answerer.prefix(prompt);
  return prefix.before(encoder.prompt(row, where, reserve, prefix.size()));
}

}  // namespace ilora
