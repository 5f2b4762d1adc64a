#include "train/made_from.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hash.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

class Sources : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::copy(ILORA_SOURCE_DIR "/tests/data/tiny-model", folder_ / "model");
    recipe_.add_options(options_);
    recipe_.model = folder_ / "model";
    recipe_.output = folder_ / "run";
    recipe_.tasks = {"relative", folder_ / "task"};
    recipe_.probe.text = {"words.txt"};
    task_.name = "one";
    task_.train = {{"a", "b"}, {"c", "d"}};
    task_.test = {{"e", "f"}};
  }
  MadeFrom describe() const {
    return describe_sources(recipe_, options_, ModelFiles(recipe_.model), {task_});
  }
  std::string model_hash(size_t file) const { return describe().model.at(file).hash; }

  TemporaryFolder folder_;
  OptionList options_;
  Recipe recipe_;
  TaskText task_;
};

TEST_F(Sources, NameEveryPathModelTaskAndOption) {
  const MadeFrom made_from = describe();
  std::vector<std::string> paths, files;
  for (const RecordedPath& path : made_from.paths) paths.push_back(path.written);
  EXPECT_THAT(paths, ElementsAre(recipe_.model, ".", folder_ / "task", "words.txt"));
  EXPECT_EQ(made_from.paths[0].relative, "../model");
  EXPECT_EQ(made_from.paths[3].absolute, (fs::current_path() / "words.txt").string());
  for (const HashedFile& file : made_from.model) files.push_back(file.name);
  EXPECT_EQ(files.front(), "model.safetensors");
  EXPECT_THAT(files, ::testing::Contains("config.json"));
  EXPECT_THAT(files, ::testing::Contains("tokenizer.json"));
  EXPECT_EQ(made_from.model[0].bytes,
            static_cast<int64_t>(fs::file_size(folder_ / "model/model.safetensors")));
  ASSERT_EQ(made_from.tasks.size(), 1U);
  ASSERT_EQ(made_from.tasks[0].splits.size(), 2U) << "no eval rows were read";
  EXPECT_EQ(made_from.tasks[0].splits[0].first, "train");
  EXPECT_EQ(made_from.tasks[0].splits[0].second.rows, 2);
  EXPECT_EQ(made_from.options.size(), options_.keys().size());
  EXPECT_EQ(made_from.options[0], (std::pair<std::string, std::string>("method", "ilora")));
}

TEST_F(Sources, AChangedByteOfTheModelIsSeen) {
  const std::string before = model_hash(0);
  const fs::path weights = folder_ / "model/model.safetensors";
  std::string bytes = read_file(weights);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_file_atomic(weights, bytes);
  EXPECT_NE(model_hash(0), before);
  EXPECT_EQ(model_hash(1), describe().model[1].hash);
}

TEST_F(Sources, AChangedRowIsSeenAndSoIsItsPlace) {
  const auto hash = [&] { return describe().tasks[0].splits[0].second.hash; };
  const std::string before = hash();
  std::swap(task_.train[0], task_.train[1]);
  EXPECT_NE(hash(), before);
  task_.train = {{"ab", ""}, {"c", "d"}};
  EXPECT_NE(hash(), before) << "where a prompt ends counts";
  task_.train = {{"a", "b", 7}, {"c", "d", 9}};
  EXPECT_EQ(hash(), before) << "its number in the file does not";
}

}  // namespace
}  // namespace ilora
