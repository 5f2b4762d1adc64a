// Probes of general ability: against plain forwards, through a whole run, and with bad files.
#include "eval/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "tests/run_fixture.h"
#include "tests/unit/base/error_of.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ProbesTest : public ::testing::Test {
 protected:
  ProbesTest() {
    std::string text;
    for (int i = 0; i < 120; ++i) text += fmt::format("Line {} of a plain text. ", i * 7 % 31);
    write_file_atomic(folder_ / "plain.txt", text);
    write_file_atomic(folder_ / "quiz.jsonl",
                      "{\"question\":\"Which is a "
                      "colour?\",\"choices\":[\"green\",\"table\",\"seven\"],\"answer\":0}\n"
                      "{\"question\":\"Which is a "
                      "number?\",\"choices\":[\"tree\",\"four\"],\"answer\":\"four\"}\n"
                      "{\"question\":\"Which one flies?\",\"choices\":[\"a stone\",\"the old "
                      "bird\",\"it\",\"x\"],"
                      "\"answer\":1}\n");
  }
  ProbeOptions both() const {
    return {{(folder_ / "plain.txt").string()}, {(folder_ / "quiz.jsonl").string()}, 0, 0};
  }
  std::string failure(const std::string& line) {
    write_file_atomic(folder_ / "bad.jsonl", "\n" + line + "\n");
    return message_of([&] { read_questions(folder_ / "bad.jsonl", 0); });
  }

  TemporaryFolder folder_;
};

// Log-probabilities of every token after the first, by one plain forward.
std::vector<double> log_probabilities(Engine& engine, const Uses& uses,
                                      const std::vector<int32_t>& tokens) {
  std::vector<double> found(tokens.size() - 1);
  engine.all_logits(tokens, uses, [&](size_t at, std::span<const float> logits) {
    if (at + 1 >= tokens.size()) return;
    double sum = 0;
    for (const float x : logits) sum += std::exp(static_cast<double>(x));
    found[at] = static_cast<double>(logits[static_cast<size_t>(tokens[at + 1])]) - std::log(sum);
  });
  return found;
}

TEST_F(ProbesTest, EqualPlainForwards) {
  for (const char* size : {"engine.max_tokens=2048", "engine.max_tokens=130"}) {
    TinyRun tiny(tiny_settings("unused", "seq", {size, "data.max_length=60"}));
    Adapter adapter(tiny.model(), tiny.recipe().lora);
    const Random random(5, Stream::kTest);
    for (int64_t i = 0; i < adapter.layout().size(); ++i)
      adapter.values().ptr<float>()[i] =
          static_cast<float>(0.6 * random.uniform(static_cast<uint64_t>(i)) - 0.3);
    const Uses uses = {{&adapter, 1.0, {}}};
    const Encoder& encoder = tiny.bench->encoder;
    const Probes probes(encoder, both());
    const auto values = probes.measure(tiny.engine(), {uses, {}});
    ASSERT_EQ(values.size(), 2U);

    const auto tokens = encoder.tokenizer().encode(read_file(folder_ / "plain.txt"));
    ASSERT_FALSE(encoder.tokenizer().adds_bos());
    ASSERT_GT(tokens.size(), 150U);
    double loss = 0, count = 0;
    for (size_t begin = 0; begin + 1 < tokens.size(); begin += 60) {
      const size_t end = std::min(begin + 60, tokens.size());
      const std::vector<int32_t> window(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                                        tokens.begin() + static_cast<std::ptrdiff_t>(end));
      for (const double p : log_probabilities(tiny.engine(), uses, window)) loss -= p, count += 1;
    }
    EXPECT_EQ(values[0].name, "plain");
    EXPECT_EQ(values[0].measure, "perplexity");
    EXPECT_NEAR(values[0].value, std::exp(loss / count), 1e-4 * values[0].value);

    double right = 0;
    for (const ProbeQuestion& asked : read_questions(folder_ / "quiz.jsonl", 0)) {
      std::vector<double> per_byte;
      for (const std::string& choice : asked.choices) {
        std::vector<int32_t> whole = encoder.prompt(asked.question + "\nAnswer:");
        const size_t prompt = whole.size();
        for (const int32_t token : encoder.answer(" " + choice)) whole.push_back(token);
        const auto each = log_probabilities(tiny.engine(), uses, whole);
        double sum = 0;
        for (size_t t = prompt - 1; t < each.size(); ++t) sum += each[t];
        per_byte.push_back(sum / static_cast<double>(choice.size()));
      }
      const auto best = std::ranges::max_element(per_byte) - per_byte.begin();
      if (static_cast<size_t>(best) == asked.answer) right += 1.0 / 3;
    }
    EXPECT_EQ(values[1].measure, "accuracy");
    EXPECT_NEAR(values[1].value, right, 1e-12);
  }
}

