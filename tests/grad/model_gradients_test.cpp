// Gradients of a whole tiny model, all its losses and adapters at once, against complex-step
// differentiation: the same engine runs in double (forward and backward) and in complex numbers
// (forward alone, one parameter moved by i*h).
#include <gtest/gtest.h>

#include <complex>
#include <cstring>

#include "base/parallel.h"
#include "base/random.h"
#include "model/families/common.h"
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
  std::vector<std::string> targets;
  double dropout = 0;
  LossOptions loss;
  Consistency consistency;
  bool prompts = false;       // soft prompts in front of the rows, some trained, some not
  bool unlike_llama = false;  // every figure of a configuration that Llama leaves at its default
};

// Reads the Llama as a model whose first block turns half of each head and whose second has no
// positions, with all multipliers.
constexpr ModelFamily kUnlikeLlama = {
    .name = "unlike Llama",
    .model_type = "llama",
    .partial_rotary = true,
    .from_folder = [](const FolderKeys& keys, ModelConfig& config) {
      read_decoder(keys, config);
      config.rotary = {{.base = 100.0, .dims = config.head_dim / 2, .divisors = {}}};
      config.blocks[0] = {.query_scale = 1.7, .residual_multiplier = 0.6};
      config.blocks[1] = {.rotary = -1, .query_scale = 0.8, .residual_multiplier = 1.3};
      config.embedding_multiplier = 2.5;
      config.logit_scale = 0.4;
    }};
constexpr const ModelFamily* kUnlikeLlamaAlone[] = {&kUnlikeLlama};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

const std::vector<std::string> kAll = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                       "gate_proj", "up_proj", "down_proj"};

Consistency consistency(std::vector<int64_t> layers, Positions positions, bool one_sided,
                        bool normalise) {
  Consistency c;
  c.weight = 0.7;
  c.teacher = 2;
  c.layers = std::move(layers);
  c.positions = positions;
  c.one_sided = one_sided;
  c.normalise = normalise;
  return c;
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
              {2048, 5, c.loss, recompute}, WeightStorage::kExpanded,
              c.unlike_llama ? ModelFamilies(kUnlikeLlamaAlone) : model_families()) {
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
    pass.segments.resize(3);
    pass.segments[0].rows = {&rows[0], &rows[1]};
    pass.segments[1].rows = {&rows[2], &rows[3]};
    pass.segments[2].rows = pass.segments[1].rows;
    for (const size_t s : {size_t{0}, size_t{1}})
      pass.segments[s].cross_entropy = s == 0 ? 1.0 : 0.5;
    pass.segments[1].consistency = c.consistency;
    pass.segments[2].uses = {{&slow, 1.0, {}}};
    if (!c.prompts) return;
    // Rows 0 .. 3 are the fast learner's, 4 and 5 those of an earlier, frozen adapter. Row 3 is in
    // no prefix.
    pass.segments[0].prefixes = {{1, 2, 4, 5}};
    pass.segments[1].prefixes = {{2, 0, 1, 2, 5}, {}};
    pass.segments[2].prefixes = {{3}};
  }
  PassReport run() {
    for (const size_t s : {size_t{0}, size_t{1}})
      pass.segments[s].uses = {{&fast, 1.0, gradient.view()}, {&earlier, 1.0, {}}};
    PassReport report;
    model.engine.run(pass, count_denominators(pass, model.engine.options().loss), 77, report);
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

INSTANTIATE_TEST_SUITE_P(
    Cases, ModelGradients,
    ::testing::Values(
        Case{"query_value", {"q_proj", "v_proj"}, 0, {}, {}}, Case{"all_modules", kAll, 0, {}, {}},
        Case{"dropout", kAll, 0.3, {}, {}},
        Case{"tokens_of_prompts", {"q_proj"}, 0, {LossReduction::kToken, true}, {}},
        Case{"feed_forward_only", {"down_proj"}, 0, {}, {}},
        Case{"gate_only", {"gate_proj"}, 0, {}, {}}, Case{"output_only", {"o_proj"}, 0, {}, {}},
        Case{"consistency_last", kAll, 0, {}, consistency({2}, Positions::kAnswer, false, true)},
        Case{"consistency_layers",
             kAll,
             0.2,
             {},
             consistency({0, 1, 2}, Positions::kAll, false, true)},
        Case{"consistency_one_sided",
             kAll,
             0,
             {},
             consistency({1}, Positions::kAnswer, true, false)},
        Case{"soft_prompts", {}, 0, {}, {}, true},
        Case{"soft_prompts_and_prompt_tokens", {}, 0, {LossReduction::kToken, true}, {}, true},
        Case{"soft_prompts_and_lora", kAll, 0.3, {}, {}, true},
        Case{"soft_prompts_and_consistency",
             {"q_proj"},
             0,
             {},
             consistency({0, 1, 2}, Positions::kAll, false, true),
             true},
        Case{"unlike_llama",
             kAll,
             0.2,
             {},
             consistency({0, 1, 2}, Positions::kAll, false, true),
             true,
             true}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace ilora
