// Three tasks of ten steps each, with every method that can be written down in a few lines, against
// an independent PyTorch implementation of the papers (make_sequence.py): the loss of every step,
// the penalty, the divergence, the violated constraints, the distance to what is averaged or merged. The program's own trainer runs; nothing is driven by hand.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

constexpr double kLossTolerance = 1e-4;

fs::path sequence_folder() {
  return fs::path(ILORA_SOURCE_DIR) / "tests" / "golden" / "sequence";
}

// Writes down which rows each step trains on and which it replays.
class Recording : public Method {
 public:
  explicit Recording(Method& inner) : inner_(inner) {}

  void begin_task(Run& run) override { inner_.begin_task(run); }
  Pass plan(Run& run, const std::vector<const Row*>& rows) override {
    Pass pass = inner_.plan(run, rows);
    current.push_back(numbers(pass.segments.at(0).rows));
    replayed.push_back(pass.segments.size() > 1 ? numbers(pass.segments[1].rows) : Json::array());
    return pass;
  }
  void edit_gradient(Run& run) override { inner_.edit_gradient(run); }
  void after_update(Run& run, const std::vector<const Row*>& rows) override {
    inner_.after_update(run, rows);
  }
  void end_task(Run& run) override { inner_.end_task(run); }
  std::string deployed() const override { return inner_.deployed(); }
  void visit(StateVisitor& visitor) override { inner_.visit(visitor); }

  Json current = Json::array(), replayed = Json::array();

 private:
  static Json numbers(const std::vector<const Row*>& rows) {
    Json list = Json::array();
    for (const Row* row : rows) list.push_back((row->id >> 32) * 16 + number_in_file(row->id));
    return list;
  }

  Method& inner_;
};

// A run of the trainer in this process: what it drew, and its steps' events.
struct Sequence {
  Sequence(const std::string& method, const Settings& more) {
    const TemporaryFolder folder;
    Settings settings = {"train.epochs=5", "train.batch_size=8", "eval.matrix=diagonal",
                         "data.test_rows=1", "log.gradient_norms_every=0"};
    settings.insert(settings.end(), more.begin(), more.end());
    TinyRun tiny(tiny_settings(folder / "run", method, settings));
    Recording recording(tiny.configuration.method());
    Trainer trainer(tiny.recipe(), tiny.configuration.options, recording, *tiny.bench, tiny.tasks);
    trainer.run();
    current = recording.current;
    replayed = recording.replayed;
    steps = events(folder / "run");
    for (size_t task = 0; task < tiny.tasks.size(); ++task) {
      for (const Row& row : tiny.rows(task))
        rows.push_back({{"tokens", row.tokens}, {"prompt", row.prompt_length}});
    }
  }

  Json current, replayed, rows = Json::array();
  std::vector<Json> steps;
};

class AgainstPyTorch : public ::testing::TestWithParam<const char*> {};

TEST_P(AgainstPyTorch, EveryStepHasTheReferencesLoss) {
  const std::string method = GetParam();
  const Json reference = read_json(sequence_folder() / "reference.json");
  Settings settings = {"lora.start=" + (sequence_folder() / "start").string(),
                       "er.memory_size=10",
                       "ilora.memory_size=10",
                       "gem.draw=0",
                       "agem.draw=0",
                       "derpp.memory_size=10",
                       "derpp.second_draw=false",
                       "pm.perturb=0"};
  for (const auto& [key, value] : reference.at("settings").items())
    settings.push_back(key + "=" + (value.is_string() ? value.get<std::string>() : value.dump()));
  const Sequence run(method, settings);

  const Json order = read_json(sequence_folder() / "order.json");
  ASSERT_EQ(run.rows, order.at("rows"));
  ASSERT_EQ(run.current, order.at("current")) << "another data order: write order.json anew";
  if (method == "er" || method == "ilora" || method == "derpp") {
    ASSERT_EQ(run.replayed, order.at("replayed")) << "other rows are replayed: write it anew";
  }

  const Json& expected = reference.at("methods").at(method);
  ASSERT_EQ(run.steps.size(), expected.at("losses").size());
  double worst = 0;
  int64_t figures = 0;  // steps in which the method had something to do
  for (size_t i = 0; i < run.steps.size(); ++i) {
    const Json& step = run.steps[i];
    const double loss = step.at("loss");
    worst = std::max(worst, std::abs(loss - expected.at("losses")[i].get<double>()));
    EXPECT_NEAR(loss, expected.at("losses")[i].get<double>(), kLossTolerance) << "step " << i + 1;
    if (expected.at("figures").empty()) continue;
    const double figure = expected.at("figures")[i];
    figures += figure > 0 ? 1 : 0;
    if (method == "ewc" || method == "lwf" || method == "derpp") {
      const char* term = method == "ewc" ? "penalty" : "logit_distillation";
      EXPECT_EQ(step.at("terms").contains(term), i >= 10) << "step " << i + 1;
      EXPECT_NEAR(step.at("terms").value(term, 0.0), figure, kLossTolerance);
    } else if (method == "ogd") {
      EXPECT_NEAR(step.value("removed", 0.0), figure, kLossTolerance) << "step " << i + 1;
    } else if (method == "sfa" || method == "slao" || method == "pm") {
      EXPECT_NEAR(step.value("distance", 0.0), figure, 2e-4 * figure) << "step " << i + 1;
    } else {
      EXPECT_EQ(step.value("violated", 0.0), figure) << "step " << i + 1;
    }
  }
  EXPECT_EQ(figures > 0, !expected.at("figures").empty()) << "nothing was tested";
  RecordProperty("largest_difference", fmt::format("{}", worst));
}

INSTANTIATE_TEST_SUITE_P(Sequence, AgainstPyTorch,
                         ::testing::Values("seq", "er", "lwf", "ilora", "ewc", "gem", "agem",
                                           "derpp", "sfa", "slao", "pm", "ogd"),
                         [](const auto& method) { return std::string(method.param); });

// The reference stepped through the rows that the program drew; with ILORA_WRITE_ORDER=FILE they are
// written for it anew.
TEST(Order, IsTheOneThatTheReferenceHas) {
  const Sequence run("er", {"er.memory_size=10"});
  const Json order = {{"rows", run.rows}, {"current", run.current}, {"replayed", run.replayed}};
  if (const char* file = std::getenv("ILORA_WRITE_ORDER"); file != nullptr && *file != '\0')
    write_file_atomic(file, order.dump() + "\n");
  EXPECT_EQ(order, read_json(sequence_folder() / "order.json"));
}

}  // namespace
}  // namespace ilora::testing
