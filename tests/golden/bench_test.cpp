// ilora bench on rows and texts from files: what a comparison with another program reads from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cmath>
#include <map>
#include <thread>

#include "model/peft.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

class Bench : public ::testing::Test {
 protected:
  Bench() : config_(ModelFiles(model_).config()), fast_(adapter(1)), slow_(adapter(2)) {
    save_peft(folder_ / "fast", fast_, "tiny");
    save_peft(folder_ / "slow", slow_, "tiny");
    write_json(rows_, {{"current", {row(9, 5), row(4, 3)}}, {"replayed", {row(7, 6), row(3, 1)}}});
  }

  // An adapter neither of whose factors is zero.
  Adapter adapter(uint64_t seed) const {
    LoraOptions options;
    options.rank = 2;
    Adapter made(config_, options);
    auto* values = made.values().ptr<float>();
    for (int64_t i = 0; i < made.layout().size(); ++i)
      values[i] = 0.2f * std::sin(static_cast<float>(seed) + 1.7f * static_cast<float>(i));
    return made;
  }
  static Json row(int tokens, int prompt) {
    Json row = {{"tokens", Json::array()}, {"prompt_length", prompt}};
    for (int i = 0; i < tokens; ++i) row["tokens"].push_back((i * 31 + tokens) % 200);
    return row;
  }
  Outcome bench(const std::string& what, std::vector<std::string> more) {
    std::vector<std::string> all = {"bench", what, "--model", model_.string(), "--mode", "f32"};
    all.insert(all.end(), more.begin(), more.end());
    return run_ilora(folder_, all, {{{"OMP_NUM_THREADS", "1"}}});
  }
  Json json(const std::string& what, const std::vector<std::string>& more) {
    const Outcome outcome = bench(what, more);
    EXPECT_EQ(outcome.code, 0) << outcome.all();
    return parse_json(outcome.out, what);
  }
  // The first step of ilora with `fast` as it stands in the folder.
  Json first_step() {
    return json("step", {"--method", "ilora", "--rows", rows_, "--adapter", folder_ / "fast",
                         "--slow", folder_ / "slow", "--dump", folder_ / "gradient", "--json"});
  }

  TemporaryFolder folder_;
  fs::path model_ = data_folder("tiny-model"), rows_ = folder_ / "rows.json";
  ModelConfig config_;
  Adapter fast_, slow_;
};

// Along the written gradient g, the loss rises by |g|^2 per unit.
TEST_F(Bench, TheGradientWrittenIsThatOfTheLossTold) {
  const Json here = first_step();
  EXPECT_GT(here["consistency"].get<double>(), 0);
  EXPECT_NEAR(here["loss"].get<double>(),
              here["cross_entropy"].get<double>() + here["consistency"].get<double>(), 1e-6);
  const Adapter gradient = load_peft(folder_ / "gradient", config_);
  const auto size = static_cast<size_t>(fast_.layout().size());
  double square = 0;
  for (const float g : values_of(gradient.values())) square += static_cast<double>(g) * g;
  const double step = 2e-3 / std::sqrt(square);
  const auto loss_at = [&](double distance) {
    const Adapter moved = adapter(1);
    for (size_t i = 0; i < size; ++i) {
      moved.values().ptr<float>()[i] +=
          static_cast<float>(distance) * gradient.values().ptr<float>()[i];
    }
    save_peft(folder_ / "fast", moved, "tiny");
    return first_step()["loss"].get<double>();
  };
  const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
  EXPECT_NEAR(slope, square, 0.02 * square);  // float32 losses 2e-3 apart along the gradient
}

TEST_F(Bench, StepCountsTheTokensOfTheFile) {
  const std::vector<std::string> common = {"--rows", rows_, "--repeat", "1", "--json"};
  for (const std::string method : {"seq", "ilora"}) {  // seq has no memory: all rows are current
    std::vector<std::string> arguments = common;
    arguments.insert(arguments.end(), {"--method", method});
    EXPECT_EQ(json("step", arguments)["tokens"], 8 + 3 + 6 + 2) << method;
  }
}

