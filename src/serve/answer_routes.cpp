#include "serve/answer_routes.h"

#include <chrono>
#include <random>

#include "data/turn_encoder.h"
#include "serve/http.h"
#include "serve/openai.h"
#include "serve/request_error.h"

namespace ilora {
namespace {

using Tokens = std::vector<int32_t>;

constexpr int64_t kCompletionTokens = 16;  // as OpenAI's, where a completion does not say

// A request under way: one answer for each choice of each prompt.
struct Asked {
  AnswerService& service;
  AnswerRequest request;
  ReplyHead head;
  std::vector<Tokens> prompts;
  std::vector<std::string> texts;  // of a completion's prompts, where they are repeated
  std::vector<std::shared_ptr<Answer>> answers;
  Answer::Clock::time_point deadline;

  const Tokenizer& tokenizer() const { return service.bench.model.tokenizer; }
  TokenUsage usage() const {
    TokenUsage usage;
    for (const Tokens& prompt : prompts) usage.prompt += std::ssize(prompt);
    for (const auto& answer : answers) usage.completion += answer->tokens();
    return usage;
  }
  // Nobody listens any more.
  void cancel() const {
    for (const auto& answer : answers) answer->cancel();
  }
};

uint64_t any_seed() {
  static thread_local std::mt19937_64 draw{std::random_device{}()};
  return draw();
}

// A chat as the run learned its rows: as turns, or the one question as it stands.
Tokens chat_tokens(const AnswerService& service, const Turns& said) {
  const Encoder& encoder = service.bench.encoder;
  if (service.chat) return encoder.conversation(messages_of(said));
  if (said.size() == 1 && said.front().role == "user" && said.front().tools.empty())
    return encoder.prompt(said.front().content);
  throw RequestError(
      kBadRequest,
      "[serve] this run learned prompts as they stand (data.template: raw), not conversations",
      "Send one message of the user, or a run that learns with data.template: chat.");
}

Tokens prompt_tokens(const AnswerService& service,
                     const std::variant<std::string, Tokens>& prompt) {
  const Tokenizer& tokenizer = service.bench.model.tokenizer;
  Tokens tokens;
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    tokens = with_bos(tokenizer, tokenizer.encode(*text));
  } else {
    tokens = std::get<Tokens>(prompt);
    for (const int32_t token : tokens) {
      if (token < tokenizer.used_size()) continue;
      throw RequestError(kBadRequest,
                         fmt::format("[serve] there is no token {}: the last one is {}", token,
                                     tokenizer.used_size() - 1));
    }
  }
  if (tokens.empty()) throw RequestError(kBadRequest, "[serve] the prompt is empty");
  return tokens;
}

std::shared_ptr<const ServedLearner> learner_of(const AnswerService& service,
                                                const AnswerRequest& request) {
  auto learner = service.learners.find(request.model);
  if (request.lora_scale == 1) return learner;
  return std::make_shared<const ServedLearner>(*learner, request.lora_scale);
}

// Puts the questions. Throws where one cannot be asked; then none is answered.
void ask(Asked& asked, const char* id) {
  AnswerService& service = asked.service;
  AnswerRequest& request = asked.request;
  const auto learner = learner_of(service, request);
  asked.head = {service.recent.new_id(id),
                std::chrono::duration_cast<std::chrono::seconds>(
                    std::chrono::system_clock::now().time_since_epoch())
                    .count(),
                learner->name};
  asked.deadline = Answer::Clock::now() + std::chrono::seconds(service.request_seconds);
  request.sampling.seed = request.seed.value_or(any_seed());
  const bool chat = !request.said.empty();
  try {
    for (const Tokens& prompt : asked.prompts) {
      const int64_t room = service.answering.capacity() - std::ssize(prompt);
      for (int64_t choice = 0; choice < request.choices; ++choice) {
        Question question{learner, prompt};
        question.max_new_tokens =
            request.max_new_tokens.value_or(chat ? std::max(room, int64_t{1}) : kCompletionTokens);
        question.sampling = request.sampling;
        question.stream = static_cast<uint64_t>(choice);
        question.stops = request.stops;
        question.scores = request.scores;
        question.prompt_scores = request.scores && request.echo;
        question.alternatives = request.alternatives;
        asked.answers.push_back(service.answering.ask(std::move(question)));
      }
    }
  } catch (...) {
    asked.cancel();
    throw;
  }
}

// All that is still to come of an answer.
AnswerPart rest_of(Answer& answer, Answer::Clock::time_point deadline) {
  AnswerPart whole;
  while (auto part = answer.next(deadline)) {
    whole.text += part->text;
    whole.scores.insert(whole.scores.end(), part->scores.begin(), part->scores.end());
  }
  if (answer.ending() == Ending::kCancelled)
    throw RequestError(kUnavailable, "[serve] the server is about to end");
  return whole;
}

void remember(const Asked& asked, const std::string& answer) {
  if (asked.answers.size() != 1) return;  // which of several is meant nobody could say
  GivenAnswer given{asked.request.said, {}, answer};
  if (asked.request.said.empty()) given.prompt = asked.texts.front();
  asked.service.recent.add(asked.head.id, std::move(given));
}

void reply_whole(Asked& asked, httplib::Response& response) {
  std::vector<ReplyChoice> choices;
  try {
    for (size_t i = 0; i < asked.answers.size(); ++i) {
      AnswerPart part = rest_of(*asked.answers[i], asked.deadline);
      remember(asked, part.text);
      if (asked.request.echo)
        part.text = asked.texts[i / static_cast<size_t>(asked.request.choices)] + part.text;
      choices.push_back({static_cast<int64_t>(i), std::move(part), asked.answers[i]->ending(), 0});
    }
  } catch (...) {
    asked.cancel();
    throw;
  }
  const auto reply = asked.request.said.empty() ? completion_reply : chat_reply;
  send(response,
       reply(asked.head, choices, asked.usage(), asked.request.scores, asked.tokenizer()));
}

// Server-sent events, an object for each part of an answer: one choice after another, which are all
// in the making meanwhile.
class EventStream {
 public:
  explicit EventStream(std::shared_ptr<Asked> asked) : asked_(std::move(asked)) {}

