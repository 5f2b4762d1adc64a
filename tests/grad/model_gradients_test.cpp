// Gradients of a whole tiny model, all its losses and adapters at once, against complex-step
// differentiation: the same engine runs in double (forward and backward) and in complex numbers
// (forward alone, one parameter moved by i*h).
#include <gtest/gtest.h>

#include <complex>
#include <cstring>

#include "base/parallel.h"
#include "base/random.h"
#include "model/families/common.h"
#include "tensor/scalar.h"
#include "tests/model_fixture.h"

namespace ilora {
namespace {

using testing::golden_folder;
using testing::make_row;
using testing::TestModel;

constexpr double kStep = 1e-30;
constexpr double kTolerance = 1e-10;  // of the largest gradient

struct Case {
  std::string name;
  std::vector<std::string> targets{};
  double dropout = 0;
  LossOptions loss{};
  std::vector<Loss> second{};  // losses of the second segment, beside cross-entropy
  bool prompts = false;        // soft prompts in front of the rows, some trained, some not
  bool alone = false;          // the second segment has no cross-entropy
  bool gaps = false;           // rows of conversations: stretches between answers carry no label
  bool side_by_side = false;   // a family of other norms and pairs
  bool unlike_llama = false;   // every figure of a configuration that Llama leaves at its default
};

// Reads the Llama as a model whose first block turns half of each head, caps its scores and gates
// through GELU, and whose second has no positions and a window; with all multipliers, and capped
// logits.
constexpr ModelFamily kUnlikeLlama = {
    .name = "unlike Llama",
    .model_type = "llama",
    .partial_rotary = true,
    .from_folder = [](const FolderKeys& keys, ModelConfig& config) {
      read_decoder(keys, config);
      config.rotary = {{.base = 100.0, .dims = config.head_dim / 2, .divisors = {}}};
      BlockConfig &first = config.blocks[0], &second = config.blocks[1];
      first.gelu = true;
      first.soft_cap = 1.5;
      first.query_scale = 1.7;
      first.residual_multiplier = 0.6;
      second.rotary = -1;
      second.query_scale = 0.8;
      second.residual_multiplier = 1.3;
      second.window = 3;
      config.embedding_multiplier = 2.5;
      config.logit_scale = 0.4;
      config.logit_soft_cap = 2.0;
    }};
constexpr const ModelFamily* kUnlikeLlamaAlone[] = {&kUnlikeLlama};

// The same as one of LayerNorms and of pairs side by side, whose queries are multiplied by what hangs on
// their positions.
constexpr ModelFamily kSideBySide = {
    .name = "side by side",
    .model_type = "llama",
    .from_folder = [](const FolderKeys& keys, ModelConfig& config) {
      read_decoder(keys, config);
      config.layer_norm = true;
      config.rotary_pairs = true;
      for (BlockConfig& block : config.blocks) block.position_scale = {0.7, 2};
    }};
constexpr const ModelFamily* kSideBySideAlone[] = {&kSideBySide};

ModelFamilies families_of(const Case& c) {
  if (c.side_by_side) return kSideBySideAlone;
  return c.unlike_llama ? ModelFamilies(kUnlikeLlamaAlone) : model_families();
}

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

const std::vector<std::string> kAll = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                       "gate_proj", "up_proj", "down_proj"};

Loss consistency(std::vector<int64_t> layers, Positions positions, bool one_sided, bool normalise) {
  return {.kind = LossKind::kConsistency,
          .weight = 0.7,
          .teacher = 2,
          .parameters = {.layers = std::move(layers),
                         .positions = positions,
                         .one_sided = one_sided,
                         .normalise = normalise}};
}

// From the third segment, or (teacher -1) from what the rows keep.
Loss distillation(double temperature, LossReduction reduction = LossReduction::kSequence,
                  int teacher = 2, bool only_better = false) {
  return {.kind = LossKind::kLogitDistillation,
          .weight = 0.6,
          .teacher = teacher,
          .parameters = {
              .reduction = reduction, .temperature = temperature, .only_better = only_better}};
}

// The same with weights of single rows; one of them is none.
Loss weighed(Loss loss) {
  loss.row_weights = {0.3F, 0.0F};
  return loss;
}

// Three logits per labelled position, none of them near another.
void keep_logits(Row& row, int64_t vocabulary) {
  const Random random(row.id, Stream::kTest);
  row.top_logits.k = 3;
  for (int64_t i = 0; i < row.label_count(); ++i) {
    for (int64_t j = 0; j < row.top_logits.k; ++j) {
      const auto at = static_cast<uint64_t>(i * row.top_logits.k + j);
      row.top_logits.tokens.push_back(
          static_cast<int32_t>((17 * at + row.id) % static_cast<uint64_t>(vocabulary)));
      row.top_logits.logits.push_back(static_cast<float>(2 * random.normal(at)));
    }
  }
}

void fill_random(const Adapter& adapter, uint64_t seed) {
  const Random random(seed, Stream::kTest);
  for (int64_t i = 0; i < adapter.layout().size(); ++i) {
    write_scalar(adapter.values(), i, 0.3 * random.normal(static_cast<uint64_t>(i)));
  }
}

// The pass of I-LoRA: current rows and replayed rows under the fast learner, replayed rows under
// the slow one.
struct Problem {
  Problem(const Case& c, DType state, bool recompute = false)
      : model(golden_folder("tiny-llama/model"), reference_kernels(state), state,
              {2048, 5, recompute}, WeightStorage::kExpanded, families_of(c)) {
    LoraOptions options;
    options.rank = 3;
    options.alpha = 6;
    options.dropout = c.dropout;
    options.targets = c.targets;
    if (c.prompts) options.prompts = {4, 1};
    fast = Adapter(model.files.config(), options, state);
    slow = Adapter(model.files.config(), options, state);
    LoraOptions frozen;
    frozen.targets = {};
    frozen.prompts.rows = 2;
    earlier = Adapter(model.files.config(), frozen, state);
    fill_random(earlier, 3);
    fill_random(fast, 1);
    fill_random(slow, 2);
    gradient = Buffer(state, {fast.layout().size()});
    rows = {make_row({3, 14, 15, 92, 65, 35, 89, 79}, 3, 10), make_row({31, 41, 59, 26}, 1, 11),
            make_row({27, 18, 28, 18, 28, 45, 90}, 4, 12), make_row({5, 6, 7, 8, 9}, 2, 13)};
    if (c.gaps) {
      rows[0].gaps = {{1, 2, true}, {4, 6, false}};
      rows[2].gaps = {{5, 6, true}};
    }
    pass.segments.resize(3);
    pass.segments[0].rows = {&rows[0], &rows[1]};
    pass.segments[1].rows = {&rows[2], &rows[3]};
    pass.segments[2].rows = pass.segments[1].rows;
    for (Row& row : rows) keep_logits(row, model.files.config().vocabulary);
    for (const size_t s : {size_t{0}, size_t{1}}) {
      pass.segments[s].losses = {
          {.weight = s == 0 ? 1.0 : 0.5, .parameters = {.reduction = c.loss.reduction}}};
      pass.segments[s].labels = c.loss.labels;
    }
    std::vector<Loss>& second = pass.segments[1].losses;
    if (c.alone) second.clear();
    second.insert(second.begin(), c.second.begin(), c.second.end());
    pass.segments[2].uses = {{&slow, 1.0, {}}};
    if (!c.prompts) return;
    // Rows 0 .. 3 are the fast learner's, 4 and 5 those of an earlier, frozen adapter. Row 3 is in
    // no prefix.
    pass.segments[0].prefixes = {{{1, 2, 4, 5}}};
    pass.segments[1].prefixes = {{{2, 0, 1, 2, 5}}, {}};
    pass.segments[2].prefixes = {{{3}}};
  }
  PassReport run() {
    for (const size_t s : {size_t{0}, size_t{1}})
      pass.segments[s].uses = {{&fast, 1.0, gradient.view()}, {&earlier, 1.0, {}}};
    PassReport report;
    model.engine.run(pass, count_denominators(pass), 77, report);
    return report;
  }

