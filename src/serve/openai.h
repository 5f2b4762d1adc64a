// OpenAI's completions and chat completions as this server reads and writes them, with the fields
// that llama.cpp's and vLLM's servers add. Pure functions of JSON.
// https://platform.openai.com/docs/api-reference
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json_fwd.h"
#include "data/conversation.h"
#include "model/generate.h"
#include "serve/answer.h"
#include "text/tokenizer.h"

namespace ilora {

// What a client asks for.
struct AnswerRequest {
  std::string model;  // empty: what is deployed
  Turns said;         // of a chat: at least one turn, the last one not the assistant's
  std::vector<std::variant<std::string, std::vector<int32_t>>> prompts;  // of a completion
  std::optional<int64_t> max_new_tokens;
  Sampling sampling;
  std::optional<uint64_t> seed;  // none: another one each time
  std::vector<std::string> stops;
  int64_t choices = 1;  // answers to each prompt
  bool stream = false, stream_usage = false;
  bool scores = false;  // log-probabilities
  int64_t alternatives = 0;
  bool echo = false;      // a completion repeats its prompt, with scores where they are asked for
  double lora_scale = 1;  // of the learner's LoRA, as in llama.cpp's server
};

// Both throw Error(kData) that names the field: of another type, out of range, one that is not honoured
// here and asks for something, or one that nobody knows.
AnswerRequest read_chat_request(const Json& body);
AnswerRequest read_completion_request(const Json& body);

// What stays the same through an answer's objects.
struct ReplyHead {
  std::string id;     // "chatcmpl-..." or "cmpl-..."
  int64_t created;    // seconds since 1970
  std::string model;  // as the learner is called
};

struct TokenUsage {
  int64_t prompt = 0, completion = 0;
};

// One choice of a reply.
struct ReplyChoice {
  int64_t index = 0;
  AnswerPart part;               // of a stream: what is new
  std::optional<Ending> ending;  // of a stream: of its last object alone
  // Of a completion with scores: its place in the text for which the offsets count on.
  int64_t offset = 0;
};

// `scores`: whether log-probabilities were asked for.
Json chat_reply(const ReplyHead& head, const std::vector<ReplyChoice>& choices,
                const TokenUsage& usage, bool scores, const Tokenizer& tokenizer);
Json completion_reply(const ReplyHead& head, const std::vector<ReplyChoice>& choices,
                      const TokenUsage& usage, bool scores, const Tokenizer& tokenizer);
// An object of a stream. `first`: the choice's first, which says who speaks.
Json chat_chunk(const ReplyHead& head, const ReplyChoice& choice, bool first, bool scores,
                const Tokenizer& tokenizer);
Json completion_chunk(const ReplyHead& head, const ReplyChoice& choice, bool scores,
                      const Tokenizer& tokenizer);
// The last object of a stream that was to tell its usage.
Json usage_chunk(const ReplyHead& head, const char* object, const TokenUsage& usage);

}  // namespace ilora
