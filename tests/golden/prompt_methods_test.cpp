// pp and l2p against an independent program (make_prompt_methods.py): two tasks of ten AdamW steps,
// every term of the loss, every gradient norm, every choice of prompts.
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "methods/registry.h"
#include "tests/model_fixture.h"
#include "train/step.h"

namespace ilora {
namespace {

using testing::golden_folder;
using testing::TestModel;

constexpr double kTolerance = 1e-4;

// The trainer's step by hand, from the reference's values.
class Loop {
 public:
  // `part`: of the reference, where it is not called as the method.
  Loop(const std::string& name, const std::vector<std::string>& settings,
       const std::string& part = {})
      : method(find_method(name).make()), reference(json.at(part.empty() ? name : part)) {
    OptionList options;
    method->add_options(options);
    for (const std::string& s : settings) options.set(s);
    Adapter adapter(model.files.config(), method->adapter({}));
    run = std::make_unique<Run>(model.engine, std::move(adapter), 1, LossOptions(), comm);
    uint64_t id = 0;
    for (const Json& task : json["rows"]) {
      std::vector<Row>& list = rows.emplace_back();
      for (const Json& row : task)
        list.push_back(
            testing::make_row(row["tokens"].get<std::vector<int32_t>>(), row["answer"], id++));
    }
  }

  void fill(Tensor target, const Json& values) {
    float* out = target.ptr<float>();
    for (const Json& row : values) {
      for (const Json& value : row) *out++ = value.get<float>();
    }
  }
  void begin_task(int64_t task) {
    run->position.task = task;
    run->position.task_step = 0;
    task_rows_ = row_pointers(rows[static_cast<size_t>(task)]);
    run->task_rows = task_rows_;
    method->begin_task(*run);
    const int64_t size = run->fast().layout().size();
    m_ = Buffer(DType::kF32, {size});
    v_ = Buffer(DType::kF32, {size});
  }
  // One step; its losses and gradient norm against the reference's.
  void step(const Json& expected) {
    const std::vector<Row>& all = rows[static_cast<size_t>(run->position.task)];
    const auto batch = json["batch"].get<size_t>();
    std::vector<const Row*> current;
    for (size_t i = 0; i < batch; ++i)
      current.push_back(
          &all[(static_cast<size_t>(run->position.task_step) * batch + i) % all.size()]);
    const Kernels& k = run->kernels();
    const Tensor gradient = run->gradient();
    const Step taken = compute_gradient(*run, *method, current);
    const PassReport& report = taken.report;
    pass = taken.pass;
    const double norm = std::sqrt(k.dot(gradient, gradient)), clip = json["clip"];
    EXPECT_NEAR(report.total(), expected["cross_entropy"].get<double>(), kTolerance);
    EXPECT_NEAR(norm, expected["gradient_norm"].get<double>(), 1e-3 * norm);
    if (expected.contains("keys")) {
      EXPECT_NEAR(run->own_terms().at("keys").value, expected["keys"].get<double>(), kTolerance);
    }
    if (norm > clip) k.scale(gradient, clip / (norm + 1e-6));
    AdamWStep adamw;
    adamw.learning_rate = json["rate"];
    adamw.step = ++run->position.task_step;
    ++run->position.step;
    k.adamw(run->fast().values(), m_.view(), v_.view(), gradient, adamw);
    method->after_update(*run, current);
  }

  Json json = read_json(golden_folder("soft-prompts") / "methods.json");
  TestModel model{golden_folder("tiny-llama") / "model", cpu_kernels(), DType::kF32};
  std::unique_ptr<Method> method;
  const Json& reference;
  Comm comm;
  std::unique_ptr<Run> run;
  std::vector<std::vector<Row>> rows;
  Pass pass;

 private:
  Buffer m_, v_;
  std::vector<const Row*> task_rows_;
};

// The mean loss of a row's answer as the method answers its task.
double answer_loss(Loop& loop, const Row& row, int64_t task) {
  const Answerer answerer = loop.method->answer_with(*loop.run, "fast", task);
  const auto prompt = std::span(row.tokens).first(static_cast<size_t>(row.prompt_length));
  const Prefix prefix = answerer.prefix(prompt);
  const std::vector<int32_t> ids =
      prefix.before(std::span(row.tokens).first(static_cast<size_t>(row.length())));
  std::vector<int32_t> targets(prefix.prompts.size(), -1);
  for (int64_t i = 0; i < row.length(); ++i) {
    targets.push_back(i >= row.first_label() ? row.tokens[static_cast<size_t>(i + 1)] : -1);
  }
  KeyValueCache cache(loop.model.files.config(), DType::kF32, 1, static_cast<int64_t>(ids.size()));
  const Feed feed{ids, targets, 0, 0};
  double sum = 0;
  loop.model.engine.score({&feed, 1}, answerer.uses, cache, {&sum, 1});
  return sum / static_cast<double>(row.label_count());
}

TEST(PromptMethods, ProgressivePromptsFollowTheReference) {
  Loop loop("pp", {"pp.length=3"});
  ASSERT_EQ(loop.reference["length"], 3);
  for (size_t t = 0; t < loop.rows.size(); ++t) {
    const Json& task = loop.reference["tasks"][t];
    loop.begin_task(static_cast<int64_t>(t));
    loop.fill(loop.run->fast().values(), task["start"]);
    for (const Json& expected : task["steps"]) loop.step(expected);
    loop.method->end_task(*loop.run);
  }
  for (size_t t = 0; t < loop.rows.size(); ++t) {
    EXPECT_NEAR(answer_loss(loop, loop.rows[t][0], static_cast<int64_t>(t)),
                loop.reference["first_row_losses"][t].get<double>(), kTolerance);
  }
}

// Every term, gradient norm and choice of two tasks.
void follow_prompt_pool(Loop& loop) {
  const AdapterLayout& layout = loop.run->fast().layout();
  for (size_t t = 0; t < loop.rows.size(); ++t) {
    loop.begin_task(static_cast<int64_t>(t));
    if (t == 0) {
      const Tensor values = loop.run->fast().values();
      loop.fill(soft_prompts(values, layout), loop.reference["prompts"]);
      loop.fill(prompt_keys(values, layout), loop.reference["keys"]);
    }
    for (const Json& expected : loop.reference["tasks"][t]["steps"]) {
      loop.step(expected);
      for (size_t i = 0; i < expected["chosen"].size(); ++i) {
        std::vector<int32_t> rows;
        for (const Json& key : expected["chosen"][i]) {
          rows.push_back(2 * key.get<int32_t>());
          rows.push_back(2 * key.get<int32_t>() + 1);
        }
        EXPECT_EQ(loop.pass.segments.front().prefixes[i].prompts, rows);
      }
    }
    loop.method->end_task(*loop.run);
  }
}

TEST(PromptMethods, LearningToPromptFollowsTheReference) {
  Loop loop("l2p", {"l2p.pool=6", "l2p.length=2", "l2p.chosen=2", "l2p.weight=0.5",
                    "l2p.centre=false", "l2p.key_rate=1"});
  follow_prompt_pool(loop);
}

TEST(PromptMethods, LearningToPromptWithACentreFollowsTheReference) {
  Loop loop("l2p",
            {"l2p.pool=6", "l2p.length=2", "l2p.chosen=2", "l2p.weight=0.5", "l2p.centre=true",
             "l2p.key_rate=0.333333333333", "l2p.penalty=true"},
            "l2p_centred");
  follow_prompt_pool(loop);
}

}  // namespace
}  // namespace ilora