// docs/methods.md, "Cost": a token with gradient twice, one without once, relative to seq.
TEST_F(Bench, MethodsCountThePassesThatTheDescriptionSays) {
  const std::map<std::string, double> expected = {{"seq", 1},
                                                  {"one", 1},
                                                  {"mtl", 1},
                                                  {"er", 2},
                                                  {"ewc", 1},
                                                  {"lwf", 1.5},
                                                  {"sfa", 1},
                                                  {"slao", 1},
                                                  {"pm", 1},
                                                  {"olora", 1},
                                                  {"ogd", 1},
                                                  {"derpp", 3},
                                                  {"sure", 2},
                                                  {"gem", 2},
                                                  {"agem", 3},
                                                  {"ilora", 2.5},
                                                  {"l2p", (32 + 3 * 5) / 32.0},
                                                  {"pp", (32 + 2 * 20) / 32.0}};
  const Json measured =
      json("methods", {"--rows", "8", "--tokens", "32", "--repeat", "1", "--json"})["methods"];
  ASSERT_EQ(measured.size(), training_methods().size());
  for (const Json& method : measured) {
    const std::string name = method.at("method");
    ASSERT_TRUE(expected.contains(name)) << name << ": say here what it costs";
    EXPECT_DOUBLE_EQ(method.at("implied").get<double>(), expected.at(name)) << name;
    EXPECT_GT(method.at("measured").get<double>(), 0) << name;
  }
}

// The first task is learned as the trainer would, with losses, and memories that fill before a
// step.
TEST_F(Bench, MethodsReplayWhateverTheirMemoryAsksFor) {
  for (const char* setting : {"er.policy=surprise", "er.insert_first=true"}) {
    const std::vector<std::string> common = {"--repeat", "1", "--json", "--set", setting};
    std::vector<std::string> methods = common, step = common;
    methods.insert(methods.end(), {"--methods", "er", "--rows", "8", "--tokens", "32"});
    step.insert(step.end(), {"--method", "er", "--rows", rows_});
    EXPECT_DOUBLE_EQ(json("methods", methods)["methods"][0]["implied"], 2.0) << setting;
    EXPECT_EQ(json("step", step)["tokens"], 8 + 3 + 6 + 2) << setting;
  }
}

TEST_F(Bench, RowsThatAreNoneNameFileAndRow) {
  write_json(rows_, {{"current", {row(9, 5), row(4, 4)}}});
  EXPECT_THAT(bench("step", {"--rows", rows_}).err, HasSubstr("row 1 of current in"));
  write_json(rows_, {{"current", {{{"tokens", {1, 1000000, 2}}, {"prompt_length", 1}}}}});
  EXPECT_THAT(bench("step", {"--rows", rows_}).err, HasSubstr("row 0 of current in"));
  write_json(rows_, {{"rows", 1}});
  EXPECT_THAT(bench("step", {"--rows", rows_}).err, HasSubstr("rows.json"));
}

TEST_F(Bench, AnswersTellWhatTheyComputed) {
  const fs::path texts = folder_ / "texts.json";
  write_json(texts, {{"prompts", {"one two", "three"}}, {"options", {"a", "b", "c"}}});
  const std::vector<std::string> common = {"--texts", texts,       "--repeat",      "1",
                                           "--json",  "--adapter", folder_ / "fast"};
  const Json eval = json("eval", common);
  ASSERT_EQ(eval["likelihoods"].size(), 2U);
  for (const Json& prompt : eval["likelihoods"]) {
    ASSERT_EQ(prompt.size(), 3U);
    for (const Json& option : prompt) EXPECT_LT(option.get<double>(), 0);
  }
  std::vector<std::string> arguments = common;
  arguments.insert(arguments.end(), {"--max-new-tokens", "5"});
  const Json generated = json("generate", arguments);
  EXPECT_EQ(generated["new_tokens"], 10);
  EXPECT_EQ(generated["answers"].at(1).size(), 5U);
}

TEST_F(Bench, ManyAdaptersAreMeasuredBothWays) {
  const fs::path texts = folder_ / "texts.json";
  write_json(texts, {{"prompts", {"one two", "three", "four"}}, {"options", {"a", "b", "c"}}});
  const std::vector<std::string> common = {"--texts",    texts, "--repeat",  "1", "--json",
                                           "--adapters", "6",   "--prompts", "2"};
  const Json eval = json("eval", common);
  EXPECT_EQ(eval["prompts"], 2);
  EXPECT_LT(eval["largest_relative_difference"].get<double>(), 1e-5);
  std::vector<std::string> arguments = common;
  arguments.insert(arguments.end(), {"--max-new-tokens", "5"});
  const Json generated = json("generate", arguments);
  EXPECT_EQ(generated["equal_answers"], 1.0);
  EXPECT_EQ(generated["new_tokens"], 6 * 2 * 5);
  for (const Json& facts : {eval, generated}) {
    EXPECT_GT(facts["seconds_one_by_one"].get<double>(), 0);
    EXPECT_GT(facts["seconds_together"].get<double>(), 0);
  }
}

TEST_F(Bench, EndsAtTheFirstSignal) {
  Child child(folder_, {"bench", "gemm", "--mode", "f32", "--repeat", "1000000"});
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  ASSERT_TRUE(child.running());
  child.send(SIGTERM);
  EXPECT_EQ(child.wait().signal, SIGTERM);
}

}  // namespace
}  // namespace ilora::testing
