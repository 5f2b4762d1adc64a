#include "session/text_answers.h"

namespace ilora {

TextAnswers::TextAnswers(const Tokenizer& tokenizer, const std::vector<std::string>& stops,
                         size_t prompts) {
  answers_.reserve(prompts);
  for (size_t i = 0; i < prompts; ++i)
    answers_.push_back({StreamDecoder(tokenizer), StopText(stops), {}});
}

void TextAnswers::add(size_t index, const std::string& part) {
  answers_[index].text += part;
  if (show_ && !part.empty()) show_(index, part);
}

std::function<bool(size_t, std::span<const int32_t>)> TextAnswers::listener() {
  return [this](size_t index, std::span<const int32_t> tokens) {
    Answer& answer = answers_[index];
    add(index, answer.stop.push(answer.decoder.push(tokens.back())));
    return answer.stop.stopped();
  };
}

void TextAnswers::finish() {
  for (size_t i = 0; i < answers_.size(); ++i) {
    Answer& answer = answers_[i];
    if (!answer.stop.stopped()) add(i, answer.stop.push(answer.decoder.finish()));
    add(i, answer.stop.finish());
  }
}

}  // namespace ilora
