#include "serve/openai.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/json.h"
#include "serve/request_fields.h"

namespace ilora {
namespace {

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
constexpr int64_t kMostChoices = 16, kMostAlternatives = 20;
constexpr size_t kMostStops = 16, kMostPrompts = 256;

// Fields that both kinds of request have.
void read_common(RequestFields& fields, AnswerRequest& request) {
  request.model = fields.text("model").value_or("");
  Sampling& sampling = request.sampling;
  sampling.temperature = fields.number("temperature", 0, 100).value_or(sampling.temperature);
  sampling.top_p = fields.number("top_p", 1e-6, 1).value_or(sampling.top_p);
  sampling.top_k = fields.integer("top_k", -1, kMost).value_or(0);
  if (sampling.top_k < 0) sampling.top_k = 0;  // as vLLM says "all"
  sampling.min_p = fields.number("min_p", 0, 1).value_or(sampling.min_p);
  const auto penalty = fields.number("repeat_penalty", 1e-3, 100),
             same = fields.number("repetition_penalty", 1e-3, 100);
  sampling.repeat_penalty = penalty.value_or(same.value_or(sampling.repeat_penalty));
  sampling.repeat_last_n =
      fields.integer("repeat_last_n", -1, kMost).value_or(same && !penalty ? -1 : 64);
  const auto seed = fields.integer("seed", std::numeric_limits<int64_t>::min(),
                                   std::numeric_limits<int64_t>::max());
  if (seed) request.seed = static_cast<uint64_t>(*seed);
  request.stops = fields.texts("stop", kMostStops);
  request.choices = fields.integer("n", 1, kMostChoices).value_or(1);
  request.stream = fields.flag("stream").value_or(false);
  if (const Json* options = fields.find("stream_options")) {
    RequestFields of_stream(*options);
    request.stream_usage = of_stream.flag("include_usage").value_or(false);
    of_stream.ignore({"include_obfuscation"});
    of_stream.done();
  }
  fields.only("presence_penalty", "0");
  fields.only("frequency_penalty", "0");
  fields.only("logit_bias", "{}");
  fields.ignore({"user", "metadata", "store", "service_tier", "safety_identifier",
                 "prompt_cache_key", "cache_prompt"});
}

// llama.cpp's "lora": [{"id": 0, "scale": 0.5}]; here there is one adapter, the learner's.
void read_lora(RequestFields& fields, AnswerRequest& request) {
  const Json* list = fields.find("lora");
  if (list == nullptr) return;
  if (!list->is_array() || list->size() > 1)
    throw Error(ErrorKind::kData, "[request] expected a list of at most one adapter for \"lora\"",
                "As in {\"lora\": [{\"id\": 0, \"scale\": 0.5}]}; other learners are models of "
                "their own (GET /v1/models).");
  if (list->empty()) {  // llama.cpp: an adapter that is not named does not count
    request.lora_scale = 0;
    return;
  }
  RequestFields one(list->front());
  one.integer("id", 0, 0);
  request.lora_scale = one.number("scale", -100, 100).value_or(1);
  one.done();
}

std::vector<int32_t> token_list(const Json& list) {
  std::vector<int32_t> tokens;
  tokens.reserve(list.size());
  for (const Json& token : list) {
    if (!token.is_number_integer() || token < 0 || token > kMost)
      throw Error(ErrorKind::kData, "[request] expected token ids for \"prompt\"");
    tokens.push_back(token.get<int32_t>());
  }
  return tokens;
}

// A text, a list of token ids, or a list of either.
void read_prompts(RequestFields& fields, AnswerRequest& request) {
  const Json* prompt = fields.find("prompt");
  const auto add = [&](const Json& one) {
    const bool tokens = one.is_array() && !one.empty();
    if (!one.is_string() && !tokens)
      throw Error(ErrorKind::kData,
                  "[request] expected a text or a list of token ids for \"prompt\", or a list of "
                  "these");
    if (tokens) {
      request.prompts.emplace_back(token_list(one));
    } else {
      request.prompts.emplace_back(one.get<std::string>());
    }
  };
  if (prompt == nullptr) {
    throw Error(ErrorKind::kData, "[request] \"prompt\" is missing");
  } else if (prompt->is_array() && !prompt->empty() && !prompt->front().is_number()) {
    if (prompt->size() > kMostPrompts)
      throw Error(ErrorKind::kData, fmt::format("[request] expected at most {} prompts, got {}",
                                                kMostPrompts, prompt->size()));
    for (const Json& one : *prompt) add(one);
  } else {
    add(*prompt);
  }
}

const char* finish_reason(Ending ending) {
  return ending == Ending::kStop ? "stop" : "length";
}

Json reason_of(const ReplyChoice& choice) {
  return choice.ending ? Json(finish_reason(*choice.ending)) : Json(nullptr);
}

Json usage_json(const TokenUsage& usage) {
  return {{"prompt_tokens", usage.prompt},
          {"completion_tokens", usage.completion},
          {"total_tokens", usage.prompt + usage.completion}};
}

Json head_json(const ReplyHead& head, const char* object) {
  return {{"id", head.id}, {"object", object}, {"created", head.created}, {"model", head.model}};
}

std::string text_of(const Tokenizer& tokenizer, int32_t token) {
  return std::string(tokenizer.token_bytes(token));  // json_text() mends what is no UTF-8
}

int64_t characters(const std::string& text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
}

Json token_json(const Tokenizer& tokenizer, int32_t token, double logprob) {
  const std::string_view bytes = tokenizer.token_bytes(token);
  Json list = Json::array();
  for (const char byte : bytes) list.push_back(static_cast<unsigned char>(byte));
  return {{"token", std::string(bytes)}, {"logprob", logprob}, {"bytes", std::move(list)}};
}

Json chat_scores(const Tokenizer& tokenizer, const std::vector<TokenScore>& scores) {
  Json content = Json::array();
  for (const TokenScore& score : scores) {
    Json& one = content.emplace_back(token_json(tokenizer, score.token, score.logprob.value_or(0)));
    one["top_logprobs"] = Json::array();
    for (const auto& [token, logprob] : score.likeliest)
      one["top_logprobs"].push_back(token_json(tokenizer, token, logprob));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json completion_scores(const Tokenizer& tokenizer, const ReplyChoice& choice) {
  Json tokens = Json::array(), logprobs = Json::array(), top = Json::array(),
       offsets = Json::array();
  int64_t offset = choice.offset;
  for (const TokenScore& score : choice.part.scores) {
    const std::string text = text_of(tokenizer, score.token);
    tokens.push_back(text);
    offsets.push_back(offset);
    offset += characters(text);
    logprobs.push_back(score.logprob ? Json(*score.logprob) : Json(nullptr));
    if (!score.logprob) {
      top.push_back(nullptr);
      continue;
    }
    Json& likeliest = top.emplace_back(Json::object());
    for (const auto& [token, logprob] : score.likeliest) {
      // Two tokens may have one text (parts of characters): the likelier one's counts.
      const std::string name = text_of(tokenizer, token);
      if (!likeliest.contains(name)) likeliest[name] = logprob;
    }
  }
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(top)},
          {"text_offset", std::move(offsets)}};
}

Json completion_choice(const ReplyChoice& choice, bool scores, const Tokenizer& tokenizer) {
  return {{"text", choice.part.text},
          {"index", choice.index},
          {"logprobs", scores ? completion_scores(tokenizer, choice) : Json(nullptr)},
          {"finish_reason", reason_of(choice)}};
}

}  // namespace

AnswerRequest read_chat_request(const Json& body) {
  RequestFields fields(body);
  AnswerRequest request;
  read_common(fields, request);
  read_lora(fields, request);
  const Json* messages = fields.find("messages");
  if (messages == nullptr) throw Error(ErrorKind::kData, "[request] \"messages\" is missing");
  Json known = *messages;
  if (known.is_array()) {
    for (Json& message : known) {  // as OpenAI calls the system's turn since 2025
      if (message.is_object() && message.value("role", Json()) == "developer")
        message["role"] = "system";
    }
  }
  request.said = read_said(known, "messages");
  if (request.said.empty() || is_answer(request.said.back()))
    throw Error(ErrorKind::kData, "[request] expected messages that end with a question",
                "The last one is the user's or a tool's; an answer is not gone on with.");
  const auto most = fields.integer("max_tokens", 1, kMost),
             newer = fields.integer("max_completion_tokens", 1, kMost);
  request.max_new_tokens = newer ? newer : most;
  request.scores = fields.flag("logprobs").value_or(false);
  request.alternatives = fields.integer("top_logprobs", 0, kMostAlternatives).value_or(0);
  fields.only("response_format", "{\"type\": \"text\"}");
  fields.only("tools", "[]");
  fields.only("tool_choice", "\"none\"");
  fields.only("modalities", "[\"text\"]");
  fields.ignore({"parallel_tool_calls", "reasoning_effort", "verbosity"});
  fields.done();
  return request;
}

AnswerRequest read_completion_request(const Json& body) {
  RequestFields fields(body);
  AnswerRequest request;
  read_common(fields, request);
  read_lora(fields, request);
  read_prompts(fields, request);
  request.max_new_tokens = fields.integer("max_tokens", 0, kMost);
  const auto logprobs = fields.integer("logprobs", 0, kMostAlternatives);
  request.scores = logprobs.has_value();
  request.alternatives = logprobs.value_or(0);
  request.echo = fields.flag("echo").value_or(false);
  fields.only("suffix", "\"\"");
  const auto best = fields.integer("best_of", 1, kMostChoices);
  if (best.value_or(request.choices) != request.choices)
    throw Error(ErrorKind::kData, "[request] \"best_of\" is not honoured here",
                "Ask for as many choices by \"n\".");
  fields.done();
  return request;
}

Json chat_reply(const ReplyHead& head, const std::vector<ReplyChoice>& choices,
                const TokenUsage& usage, bool scores, const Tokenizer& tokenizer) {
  Json reply = head_json(head, "chat.completion");
  reply["choices"] = Json::array();
  for (const ReplyChoice& choice : choices) {
    reply["choices"].push_back(
        {{"index", choice.index},
         {"message", {{"role", "assistant"}, {"content", choice.part.text}, {"refusal", nullptr}}},
         {"logprobs", scores ? chat_scores(tokenizer, choice.part.scores) : Json(nullptr)},
         {"finish_reason", reason_of(choice)}});
  }
  reply["usage"] = usage_json(usage);
  return reply;
}

Json completion_reply(const ReplyHead& head, const std::vector<ReplyChoice>& choices,
                      const TokenUsage& usage, bool scores, const Tokenizer& tokenizer) {
  Json reply = head_json(head, "text_completion");
  reply["choices"] = Json::array();
  for (const ReplyChoice& choice : choices)
    reply["choices"].push_back(completion_choice(choice, scores, tokenizer));
  reply["usage"] = usage_json(usage);
  return reply;
}

Json chat_chunk(const ReplyHead& head, const ReplyChoice& choice, bool first, bool scores,
                const Tokenizer& tokenizer) {
  Json chunk = head_json(head, "chat.completion.chunk");
  Json delta = Json::object();
  if (first) delta["role"] = "assistant";
  if (first || !choice.part.text.empty()) delta["content"] = choice.part.text;
  chunk["choices"] = Json::array();
  chunk["choices"].push_back(
      {{"index", choice.index},
       {"delta", std::move(delta)},
       {"logprobs", scores ? chat_scores(tokenizer, choice.part.scores) : Json(nullptr)},
       {"finish_reason", reason_of(choice)}});
  return chunk;
}

Json completion_chunk(const ReplyHead& head, const ReplyChoice& choice, bool scores,
                      const Tokenizer& tokenizer) {
  Json chunk = head_json(head, "text_completion");
  chunk["choices"] = Json::array();
  chunk["choices"].push_back(completion_choice(choice, scores, tokenizer));
  return chunk;
}

Json usage_chunk(const ReplyHead& head, const char* object, const TokenUsage& usage) {
  Json chunk = head_json(head, object);
  chunk["choices"] = Json::array();
  chunk["usage"] = usage_json(usage);
  return chunk;
}

}  // namespace ilora