  TestModel model;
  Adapter fast, slow, earlier;
  Buffer gradient;
  std::vector<Row> rows;
  Pass pass;
};

class ModelGradients : public ::testing::TestWithParam<Case> {};

TEST_P(ModelGradients, MatchComplexStep) {
  set_threads(1);  // the model is tiny
  Problem real(GetParam(), DType::kF64);
  const PassReport report = real.run();
  const double* gradient = real.gradient.ptr<double>();
  double largest = 0;
  for (int64_t i = 0; i < real.fast.layout().size(); ++i)
    largest = std::max(largest, std::abs(gradient[i]));
  ASSERT_GT(largest, 0.0);

  // A backward that computes its blocks again gives the same bits.
  Problem again(GetParam(), DType::kF64, true);
  EXPECT_EQ(again.run().total(), report.total());
  EXPECT_EQ(std::memcmp(gradient, again.gradient.ptr<double>(),
                        static_cast<size_t>(real.gradient.view().bytes())),
            0);

  Problem complex(GetParam(), DType::kC128);
  auto* values = complex.fast.values().ptr<std::complex<double>>();
  const auto compare = [&](int64_t i, const std::string& what) {
    const std::complex<double> kept = values[i];
    values[i] = kept + std::complex<double>(0, kStep);
    // The backward is part of the run, so that dropout is on; its result is not looked at.
    const PassReport moved = complex.run();
    values[i] = kept;
    EXPECT_NEAR(moved.total(), report.total(), 1e-12);
    EXPECT_NEAR(gradient[i], moved.imaginary / kStep, kTolerance * largest) << what << " at " << i;
  };
  // Every block's A and B, at a few places each.
  const AdapterLayout& layout = complex.fast.layout();
  for (const LoraBlock& block : layout.blocks()) {
    for (const int64_t i : {block.offset_a, block.offset_a + block.rank * block.in - 1,
                            block.offset_bt + 1, block.offset_bt + block.rank * block.out - 1})
      compare(i, block.name());
  }
  // Every soft prompt; the one that no row has, and the key, have no gradient.
  for (int64_t p = 0; p < layout.prompts().rows; ++p) {
    const int64_t first = layout.offset_prompts() + p * layout.width();
    for (const int64_t i : {first, first + 7, first + layout.width() - 1}) {
      compare(i, fmt::format("soft prompt {}", p));
      EXPECT_EQ(gradient[i] == 0, p == 3);
    }
  }
  for (int64_t i = layout.offset_keys(); i < layout.size(); ++i) EXPECT_EQ(gradient[i], 0);
}

constexpr LossOptions kTokens = {LossReduction::kToken, Labels::kPromptAndAnswer};

INSTANTIATE_TEST_SUITE_P(
    Cases, ModelGradients,
    ::testing::Values(
        Case{.name = "query_value", .targets = {"q_proj", "v_proj"}},
        Case{.name = "all_modules", .targets = kAll},
        Case{.name = "dropout", .targets = kAll, .dropout = 0.3},
        Case{.name = "tokens_of_prompts", .targets = {"q_proj"}, .loss = kTokens},
        Case{.name = "feed_forward_only", .targets = {"down_proj"}},
        Case{.name = "gate_only", .targets = {"gate_proj"}},
        Case{.name = "output_only", .targets = {"o_proj"}},
        Case{.name = "consistency_last",
             .targets = kAll,
             .second = {consistency({2}, Positions::kLabelled, false, true)}},
        Case{.name = "consistency_layers",
             .targets = kAll,
             .dropout = 0.2,
             .second = {consistency({0, 1, 2}, Positions::kAll, false, true)}},
        Case{.name = "consistency_one_sided",
             .targets = kAll,
             .second = {consistency({1}, Positions::kLabelled, true, false)}},
        Case{.name = "consistency_alone",
             .targets = {"q_proj"},
             .second = {consistency({0, 2}, Positions::kLabelled, false, false)},
             .alone = true},
        Case{.name = "distillation", .targets = kAll, .second = {distillation(2.0)}},
        Case{.name = "distillation_alone",
             .targets = {"q_proj", "down_proj"},
             .second = {distillation(0.7)},
             .alone = true},
        Case{.name = "distillation_of_tokens",
             .targets = {"q_proj"},
             .dropout = 0.2,
             .loss = kTokens,
             .second = {distillation(1.0, LossReduction::kToken)}},
        Case{.name = "distillation_of_kept_logits",
             .targets = {"v_proj"},
             .second = {distillation(1.5, LossReduction::kSequence, -1)}},
        Case{.name = "distillation_where_better",
             .targets = {"v_proj"},
             .second = {distillation(1.5, LossReduction::kSequence, 2, true)}},
        Case{.name = "rows_weighed",
             .targets = kAll,
             .second = {weighed({}), weighed(distillation(2.0)),
                        weighed(consistency({1, 2}, Positions::kAll, false, true))},
             .alone = true},
        Case{.name = "two_distillations_and_consistency",
             .targets = kAll,
             .second = {distillation(2.0), consistency({1, 2}, Positions::kAll, false, true),
                        distillation(1.0, LossReduction::kSequence, -1)}},
        Case{.name = "conversations",
             .targets = kAll,
             .second = {distillation(2.0), consistency({1, 2}, Positions::kLabelled, false, true),
                        distillation(1.0, LossReduction::kSequence, -1)},
             .prompts = true,
             .gaps = true},
        Case{.name = "conversations_by_token",
             .targets = {"q_proj"},
             .loss = kTokens,
             .second = {distillation(2.0, LossReduction::kToken)},
             .gaps = true},
        Case{.name = "soft_prompts", .prompts = true},
        Case{.name = "soft_prompts_and_prompt_tokens", .loss = kTokens, .prompts = true},
        Case{.name = "soft_prompts_and_lora", .targets = kAll, .dropout = 0.3, .prompts = true},
        Case{.name = "soft_prompts_and_consistency",
             .targets = {"q_proj"},
             .second = {consistency({0, 1, 2}, Positions::kAll, false, true)},
             .prompts = true},
        Case{.name = "soft_prompts_and_distillation",
             .targets = {"q_proj"},
             .second = {distillation(2.0)},
             .prompts = true},
        Case{.name = "side_by_side",
             .targets = kAll,
             .second = {consistency({0, 1, 2}, Positions::kAll, false, false), distillation(2.0)},
             .side_by_side = true},
        Case{.name = "unlike_llama",
             .targets = kAll,
             .dropout = 0.2,
             .second = {consistency({0, 1, 2}, Positions::kAll, false, true), distillation(2.0)},
             .prompts = true,
             .unlike_llama = true}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace ilora
