#include "serve/status_text.h"

#include <fmt/format.h>

namespace ilora {
namespace {

void add(std::string& text, const char* name, const char* kind, const char* help, double value) {
  text += fmt::format("# HELP ilora_{0} {1}\n# TYPE ilora_{0} {2}\nilora_{0} {3}\n", name, help,
                      kind, value);
}

}  // namespace

std::string status_text(const AnsweringCounts& counts, int64_t requests, double seconds_up) {
  std::string text;
  const auto count = [&](const char* name, const char* help, int64_t value) {
    add(text, name, "counter", help, static_cast<double>(value));
  };
  const auto now = [&](const char* name, const char* help, double value) {
    add(text, name, "gauge", help, value);
  };
  count("http_requests_total", "HTTP requests.", requests);
  count("questions_total", "Questions that were taken.", counts.asked);
  count("answers_total", "Answers that were finished.", counts.answered);
  count("answers_cancelled_total", "Answers that nobody waited for.", counts.cancelled);
  count("answers_failed_total", "Answers that failed.", counts.failed);
  count("questions_refused_total", "Questions for which the queue was too long.", counts.refused);
  count("prompt_tokens_total", "Tokens of prompts.", counts.prompt_tokens);
  count("new_tokens_total", "Tokens of answers.", counts.new_tokens);
  now("questions_waiting", "Questions that wait for a slot.", static_cast<double>(counts.waiting));
  now("answers_in_the_making", "Questions that are answered now.",
      static_cast<double>(counts.answering));
  now("uptime_seconds", "Since the start.", seconds_up);
  return text;
}

}  // namespace ilora
