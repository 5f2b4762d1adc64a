#include "eval/probe.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "data/encoder.h"
#include "data/import/records.h"
#include "data/text_file.h"
#include "eval/batches.h"
#include "eval/continuations.h"
#include "eval/fed_prompt.h"
#include "text/tokenizer.h"

namespace ilora {
namespace {

ProbeQuestion question_of(const Record& record) {
  ProbeQuestion question;
  question.question = record.text("question");
  const Json& choices = record.at("choices");
  if (!choices.is_array() || choices.size() < 2)
    fail_record(record, "at least two texts in \"choices\"");
  for (const Json& choice : choices) {
    if (!choice.is_string() || choice.get<std::string>().empty())
      fail_record(record, "texts in \"choices\", none of them empty");
    question.choices.push_back(choice.get<std::string>());
  }
  const Json& answer = record.at("answer");
  const auto found = std::ranges::find(
      question.choices, answer.is_string() ? answer.get<std::string>() : std::string());
  question.answer = static_cast<size_t>(found - question.choices.begin());
  if (answer.is_number_unsigned()) question.answer = answer.get<size_t>();
  if (question.answer >= question.choices.size()) {
    fail_record(record, fmt::format("\"answer\" 0 to {}, or one of the choices, got {}",
                                    question.choices.size() - 1, answer.dump()));
  }
  return question;
}

int64_t longest_of(const std::vector<std::vector<int32_t>>& texts) {
  size_t longest = 0;
  for (const auto& text : texts) longest = std::max(longest, text.size());
  return static_cast<int64_t>(longest);
}

}  // namespace

std::vector<ProbeQuestion> read_questions(const std::filesystem::path& file, int64_t rows) {
  std::vector<Record> records = read_records(file, {});
  const auto count = static_cast<int64_t>(records.size());
  std::vector<int64_t> order = Random(0, Stream::kRows).permutation(count);
  if (rows > 0 && rows < count) order.resize(static_cast<size_t>(rows));
  std::ranges::sort(order);
  std::vector<ProbeQuestion> questions;
  questions.reserve(order.size());
  for (const int64_t i : order) questions.push_back(question_of(records[static_cast<size_t>(i)]));
  if (questions.empty())
    throw Error(ErrorKind::kData, fmt::format("[probe] {} holds no questions", file.string()));
  return questions;
}

Probes::Probes(const Encoder& encoder, const ProbeOptions& options) : encoder_(encoder) {
  for (const std::string& file : options.text) {
    std::vector<int32_t> tokens = encoder.tokenizer().encode(read_utf8(file));
    if (options.tokens > 0 && static_cast<int64_t>(tokens.size()) > options.tokens)
      tokens.resize(static_cast<size_t>(options.tokens));
    Text& text = texts_.emplace_back();
    text.name = std::filesystem::path(file).stem().string();
    const bool bos = encoder.tokenizer().adds_bos();
    const auto room = static_cast<size_t>(encoder.max_length() - (bos ? 1 : 0));
    for (size_t begin = 0; begin < tokens.size(); begin += room) {
      std::vector<int32_t>& window = text.windows.emplace_back();
      if (bos) window.push_back(encoder.tokenizer().bos());
      const size_t end = std::min(begin + room, tokens.size());
      window.insert(window.end(), tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                    tokens.begin() + static_cast<std::ptrdiff_t>(end));
    }
    if (!text.windows.empty() && text.windows.back().size() < 2) text.windows.pop_back();
    if (text.windows.empty())
      throw Error(ErrorKind::kData, fmt::format("[probe] {} has no two tokens", file));
  }
  for (const std::string& file : options.choices) {
    Set& set = sets_.emplace_back();
    set.name = std::filesystem::path(file).stem().string();
    for (const ProbeQuestion& asked : read_questions(file, options.rows)) {
      Question& question = set.questions.emplace_back();
      question.prompt = encoder.prompt(asked.question + "\nAnswer:");
      question.answer = asked.answer;
      for (const std::string& choice : asked.choices) {
        question.choices.push_back(encoder.answer(" " + choice));
        question.bytes.push_back(static_cast<double>(choice.size()));
      }
    }
  }
}

std::vector<Probes::Value> Probes::measure(Engine& engine, const Answerer& answerer) const {
  std::vector<Value> values;
  for (const Text& text : texts_)
    values.push_back({text.name, "perplexity", perplexity(engine, answerer, text)});
  for (const Set& set : sets_)
    values.push_back({set.name, "accuracy", accuracy(engine, answerer, set)});
  return values;
}

double Probes::perplexity(Engine& engine, const Answerer& answerer, const Text& text) const {
  double loss = 0, count = 0;
  const auto length = [&](size_t i) { return static_cast<int64_t>(text.windows[i].size()); };
  const auto run = [&](size_t first, size_t n) {
    std::vector<std::vector<int32_t>> tokens(n), targets(n);
    std::vector<Feed> feeds;
    for (size_t i = 0; i < n; ++i) {
      const std::vector<int32_t>& window = text.windows[first + i];
      const Prefix prefix = answerer.prefix ? answerer.prefix(window) : Prefix();
      // Soft prompts come on top, as in training; only the context's end costs a window its last
      // tokens.
      const auto kept = static_cast<size_t>(std::clamp<int64_t>(
          encoder_.room(prefix.size()), 2, static_cast<int64_t>(window.size())));
      tokens[i] = prefix.before(std::span(window).first(kept - 1));
      targets[i].assign(prefix.prompts.size(), -1);
      const std::span<const int32_t> next = std::span(window).first(kept).subspan(1);
      targets[i].insert(targets[i].end(), next.begin(), next.end());
      feeds.push_back({tokens[i], targets[i], 0, 0});
      count += static_cast<double>(kept - 1);
    }
    std::vector<double> sums(n);
    engine.score(feeds, {&answerer.uses, 1}, nullptr, sums);
    for (const double sum : sums) loss += sum;
  };
  in_batches(text.windows.size(), engine.options().max_tokens, length, run);
  return std::exp(loss / count);
}

double Probes::accuracy(Engine& engine, const Answerer& answerer, const Set& set) const {
  int64_t right = 0;
  const auto length = [&](size_t i) {
    const Question& question = set.questions[i];
    size_t fed = question.prompt.size();
    for (const std::vector<int32_t>& choice : question.choices) fed += choice.size();
    return static_cast<int64_t>(fed);
  };
  in_batches(set.questions.size(), engine.options().max_tokens, length,
             [&](size_t first, size_t n) {
               right += right_answers(engine, answerer, std::span(set.questions).subspan(first, n));
             });
  return static_cast<double>(right) / static_cast<double>(set.questions.size());
}

int64_t Probes::right_answers(Engine& engine, const Answerer& answerer,
                              std::span<const Question> questions) const {
  std::vector<std::vector<int32_t>> prompts;
  for (const Question& question : questions) {
    prompts.push_back(
        fed_prompt(encoder_, question.prompt, longest_of(question.choices), answerer));
  }
  Continuations batch;
  for (size_t i = 0; i < questions.size(); ++i) {
    batch.prompt(prompts[i], 0);
    for (const std::vector<int32_t>& choice : questions[i].choices) batch.add(choice);
  }
  const std::vector<double> values = batch.log_likelihoods(engine, {&answerer.uses, 1});
  auto value = values.begin();
  int64_t right = 0;
  for (const Question& question : questions) {
    double best = -INFINITY;
    size_t chosen = 0;
    for (size_t choice = 0; choice < question.choices.size(); ++choice) {
      const double per_byte = *value++ / question.bytes[choice];
      if (per_byte > best) best = per_byte, chosen = choice;
    }
    right += chosen == question.answer ? 1 : 0;
  }
  return right;
}

}  // namespace ilora