TEST_F(ProbesTest, ReadsAnswersAsIndexAndAsText) {
  const auto questions = read_questions(folder_ / "quiz.jsonl", 0);
  ASSERT_EQ(questions.size(), 3U);
  EXPECT_EQ(questions[0].answer, 0U);
  EXPECT_EQ(questions[1].answer, 1U);
  EXPECT_EQ(questions[2].choices.size(), 4U);
  EXPECT_EQ(read_questions(folder_ / "quiz.jsonl", 2).size(), 2U);
}

TEST_F(ProbesTest, BadFilesAreNamedWithTheirLine) {
  EXPECT_THAT(failure(R"({"choices":["a","b"],"answer":0})"),
              AllOf(HasSubstr("bad.jsonl:2"), HasSubstr("question")));
  EXPECT_THAT(failure(R"({"question":"q","choices":["a"],"answer":0})"), HasSubstr("two texts"));
  EXPECT_THAT(failure(R"({"question":"q","choices":["a",""],"answer":0})"), HasSubstr("empty"));
  EXPECT_THAT(failure(R"({"question":"q","choices":["a","b"],"answer":2})"), HasSubstr("0 to 1"));
  EXPECT_THAT(failure(R"({"question":"q","choices":["a","b"],"answer":"c"})"),
              HasSubstr("got \"c\""));
  EXPECT_THAT(failure(""), HasSubstr("no questions"));
  const Outcome outcome = run_ilora(
      folder_, train_arguments(tiny_settings(folder_ / "run", "seq",
                                             {"probe.text=" + (folder_ / "absent.txt").string()})));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("absent.txt"));
}

// Of a run: before training and after every task, in results, log and report; a run that is taught
// one more task keeps them.
TEST_F(ProbesTest, AreTakenAfterEveryTask) {
  const ProbeOptions files = both();
  const Settings settings = {"probe.text=" + files.text[0], "probe.choices=" + files.choices[0],
                             "train.epochs=1", "data.tasks=alpha,beta"};
  const fs::path run = folder_ / "run";
  ASSERT_EQ(run_ilora(folder_, train_arguments(tiny_settings(run, "ilora", settings))).code, 0);
  const Json probes = results_of(run).at("probes");
  ASSERT_EQ(probes.size(), 2U);
  EXPECT_EQ(probes[0].at("name"), "plain");
  EXPECT_EQ(probes[0].at("measure"), "perplexity");
  ASSERT_EQ(probes[0].at("values").size(), 3U);
  EXPECT_NE(probes[0]["values"][0], probes[0]["values"][2]) << "training moves it";
  ASSERT_EQ(events(run, "probe").size(), 6U);
  EXPECT_EQ(events(run, "probe")[0].at("after"), 0);
  EXPECT_EQ(events(run, "probe")[5].at("learner"), "slow");
  EXPECT_EQ(events(run, "probe")[5].at("value"), probes[1]["values"][2]);
  EXPECT_THAT(read_file(run / "report.html"), HasSubstr("plain, perplexity"));

  const Outcome more = run_ilora(folder_, {"train", "--continue", run.string(), "--task",
                                           data_folder("tiny-tasks/gamma").string()});
  ASSERT_EQ(more.code, 0) << more.err;
  const Json longer = results_of(run).at("probes");
  ASSERT_EQ(longer[0].at("values").size(), 4U);
  EXPECT_EQ(longer[0]["values"][2], probes[0]["values"][2]);
  EXPECT_FALSE(longer[0]["values"][3].is_null());
}

}  // namespace
}  // namespace ilora::testing
