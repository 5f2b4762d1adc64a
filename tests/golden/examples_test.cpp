// The configurations in examples/ are what `ilora train` accepts, and say what each field does.
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

std::vector<fs::path> examples() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(ILORA_SOURCE_DIR) / "examples")) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

TEST(Examples, LoadAndNameTheirMethod) {
  ASSERT_GE(examples().size(), 5U);
  for (const fs::path& file : examples()) {
    Configuration configuration;
    configuration.options.load_yaml(file);
    EXPECT_NO_THROW(configuration.method()) << file;
    EXPECT_THAT(read_file(file), HasSubstr("examples/" + file.filename().string()))
        << "says the command that it is for";
  }
}

TEST(Examples, BenchmarksSayWhatEachFieldDoes) {
  for (const char* name : {"trace8", "standard4", "long15", "learn6"}) {
    const fs::path file = fs::path(ILORA_SOURCE_DIR) / "examples" / (std::string(name) + ".yaml");
    std::istringstream lines(read_file(file));
    for (std::string line; std::getline(lines, line);) {
      const bool field = line.find(": ") != std::string::npos && !line.starts_with("#");
      if (!field) continue;
      EXPECT_NE(line.find("  # "), std::string::npos) << file << ": " << line;
    }
  }
}

TEST(Examples, BenchmarksNameTasksThatAreBuiltIn) {
  for (const auto& [name, count] :
       std::map<std::string, size_t>{{"trace8", 8}, {"standard4", 4}, {"long15", 15}}) {
    Configuration configuration;
    configuration.options.load_yaml(fs::path(ILORA_SOURCE_DIR) / "examples" / (name + ".yaml"));
    const std::vector<std::string>& tasks = configuration.recipe.tasks;
    EXPECT_EQ(std::set<std::string>(tasks.begin(), tasks.end()).size(), count) << name;
    for (const std::string& task : tasks) EXPECT_NE(find_task_definition(task), nullptr) << task;
    EXPECT_EQ(configuration.recipe.train_rows, 120) << name << ": the reduced protocol";
  }
}

// Where the rows are made up, as their sets write them.
TEST(Examples, Learn6IsMadeOfTheFourSets) {
  const TemporaryFolder folder;
  const std::map<std::string, std::vector<std::string>> sets = {
      {"AGNews", find_task_definition("AGNews")->options},
      {"SST-2", find_task_definition("SST-2")->options},
      {"DBpedia", find_task_definition("DBpedia")->options},
      {"Yahoo", find_task_definition("Yahoo")->options}};
  for (const auto& [set, labels] : sets) {
    TaskText task;
    for (const Split split : {Split::kTrain, Split::kEval, Split::kTest}) {
      std::vector<Example> rows;
      for (size_t i = 0; i < 4 * labels.size(); ++i) {
        const std::string text = fmt::format("{} text {}", split_name(split), i);
        rows.push_back({"What is it?\nOption: " + fmt::format("{}", fmt::join(labels, ", ")) +
                            "\n" + text + " \nAnswer:",
                        labels[i % labels.size()]});
      }
      (split == Split::kTrain ? task.train : split == Split::kEval ? task.eval : task.test) = rows;
    }
    write_task(folder / "data" / set, task);
  }
  const std::string command =
      fmt::format("python3 {}/scripts/learn6.py {} {} --program {} >{} 2>&1", ILORA_SOURCE_DIR,
                  (folder / "data").string(), (folder / "out").string(), ILORA_BINARY,
                  (folder / "log").string());
  ASSERT_EQ(std::system(command.c_str()), 0) << read_file(folder / "log");

  Configuration configuration;
  configuration.options.load_yaml(fs::path(ILORA_SOURCE_DIR) / "examples" / "learn6.yaml");
  std::map<std::string, std::set<std::string>> meanings;  // of a letter
  for (const std::string& name : configuration.recipe.tasks) {
    const TaskText task = read_task(folder / "out" / name);
    EXPECT_EQ(task.definition.measure, "choice") << name;
    EXPECT_EQ(task.train.size(), 4 * task.definition.options.size()) << name;
    const std::string& prompt = task.train.front().prompt;
    const size_t at = prompt.find(task.train.front().answer + ": ");
    ASSERT_NE(at, std::string::npos) << prompt;
    EXPECT_TRUE(prompt.starts_with("train text ")) << prompt;
    EXPECT_THAT(prompt, HasSubstr("\nOptions: A: "));
    meanings[task.train.front().answer].insert(
        prompt.substr(at, prompt.find_first_of(",\n", at) - at));
  }
  size_t most = 0;
  for (const auto& [letter, labels] : meanings) most = std::max(most, labels.size());
  EXPECT_GT(most, 1U) << "a letter stands for different labels";
}

}  // namespace
}  // namespace ilora::testing
