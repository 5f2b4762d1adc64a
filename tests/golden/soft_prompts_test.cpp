// Soft prompts against transformers with inputs_embeds (make_soft_prompts.py): losses, gradients,
// logits with and without a cache. On the reference and on the fast table.
#include <gtest/gtest.h>

#include "tests/golden/golden_values.h"

namespace ilora {
namespace {

using testing::expect_close;
using testing::golden_folder;
using testing::TestModel;

class SoftPrompts : public ::testing::TestWithParam<const char*> {
 protected:
  SoftPrompts() {
    const Json tiny = read_json(golden_folder("tiny-llama") / "reference.json");
    for (size_t i = 0; i < tiny["rows"].size(); ++i) {
      rows_.push_back(testing::make_row(tiny["rows"][i].get<std::vector<int32_t>>(),
                                        tiny["answer_tokens"][i], i));
    }
    for (const Json& prefix : json_["prefixes"])
      prefixes_.push_back({prefix.get<std::vector<int32_t>>()});
    const auto all = json_["prompts"].get<std::vector<std::vector<float>>>();
    const auto frozen = static_cast<int64_t>(json_["frozen"].size());
    trained_ = make(0, static_cast<int64_t>(all.size()) - frozen, all);
    frozen_ = make(static_cast<int64_t>(all.size()) - frozen, frozen, all);
    gradient_ = Buffer(DType::kF32, {trained_.layout().size()});
    uses_ = {{&trained_, 1.0, {}}, {&frozen_, 1.0, {}}};
  }
  static const Kernels& kernels() {
    return GetParam() == std::string("cpu") ? cpu_kernels() : reference_kernels(DType::kF32);
  }
  Adapter make(int64_t first, int64_t count, const std::vector<std::vector<float>>& all) {
    LoraOptions options;
    options.targets = {};
    options.prompts.rows = count;
    Adapter adapter(model_.files.config(), options);
    const Tensor prompts = soft_prompts(adapter.values(), adapter.layout());
    for (int64_t p = 0; p < count; ++p) {
      const std::vector<float>& row = all[static_cast<size_t>(first + p)];
      std::copy(row.begin(), row.end(), prompts.rows(p, p + 1).ptr<float>());
    }
    return adapter;
  }
  // Row i as ids, its soft prompts in front.
  std::vector<int32_t> fed(size_t i) const { return prefixes_[i].before(rows_[i].tokens); }

  TestModel model_{golden_folder("tiny-llama") / "model", kernels(), DType::kF32};
  Json json_ = read_json(golden_folder("soft-prompts") / "reference.json");
  std::vector<Row> rows_;
  std::vector<Prefix> prefixes_;
  Adapter trained_, frozen_;
  Buffer gradient_;
  Uses uses_;
};

TEST_P(SoftPrompts, LossesAndGradients) {
  Pass pass{{cross_entropy_segment(row_pointers(rows_),
                                   {{&trained_, 1.0, gradient_.view()}, {&frozen_, 1.0, {}}})}};
  pass.segments[0].prefixes = prefixes_;
  PassReport report;
  model_.engine.run(pass, count_denominators(pass), 0, report);
  EXPECT_NEAR(report.total(), json_["loss"].get<double>(), 1e-5);
  for (size_t i = 0; i < rows_.size(); ++i) {
    EXPECT_NEAR(
        report.rows(0, LossKind::kCrossEntropy)[i] / static_cast<double>(rows_[i].label_count()),
        json_["row_losses"][i].get<double>(), 1e-5);
  }
  std::vector<float> expected;
  for (const Json& row : json_["gradient"]) {
    const auto values = row.get<std::vector<float>>();
    expected.insert(expected.end(), values.begin(), values.end());
  }
  expected.resize(static_cast<size_t>(trained_.layout().size()));  // the frozen ones stand behind
  expect_close({gradient_.ptr<float>(), expected.size()}, expected, "gradient");
}

TEST_P(SoftPrompts, LogitsWithAndWithoutACache) {
  for (size_t i = 0; i < rows_.size(); ++i) {
    const auto expected = json_["logits_last"][i].get<std::vector<float>>();
    const std::vector<int32_t> ids = fed(i);
    model_.engine.all_logits(ids, uses_, [&](size_t position, std::span<const float> logits) {
      if (position + 1 == ids.size()) expect_close(logits, expected, fmt::format("row {}", i));
    });
    // The prefix and one token, then the rest: what a shared prompt does.
    const size_t cut = prefixes_[i].prompts.size() + 1;
    KeyValueCache cache(model_.files.config(), DType::kF32, 1, static_cast<int64_t>(ids.size()));
    const Feed first{std::span(ids).first(cut), {}, 0, 0};
    const Feed second{std::span(ids).subspan(cut), {}, 0, static_cast<int64_t>(cut)};
    model_.engine.next_logits({&first, 1}, uses_, cache, [](size_t, std::span<const float>) {});
    model_.engine.next_logits({&second, 1}, uses_, cache,
                              [&](size_t, std::span<const float> logits) {
                                expect_close(logits, expected, fmt::format("row {}, cached", i));
                              });
  }
}

TEST_P(SoftPrompts, MeanOfHiddenStates) {
  for (size_t i = 0; i < rows_.size(); ++i) {
    std::vector<float> mean(static_cast<size_t>(model_.files.config().width));
    const Tensor out(mean.data(), DType::kF32, {static_cast<int64_t>(mean.size())});
    model_.engine.mean_hidden(out, rows_[i].tokens, {});
    expect_close(mean, json_["mean_hidden"][i].get<std::vector<float>>(), "mean");
  }
}

TEST_P(SoftPrompts, ThatDoNotFitTheContextAreAnError) {
  Pass pass{{cross_entropy_segment({&rows_[0]}, uses_)}};
  Segment& segment = pass.segments.front();
  const auto room = static_cast<size_t>(model_.files.config().context - rows_[0].length());
  PassReport report;
  segment.prefixes = {Prefix{std::vector<int32_t>(room, 1)}};
  EXPECT_NO_THROW(model_.engine.run(pass, count_denominators(pass), 0, report));
  segment.prefixes[0].prompts.push_back(1);
  EXPECT_THROW(model_.engine.run(pass, count_denominators(pass), 0, report), Error);
}

INSTANTIATE_TEST_SUITE_P(Tables, SoftPrompts, ::testing::Values("reference", "cpu"));

}  // namespace
}  // namespace ilora