  // Writes the next event; false where the client is gone.
  bool write(httplib::DataSink& sink) {
    try {
      return next(sink);
    } catch (const Error& e) {
      return fail(sink, e);
    } catch (const std::exception& e) {
      return fail(sink, RequestError(kServerError, fmt::format("[serve] {}", e.what())));
    }
  }

 private:
  bool fail(httplib::DataSink& sink, const Error& error) {
    asked_->cancel();
    const bool written = event(sink, error_json(error));
    sink.done();
    return written;
  }

  static bool event(httplib::DataSink& sink, const Json& data) {
    const std::string text = "data: " + json_text(data, -1) + "\n\n";
    return sink.write(text.data(), text.size());
  }

  bool next(httplib::DataSink& sink) {
    if (index_ == asked_->answers.size()) return finish(sink);
    Answer& answer = *asked_->answers[index_];
    ReplyChoice choice;
    choice.index = static_cast<int64_t>(index_);
    choice.offset = offset_;
    const bool first = std::exchange(first_, false);
    if (first && asked_->request.echo)
      choice.part.text = asked_->texts[index_ / static_cast<size_t>(asked_->request.choices)];
    if (auto part = answer.next(asked_->deadline)) {
      text_ += part->text;
      choice.part.text += part->text;
      choice.part.scores = std::move(part->scores);
      offset_ += std::ssize(choice.part.text);
      return event(sink, chunk(choice, first));
    }
    if (answer.ending() == Ending::kCancelled)
      throw RequestError(kUnavailable, "[serve] the server is about to end");
    choice.ending = answer.ending();
    remember(*asked_, text_);
    ++index_;
    first_ = true;
    offset_ = 0;
    text_.clear();
    return event(sink, chunk(choice, first));
  }

  Json chunk(const ReplyChoice& choice, bool first) const {
    const AnswerRequest& request = asked_->request;
    return request.said.empty()
               ? completion_chunk(asked_->head, choice, request.scores, asked_->tokenizer())
               : chat_chunk(asked_->head, choice, first, request.scores, asked_->tokenizer());
  }

