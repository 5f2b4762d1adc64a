// Answers of a model, a run's learner or an adapter to prompts given as text.
// Callers: `ilora generate` and the library's Session (include/ilora/ilora.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/adapter.h"
#include "model/generate.h"
#include "session/configuration.h"
#include "train/workbench.h"

namespace ilora {

// The PEFT folder of what a run answers with: `learner`, or the one that its method deploys where
// that is empty, as it was after the last task. Throws Error(kFile) where no task is learned yet.
std::filesystem::path answering_adapter(const RunFolder& folder, Configuration& configuration,
                                        const std::string& learner);

class Responder {
 public:
  // `adapter`: a PEFT folder or a LoRA file in GGUF; empty: the base model. The workbench outlives the responder.
  Responder(Workbench& bench, const std::filesystem::path& adapter);
  Responder(Workbench& bench, Adapter adapter);
  Responder(const Responder&) = delete;

  const Answerer& answerer() const { return answerer_; }

  // The answers' tokens, in order. `options.stop` is filled in. Throws Error(kData) for an empty
  // prompt or one that leaves no room in the context.
  std::vector<std::vector<int32_t>> answer(std::span<const std::string> prompts,
                                           GenerateOptions options, const TokenVisitor& visit = {});
  // The assistant's next turn in a conversation (Encoder::conversation).
  std::vector<int32_t> reply(std::span<const ChatMessage> messages, GenerateOptions options,
                             const TokenVisitor& visit = {});

 private:
  std::vector<std::vector<int32_t>> answer_tokens(std::vector<std::vector<int32_t>> prompts,
                                                  GenerateOptions options,
                                                  const TokenVisitor& visit);

  Workbench& bench_;
  Adapter adapter_;
  Answerer answerer_;  // its uses point to adapter_
};

}  // namespace ilora
