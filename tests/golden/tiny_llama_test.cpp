// The tiny random Llama against transformers, PEFT and torch.optim.AdamW (make_tiny_llama.py):
// logits, hidden states, losses, every LoRA gradient, ten optimiser steps, the consistency term,
// distillation. On the reference and on the fast table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

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
  static Pass pass_of(const std::vector<Row>& rows, const Uses& uses,
                      const LossOptions& options = {}) {
    return {{cross_entropy_segment(row_pointers(rows), uses, options)}};
  }
  static PassReport run(Engine& engine, const Pass& pass) {
    PassReport report;
    engine.run(pass, count_denominators(pass), 0, report);
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
      LossOptions loss;
      if (reduction == "token") loss.reduction = LossReduction::kToken;
      TestModel model(golden_folder("tiny-llama/model"), kernels(), DType::kF32, options);
      const Adapter adapter =
          load_peft(golden_folder("tiny-llama") / ("adapter-" + which), model.files.config());
      const Buffer gradient(DType::kF32, {adapter.layout().size()});
      const PassReport report =
          run(model.engine, pass_of(golden_.rows, {{&adapter, 1.0, gradient.view()}}, loss));
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
    student.losses[0].weight = with_cross_entropy ? 1.0 : 0.0;
    student.losses.push_back({.kind = LossKind::kConsistency,
                              .weight = with_cross_entropy ? expected["gamma"].get<double>() : 1.0,
                              .teacher = 1,
                              .parameters = {.layers = {config.layers}}});
    pass.segments.push_back({student.rows, {{&slow, 1.0, {}}}});
    const PassReport report = run(model.engine, pass);
    const std::string name = with_cross_entropy ? "total" : "consistency";
    EXPECT_NEAR(report.total(), expected[name].get<double>(), 1e-4 * expected[name].get<double>());
    expect_blocks(gradient.view(), fast.layout(), golden_, "ilora.grad." + name + ".");
  }
}

class TinyLlamaDistillation : public TinyLlama {
 protected:
  // Runs one segment of all rows with `losses` under adapter-qv, beside one under adapter-slow;
  // value and gradient against the reference's.
  PassReport expect(const std::vector<Loss>& losses, const std::string& name,
                    const std::vector<Row>& rows) {
    const Buffer gradient(DType::kF32, {student_.layout().size()});
    Pass pass = pass_of(rows, {{&student_, 1.0, gradient.view()}});
    pass.segments[0].losses = losses;
    pass.segments.push_back({pass.segments[0].rows, {{&teacher_, 1.0, {}}}});
    const PassReport report = run(model_.engine, pass);
    const auto expected = golden_.json["distillation"][name].get<double>();
    EXPECT_NEAR(report.total(), expected, kRelative * expected) << name;
    expect_blocks(gradient.view(), student_.layout(), golden_, "distillation.grad." + name + ".");
    return report;
  }
  // `teacher` -1: from what the rows keep.
  Loss distillation(LossReduction reduction = LossReduction::kSequence, int teacher = 1,
                    bool only_better = false) {
    return {.kind = LossKind::kLogitDistillation,
            .teacher = teacher,
            .parameters = {.reduction = reduction,
                           .temperature = golden_.json["distillation"]["temperature"],
                           .only_better = only_better}};
  }
  // Logits of a row's labelled positions under the teacher, the k largest or all.
  void keep_logits(Row& row, size_t k) {
    std::vector<int32_t> order(static_cast<size_t>(model_.files.config().vocabulary));
    row.top_logits.k = static_cast<int64_t>(k);
    model_.engine.all_logits(
        row.tokens, {{&teacher_, 1.0, {}}}, [&](size_t at, std::span<const float> logits) {
          const auto position = static_cast<int64_t>(at);
          if (position < row.first_label() || position >= row.length()) return;
          std::iota(order.begin(), order.end(), 0);
          const auto larger = [&](int32_t a, int32_t b) {
            return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
          };
          std::sort(order.begin(), order.end(), larger);
          for (size_t i = 0; i < k; ++i) {
            row.top_logits.tokens.push_back(order[i]);
            row.top_logits.logits.push_back(logits[static_cast<size_t>(order[i])]);
          }
        });
  }

  EngineOptions small_chunks_ = {.label_chunk = 3};
  TestModel model_{golden_folder("tiny-llama/model"), kernels(), DType::kF32, small_chunks_};
  Adapter student_ = load_peft(golden_folder("tiny-llama/adapter-qv"), model_.files.config()),
          teacher_ = load_peft(golden_folder("tiny-llama/adapter-slow"), model_.files.config());
};

TEST_P(TinyLlamaDistillation, FromASegment) {
  const PassReport report = expect({distillation()}, "sequence", golden_.rows);
  const auto rows = report.rows(0, LossKind::kLogitDistillation);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto expected = golden_.json["distillation"]["rows"][i].get<double>();
    EXPECT_NEAR(rows[i], expected, kRelative * expected);
  }
  expect({distillation(LossReduction::kToken)}, "token", golden_.rows);
  Loss weighed = distillation();
  weighed.weight = golden_.json["distillation"]["weight"];
  expect({{}, weighed}, "total", golden_.rows);  // beside cross-entropy, in either order
  expect({weighed, {}}, "total", golden_.rows);
}

TEST_P(TinyLlamaDistillation, OnlyWhereTheTeacherIsBetter) {
  const PassReport report =
      expect({distillation(LossReduction::kSequence, 1, true)}, "only_better", golden_.rows);
  const auto rows = report.rows(0, LossKind::kLogitDistillation);
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_EQ(rows[i] != 0, golden_.json["distillation"]["better"][i].get<bool>());
}

TEST_P(TinyLlamaDistillation, FromKeptLogits) {
  const Json& expected = golden_.json["distillation"];
  std::vector<Row> rows = golden_.rows;
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].top_logits.k = expected["top_k"];
    for (const Json& tokens : expected["top_tokens"][i])
      for (const Json& token : tokens) rows[i].top_logits.tokens.push_back(token);
    for (const Json& logits : expected["top_logits"][i])
      for (const Json& logit : logits) rows[i].top_logits.logits.push_back(logit);
  }
  const auto kept = [&](bool only_better = false) {
    return distillation(LossReduction::kSequence, -1, only_better);
  };
  expect({kept()}, "top", rows);
  // With every token kept there is no difference to a segment.
  for (Row& row : rows) {
    row.top_logits = {};
    keep_logits(row, static_cast<size_t>(model_.files.config().vocabulary));
  }
  expect({kept()}, "sequence", rows);
  expect({kept(true)}, "only_better", rows);
}

INSTANTIATE_TEST_SUITE_P(Tables, TinyLlamaDistillation, ::testing::Values("reference", "cpu"));
INSTANTIATE_TEST_SUITE_P(Tables, TinyLlama, ::testing::Values("reference", "cpu"));

}  // namespace
}  // namespace ilora
