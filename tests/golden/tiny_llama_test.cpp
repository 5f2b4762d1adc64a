// The tiny random Llama against transformers, PEFT and torch.optim.AdamW (make_tiny_llama.py):
// logits, hidden states, losses, every LoRA gradient, ten optimiser steps, the consistency term. On
// the reference and on the fast table.
#include <gtest/gtest.h>

#include <cmath>

#include "model/peft.h"
#include "tests/golden/golden_values.h"

namespace ilora {
namespace {

using testing::expect_blocks;
using testing::expect_close;
using testing::Golden;
using testing::golden_folder;
using testing::kRelative;
using testing::TestModel;

class TinyLlama : public ::testing::TestWithParam<const char*> {
 protected:
  static const Kernels& kernels() {
    return GetParam() == std::string("cpu") ? cpu_kernels() : reference_kernels(DType::kF32);
  }
  static Pass pass_of(const std::vector<Row>& rows, const Uses& uses) {
    Pass pass;
    Segment& segment = pass.segments.emplace_back();
    for (const Row& row : rows) segment.rows.push_back(&row);
    segment.uses = uses;
    segment.cross_entropy = 1.0;
    return pass;
  }
  static PassReport run(Engine& engine, const Pass& pass) {
    PassReport report;
    engine.run(pass, count_denominators(pass, engine.options().loss), 0, report);
    return report;
  }
  Golden golden_{"tiny-llama"};
};

TEST_P(TinyLlama, LogitsOfBaseAndAdapters) {
  for (const char* folder : {"model", "sharded", "tied"}) {
    TestModel model(golden_folder("tiny-llama") / folder, kernels(), DType::kF32);
    for (const std::string which : {"base", "qv", "all"}) {
      if (which != "base" && folder != std::string("model")) continue;
      Adapter adapter;
      Uses uses;
      if (which != "base") {
        adapter =
            load_peft(golden_folder("tiny-llama") / ("adapter-" + which), model.files.config());
        uses.push_back({&adapter, 1.0, {}});
      }
      const std::string name = which != "base"                 ? which
                               : folder == std::string("tied") ? "base-tied"
                                                               : "base-model";
      for (size_t i = 0; i < golden_.rows.size(); ++i) {
        std::vector<float> logits;
        model.engine.all_logits(golden_.rows[i].tokens, uses,
                                [&](size_t, std::span<const float> row) {
                                  logits.insert(logits.end(), row.begin(), row.end());
                                });
        expect_close(logits, golden_.read(fmt::format("{}.logits.{}", name, i)),
                     fmt::format("{} {}", name, i));
      }
    }
  }
}

TEST_P(TinyLlama, LossesAndGradients) {
  for (const std::string which : {"qv", "all"}) {
    for (const std::string reduction : {"sequence", "token"}) {
      EngineOptions options;
      options.label_chunk = 3;  // several chunks
      options.loss.reduction =
          reduction == "token" ? LossReduction::kToken : LossReduction::kSequence;
      TestModel model(golden_folder("tiny-llama/model"), kernels(), DType::kF32, options);
      const Adapter adapter =
          load_peft(golden_folder("tiny-llama") / ("adapter-" + which), model.files.config());
      const Buffer gradient(DType::kF32, {adapter.layout().size()});
      const PassReport report =
          run(model.engine, pass_of(golden_.rows, {{&adapter, 1.0, gradient.view()}}));
      EXPECT_NEAR(report.total(), golden_.json["cases"][which]["loss_" + reduction].get<double>(),
                  1e-4);
      expect_blocks(gradient.view(), adapter.layout(), golden_, which + ".grad." + reduction + ".");
    }
  }
}

TEST_P(TinyLlama, MicroPassesGiveTheSameGradient) {
  std::vector<Buffer> gradients;
  for (const int64_t max_tokens : {int64_t{2048}, int64_t{12}}) {
    EngineOptions options;
    options.max_tokens = max_tokens;
    TestModel model(golden_folder("tiny-llama/model"), kernels(), DType::kF32, options);
    const Adapter adapter =
        load_peft(golden_folder("tiny-llama/adapter-all"), model.files.config());
    gradients.emplace_back(DType::kF32, std::initializer_list<int64_t>{adapter.layout().size()});
    const Pass pass = pass_of(golden_.rows, {{&adapter, 1.0, gradients.back().view()}});
    ASSERT_EQ(cut_pass(pass, max_tokens).size(), max_tokens == 12 ? 3u : 1u);
    run(model.engine, pass);
  }
  const Kernels& k = reference_kernels(DType::kF32);
  const double distance = std::sqrt(k.squared_distance(gradients[0].view(), gradients[1].view()));
  EXPECT_LE(distance, 1e-6 * std::sqrt(k.dot(gradients[0].view(), gradients[0].view())));
}

TEST_P(TinyLlama, TenAdamWSteps) {
  TestModel model(golden_folder("tiny-llama/model"), kernels(), DType::kF32);
  const Json& settings = golden_.json["adamw"];
  for (const std::string which : {"qv", "all"}) {
    const Json& expected = golden_.json["cases"][which];
    const Adapter adapter =
        load_peft(golden_folder("tiny-llama") / ("adapter-" + which), model.files.config());
    const int64_t size = adapter.layout().size();
    const Buffer gradient(DType::kF32, {size}), m(DType::kF32, {size}), v(DType::kF32, {size});
    const Kernels& k = kernels();
    for (int64_t step = 1; step <= settings["steps"].get<int64_t>(); ++step) {
      k.fill(gradient.view(), 0.0);
      const PassReport report =
          run(model.engine, pass_of(golden_.rows, {{&adapter, 1.0, gradient.view()}}));
      const auto at = static_cast<size_t>(step - 1);
      EXPECT_NEAR(report.total(), expected["adamw_losses"][at].get<double>(),
                  1e-4 * expected["loss_sequence"].get<double>());
      const double norm = std::sqrt(k.dot(gradient.view(), gradient.view()));
      EXPECT_NEAR(norm, expected["adamw_gradient_norms"][at].get<double>(), 1e-3 * norm);
      const double clip = settings["clip"];
      if (norm > clip)
        k.scale(gradient.view(), clip / (norm + 1e-6));  // as torch.nn.utils.clip_grad_norm_
      k.adamw(adapter.values(), m.view(), v.view(), gradient.view(),
              {settings["lr"], settings["betas"][0], settings["betas"][1], settings["eps"],
               settings["weight_decay"], step});
    }
    expect_blocks(adapter.values(), adapter.layout(), golden_, which + ".final.");
  }
}

TEST_P(TinyLlama, ConsistencyTerm) {
  TestModel model(golden_folder("tiny-llama/model"), kernels(), DType::kF32);
  const ModelConfig& config = model.files.config();
  const Adapter fast = load_peft(golden_folder("tiny-llama/adapter-qv"), config);
  const Adapter slow = load_peft(golden_folder("tiny-llama/adapter-slow"), config);
  const Json& expected = golden_.json["ilora"];
  for (const bool with_cross_entropy : {false, true}) {
    const Buffer gradient(DType::kF32, {fast.layout().size()});
    Pass pass = pass_of(golden_.rows, {{&fast, 1.0, gradient.view()}});
    Segment& student = pass.segments.front();
    student.cross_entropy = with_cross_entropy ? 1.0 : 0.0;
    student.consistency.weight = with_cross_entropy ? expected["gamma"].get<double>() : 1.0;
    student.consistency.teacher = 1;
    student.consistency.layers = {config.layers};
    Segment teacher;
    teacher.rows = student.rows;
    teacher.uses = {{&slow, 1.0, {}}};
    pass.segments.push_back(teacher);
    const PassReport report = run(model.engine, pass);
    const std::string name = with_cross_entropy ? "total" : "consistency";
    EXPECT_NEAR(report.total(), expected[name].get<double>(), 1e-4 * expected[name].get<double>());
    expect_blocks(gradient.view(), fast.layout(), golden_, "ilora.grad." + name + ".");
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, TinyLlama, ::testing::Values("reference", "cpu"));

}  // namespace
}  // namespace ilora
