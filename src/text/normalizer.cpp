#include "text/normalizer.h"

namespace ilora {

std::string replace_all(std::string_view text, std::string_view what, std::string_view by) {
  std::string result;
  result.reserve(text.size());
  for (size_t position = 0;;) {
    const size_t found = text.find(what, position);
    result += text.substr(position, found - position);
    if (found == std::string_view::npos) return result;
    result += by;
    position = found + what.size();
  }
}

std::string normalize(std::string_view text, std::span<const NormalizerStep> steps) {
  std::string result(text);
  for (const NormalizerStep& step : steps) {
    switch (step.kind) {
      case NormalizerStep::Kind::kForm:
        result = normalize_utf8(result, step.form);
        break;
      case NormalizerStep::Kind::kPrepend:
        if (!result.empty()) result.insert(0, step.text);
        break;
      case NormalizerStep::Kind::kReplace:
        result = replace_all(result, step.text, step.by);
        break;
    }
  }
  return result;
}

}  // namespace ilora