  bool finish(httplib::DataSink& sink) {
    const bool chat = !asked_->request.said.empty();
    if (asked_->request.stream_usage &&
        !event(sink, usage_chunk(asked_->head, chat ? "chat.completion.chunk" : "text_completion",
                                 asked_->usage())))
      return false;
    static constexpr std::string_view kDone = "data: [DONE]\n\n";
    const bool written = sink.write(kDone.data(), kDone.size());
    sink.done();
    return written;
  }

  std::shared_ptr<Asked> asked_;
  size_t index_ = 0;  // of the answer
  int64_t offset_ = 0;
  bool first_ = true;
  std::string text_;
};

void reply(std::shared_ptr<Asked> asked, httplib::Response& response) {
  if (!asked->request.stream) return reply_whole(*asked, response);
  const auto events = std::make_shared<EventStream>(asked);
  response.set_header("Cache-Control", "no-store");
  response.set_chunked_content_provider(
      "text/event-stream",
      [events](size_t, httplib::DataSink& sink) { return events->write(sink); },
      [asked](bool) { asked->cancel(); });
}

void set_defaults(const AnswerService& service, AnswerRequest& request, const Json& body) {
  const auto says = [&](const char* key) { return body.contains(key) && !body[key].is_null(); };
  const Sampling& own = service.sampling;
  if (!says("temperature")) request.sampling.temperature = own.temperature;
  if (!says("top_p")) request.sampling.top_p = own.top_p;
  if (!says("top_k")) request.sampling.top_k = own.top_k;
  if (!says("min_p")) request.sampling.min_p = own.min_p;
}

void chat(AnswerService& service, const httplib::Request& http, httplib::Response& response) {
  const Json body = body_of(http);
  auto asked = std::make_shared<Asked>(Asked{service, read_chat_request(body), {}, {}, {}, {}, {}});
  set_defaults(service, asked->request, body);
  asked->prompts.push_back(chat_tokens(service, asked->request.said));
  ask(*asked, "chatcmpl");
  reply(std::move(asked), response);
}

void complete(AnswerService& service, const httplib::Request& http, httplib::Response& response) {
  const Json body = body_of(http);
  auto asked =
      std::make_shared<Asked>(Asked{service, read_completion_request(body), {}, {}, {}, {}, {}});
  set_defaults(service, asked->request, body);
  for (const auto& prompt : asked->request.prompts) {
    asked->prompts.push_back(prompt_tokens(service, prompt));
    const auto* text = std::get_if<std::string>(&prompt);
    asked->texts.push_back(
        text != nullptr ? *text : asked->tokenizer().decode(std::get<Tokens>(prompt), false));
  }
  ask(*asked, "cmpl");
  reply(std::move(asked), response);
}

Json model_json(const std::string& name) {
  return {{"id", name}, {"object", "model"}, {"created", 0}, {"owned_by", "ilora"}};
}

void list_models(const AnswerService& service, httplib::Response& response) {
  Json list = Json::array();
  for (const std::string& name : service.learners.names()) list.push_back(model_json(name));
  send(response, {{"object", "list"}, {"data", std::move(list)}});
}

// llama.cpp's way of naming adapters: here there is one, the learner that a request names.
void list_adapters(const AnswerService& service, httplib::Response& response) {
  Json list = Json::array();
  list.push_back({{"id", 0}, {"path", service.learners.find("")->name}, {"scale", 1.0}});
  send(response, list);
}

}  // namespace

void add_answer_routes(httplib::Server& server, AnswerService& service) {
  using httplib::Request;
  using httplib::Response;
  server.Post("/v1/chat/completions", handled([&](const Request& request, Response& response) {
                chat(service, request, response);
              }));
  server.Post("/v1/completions", handled([&](const Request& request, Response& response) {
                complete(service, request, response);
              }));
  server.Get("/v1/models",
             handled([&](const Request&, Response& response) { list_models(service, response); }));
  server.Get("/v1/models/(.+)", handled([&](const Request& request, Response& response) {
               service.learners.find(request.matches[1]);  // throws where there is none
               send(response, model_json(request.matches[1]));
             }));
  server.Get("/lora-adapters", handled([&](const Request&, Response& response) {
               list_adapters(service, response);
             }));
}

}  // namespace ilora
