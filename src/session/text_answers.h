// Answers in the making as text: decoded token by token, ended by stop texts, shown as they grow.
// Callers: `ilora generate` and `ilora chat`.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "text/stop_text.h"
#include "text/tokenizer.h"

namespace ilora {

class TextAnswers {
 public:
  // Of so many prompts. The tokenizer outlives it.
  TextAnswers(const Tokenizer& tokenizer, const std::vector<std::string>& stops, size_t prompts);
  TextAnswers(const TextAnswers&) = delete;

  // Called with each part of an answer as it is there.
  using Show = std::function<void(size_t index, const std::string& part)>;
  void show_with(Show show) { show_ = std::move(show); }

  // For GenerateOptions::complete; this outlives the generation.
  std::function<bool(size_t, std::span<const int32_t>)> listener();
  void finish();  // generation is over: what was held back belongs to the answers
  const std::string& text(size_t index) const { return answers_[index].text; }

 private:
  struct Answer {
    StreamDecoder decoder;
    StopText stop;
    std::string text;
  };
  void add(size_t index, const std::string& part);

  std::vector<Answer> answers_;
  Show show_;
};

}  // namespace ilora
