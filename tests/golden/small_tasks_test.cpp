// README's recipe for somebody's own tasks, on three made-up ones of 40 rows and a real model: each is
// learned, and the learner that answers is as good as the best. Needs the model: ILORA_MODEL names it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

// What customers write to a shop; {} is a thing.
struct Kind {
  std::string answer;
  std::vector<std::string> texts;
};
struct MadeUpTask {
  std::string name;
  std::vector<Kind> kinds;
};

const std::vector<MadeUpTask>& made_up_tasks() {
  static const std::vector<MadeUpTask> tasks = {
      {"department",
       {{" billing",
         {"The invoice for my {} is wrong.", "I was charged twice for the {}.",
          "Please refund the {} to my card.", "Why does the {} cost more than the offer said?"}},
        {" technical",
         {"My {} does not switch on.", "The {} shows an error and stops.",
          "How do I connect the {} to the network?", "The {} crashes after the update."}},
        {" shipping",
         {"When will the {} arrive?", "The {} was sent to the wrong address.",
          "The box with the {} was broken on arrival.",
          "I want to collect the {} at your shop."}}}},
      {"urgency",
       {{" high",
         {"We cannot work without the {}, answer at once.", "Emergency: the {} is smoking!",
          "The {} must run before noon today.", "Third message about the {}, I will cancel now."}},
        {" low",
         {"No hurry, but what does a {} weigh?", "Some day I would like a second {}.",
          "Just curious how the {} is made.", "Whenever you have time, send news of the {}."}}}},
      {"mood",
       {{" angry",
         {"This {} is a disgrace.", "Never again will I buy a {} from you.",
          "Whoever made this {} should be ashamed.", "I am furious about the {}."}},
        {" happy",
         {"The {} is a joy, thank you.", "Best {} that I ever had.", "My family loves the {}.",
          "What a wonderful {}, well done."}},
        {" neutral",
         {"I have a {} of last year's model.", "The {} is in the office.",
          "There are two of us who use the {}.", "The {} has a grey case."}}}}};
  return tasks;
}

Json row_of(const MadeUpTask& task, const Kind& kind, size_t text, const std::string& thing) {
  std::string prompt = kind.texts[text];
  prompt.replace(prompt.find("{}"), 2, thing);
  return {{"prompt", fmt::format("{}\n{}:", prompt, task.name)}, {"answer", kind.answer}};
}

// 40 training rows; test rows of the same texts about other things.
void write_task(const fs::path& folder, const MadeUpTask& task) {
  Json train = Json::array(), test = Json::array();
  for (const char* thing : {"printer", "laptop", "router", "camera", "phone"})
    for (size_t text = 0; text < 4; ++text)
      for (const Kind& kind : task.kinds)
        if (train.size() < 40) train.push_back(row_of(task, kind, text, thing));
  for (const char* thing : {"projector", "headset", "charger", "watch"})
    for (size_t text = 0; text < 4; ++text)
      for (const Kind& kind : task.kinds) test.push_back(row_of(task, kind, text, thing));
  fs::create_directories(folder / task.name);
  write_json(folder / task.name / "train.json", train);
  write_json(folder / task.name / "test.json", test);
}

double mean_of_last(const Json& matrix) {
  double sum = 0;
  for (const Json& score : matrix.back()) sum += score.get<double>();
  return sum / static_cast<double>(matrix.back().size());
}

TEST(SmallTasks, AreLearnedByTheRecipeOfTheReadme) {
  const char* model = std::getenv("ILORA_MODEL");
  if (model == nullptr || *model == '\0') GTEST_SKIP() << "set ILORA_MODEL to a model";
  const TemporaryFolder folder;
  for (const MadeUpTask& task : made_up_tasks()) write_task(folder / "data", task);
  const fs::path run = folder / "run";
  // As README's mine.yaml says.
  const Settings settings = {"method=ilora",
                             fmt::format("model.path={}", model),
                             fmt::format("data.folder={}", (folder / "data").string()),
                             "data.tasks=[department, urgency, mood]",
                             fmt::format("output={}", run.string()),
                             "train.epochs=8",
                             "train.batch_size=8",
                             "train.learning_rate=4e-3",
                             "ilora.half_life=0.25",
                             "ilora.draw=past",
                             "ilora.weight=by-task"};
  const Outcome trained = run_ilora(folder, train_arguments(settings));
  ASSERT_EQ(trained.code, 0) << trained.err;
  const Json results = results_of(run);
  const double deployed = mean_of_last(results["scores"]);
  for (const auto& [learner, by_measure] : results["scores_by"].items()) {
    for (const auto& [measure, matrix] : by_measure.items())
      EXPECT_GE(deployed, mean_of_last(matrix) - 0.02) << learner;
  }
  for (const Json& score : results["scores"].back()) EXPECT_GE(score.get<double>(), 0.95);
}

}  // namespace
}  // namespace ilora::testing
