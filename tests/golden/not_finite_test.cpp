// Numbers that are none: they are found when a file is loaded, and else where they would become an
// answer or a score. Never a score themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "formats/safetensors.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

enum class Value { kNaN, kInfinity };

// Writes it over the element `index` of a float32 or float16 tensor in the file.
void overwrite(const fs::path& path, const std::string& tensor, int64_t index, Value value) {
  std::string bytes = read_file(path);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const Json entry = parse_json(std::string_view(bytes).substr(8, header), "header").at(tensor);
  const bool half = entry.at("dtype") == "F16";
  ASSERT_TRUE(half || entry.at("dtype") == "F32");
  const uint32_t infinity = half ? 0x7c00u : 0x7f800000u;
  const uint32_t bits = value == Value::kInfinity ? infinity : infinity | 1u;
  const size_t size = half ? 2 : 4;
  const size_t at =
      8 + header + entry.at("data_offsets")[0].get<size_t>() + static_cast<size_t>(index) * size;
  std::memcpy(bytes.data() + at, &bits, size);
  write_file_atomic(path, bytes);
}

class NotFinite : public ::testing::Test {
 protected:
  fs::path model_with(const std::string& tensor, Value value) {
    const fs::path model = folder_ / "model";
    fs::copy(data_folder("tiny-model"), model);
    overwrite(model / "model.safetensors", tensor, 70, value);
    return model;
  }
  Outcome run(const std::vector<std::string>& words) { return run_ilora(folder_, words); }

  TemporaryFolder folder_;
};

TEST_F(NotFinite, AWeightNamesItsTensorAndRow) {
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  const std::string model = model_with(name, Value::kNaN).string();
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"generate", "--model", model, "hello"},
        train_arguments(tiny_settings(folder_ / "run", "seq", {"model.path=" + model}))}) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 1) << outcome.all();
    EXPECT_THAT(outcome.err,
                AllOf(HasSubstr("expected finite numbers"), HasSubstr(name), HasSubstr("row ")));
  }
}

// Weights that stay in their file are not read when they are opened.
TEST_F(NotFinite, AStoredWeightIsNoticedAtTheFirstScore) {
  const std::string model =
      model_with("model.layers.1.mlp.down_proj.weight", Value::kInfinity).string();
  for (const char* measure : {"auto", "generated"}) {
    const Outcome outcome =
        run(train_arguments(tiny_settings(folder_ / measure, "zero-shot",
                                          {"model.path=" + model, "model.weights=stored",
                                           fmt::format("eval.measures={}", measure)})));
    EXPECT_EQ(outcome.code, 1) << outcome.all();
    EXPECT_THAT(outcome.err, HasSubstr("expected finite logits")) << outcome.all();
  }
}

TEST_F(NotFinite, AnAdapterNamesItsTensor) {
  const fs::path trained = folder_ / "run";
  ASSERT_EQ(run(train_arguments(tiny_settings(trained, "seq", {"train.epochs=1"}))).code, 0);
  // The tasks' last one, which is deployed.
  const fs::path adapter = RunFolder(trained).adapter(RunFolder(trained).last_task(), "fast") /
                           "adapter_model.safetensors";
  const std::string name = SafetensorsFile(adapter).tensors()[0].name;
  overwrite(adapter, name, 1, Value::kNaN);
  const Outcome outcome = run({"generate", "--run", trained.string(), "hello"});
  EXPECT_EQ(outcome.code, 1) << outcome.all();
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("expected finite numbers"), HasSubstr(name)));
}

}  // namespace
}  // namespace ilora::testing
