// A small problem with known forgetting: three tasks ask for the same words and mean other letters
// by them, told apart by a sign in front. Naive training forgets; every method against forgetting
// forgets less; `one` and `mtl` bound them. Five seeds.
#include <gtest/gtest.h>

#include <map>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

constexpr int kSeeds = 5;

// Word i of task t means letter (i + t) mod 2 or, in the third task, (i / 2) mod 2.
void write_problem(const fs::path& root) {
  const std::vector<std::string> words = {"cod",  "owl",  "apple",  "lemon",
                                          "fish", "bird", "cherry", "banana"};
  const std::vector<std::string> signs = {"1.", "2.", "3."};
  for (size_t task = 0; task < signs.size(); ++task) {
    Json rows = Json::array();
    for (size_t i = 0; i < words.size(); ++i) {
      const size_t letter = task == 2 ? i / 2 % 2 : (i + task) % 2;
      rows.push_back(
          {{"prompt", signs[task] + " " + words[i]}, {"answer", letter == 0 ? " A" : " B"}});
    }
    const fs::path folder = root / ("task-" + std::to_string(task + 1));
    make_folder(folder);
    for (const char* file : {"train.json", "test.json"}) write_json(folder / file, rows);
  }
}

struct Means {
  double accuracy = 0, forgetting = 0;
};

// Means over the seeds.
Means run_seeds(const TemporaryFolder& folder, const std::string& method, const Settings& more) {
  Means means;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const fs::path output = folder / fmt::format("{}-{}", method, seed);
    Settings settings = {fmt::format("seed={}", seed), "data.folder=" + (folder / "data").string(),
                         "train.epochs=30", "train.batch_size=4",
                         "lora.targets=q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"};
    settings.insert(settings.end(), more.begin(), more.end());
    TinyRun tiny(tiny_settings(output, method, settings));
    Trainer trainer(tiny.recipe(), tiny.configuration.options, tiny.configuration.method(),
                    *tiny.bench, tiny.tasks);
    trainer.run();
    const Json metrics = results_of(output).at("metrics");
    means.accuracy += metrics.at("average_accuracy").get<double>() / kSeeds;
    if (method != "mtl") means.forgetting += metrics.at("forgetting").get<double>() / kSeeds;
  }
  return means;
}

TEST(Forgetting, IsLessWithEveryMethodThanWithout) {
  const TemporaryFolder folder;
  write_problem(folder / "data");
  std::map<std::string, Means> by;
  for (const std::string method :
       {"seq", "er", "ewc", "gem", "agem", "ilora", "l2p", "pp", "one", "mtl"}) {
    by[method] = run_seeds(folder, method, {});
    fmt::print("{:6} accuracy {:.3f} forgetting {:.3f}\n", method, by[method].accuracy,
               by[method].forgetting);
  }
  EXPECT_GT(by["seq"].forgetting, 0.3) << "naive training forgets: else nothing is tested";
  for (const char* method : {"er", "ewc", "gem", "agem", "ilora"}) {
    EXPECT_LT(by[method].forgetting, by["seq"].forgetting) << method;
    EXPECT_GT(by[method].accuracy, by["seq"].accuracy) << method;
    for (const char* bound : {"one", "mtl"})
      EXPECT_LE(by[method].accuracy, by[bound].accuracy) << method << " and " << bound;
  }
  EXPECT_LE(by["one"].forgetting, 0.0);
  // Isolated prompts: nothing is lost, and something is learned. `l2p` shares its pool, promises no
  // isolation, and is held to its own properties elsewhere.
  EXPECT_EQ(by["pp"].forgetting, 0.0);
  EXPECT_GT(by["pp"].accuracy, by["seq"].accuracy);
}

}  // namespace
}  // namespace ilora::testing
