#include "session/answers.h"

#include <utility>

#include "base/error.h"
#include "model/adapter_file.h"
#include "model/prompt_pool.h"

namespace ilora {

std::filesystem::path answering_adapter(const RunFolder& folder, Configuration& configuration,
                                        const std::string& learner) {
  const int64_t number = folder.last_task();
  if (number == 0) {
    throw Error(ErrorKind::kFile,
                fmt::format("[generate] {} has no adapters yet", folder.path().string()),
                "A run has adapters once its first task is learned.");
  }
  return folder.saved_adapter(number,
                              learner.empty() ? configuration.method().deployed() : learner);
}

Responder::Responder(Workbench& bench, const std::filesystem::path& adapter) : bench_(bench) {
  if (adapter.empty()) return;
  adapter_ = load_adapter(adapter, bench.model.files);
  answerer_ = answerer_of(bench.engine, adapter_);
}

Responder::Responder(Workbench& bench, Adapter adapter)
    : bench_(bench), adapter_(std::move(adapter)) {
  answerer_ = answerer_of(bench.engine, adapter_);
}

std::vector<std::vector<int32_t>> Responder::answer(std::span<const std::string> prompts,
                                                    GenerateOptions options,
                                                    const TokenVisitor& visit) {
  std::vector<std::vector<int32_t>> tokens;
  for (const std::string& text : prompts) tokens.push_back(bench_.encoder.prompt(text));
  return answer_tokens(std::move(tokens), std::move(options), visit);
}

std::vector<int32_t> Responder::reply(std::span<const ChatMessage> messages,
                                      GenerateOptions options, const TokenVisitor& visit) {
  return answer_tokens({bench_.encoder.conversation(messages)}, std::move(options), visit).front();
}

std::vector<std::vector<int32_t>> Responder::answer_tokens(
    std::vector<std::vector<int32_t>> prompts, GenerateOptions options, const TokenVisitor& visit) {
  for (std::vector<int32_t>& prompt : prompts) {
    if (prompt.empty()) throw Error(ErrorKind::kData, "[generate] the prompt is empty");
    if (answerer_.prefix) prompt = answerer_.prefix(prompt).before(prompt);
  }
  options.stop = bench_.encoder.stop_tokens();
  options.tokens = bench_.model.tokenizer.used_size();
  return generate(bench_.engine, answerer_.uses, prompts, options, visit);
}

}  // namespace ilora
