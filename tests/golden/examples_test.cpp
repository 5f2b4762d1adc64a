// The configurations in examples/ are what `ilora train` accepts, and say what each field does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
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
  for (const char* name : {"trace8", "standard4", "long15"}) {
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

}  // namespace
}  // namespace ilora::testing
