// Methods that keep no row, against their definitions: sfa, slao, pm and olora beside what the sequence
// in PyTorch shows of them (golden/sequence_test.cpp).
#include <gtest/gtest.h>

#include <cmath>

#include "continual/orthogonality.h"
#include "tests/method_loop.h"

namespace ilora::testing {
namespace {

TEST(Averaging, ComesAfterEachShareOfATaskAndAtItsEnd) {
  MethodLoop loop("sfa", {"sfa.every=0.3", "sfa.beta=0.5"});
  loop.learn(0, 5);
  const std::vector<float> before = loop.fast();
  loop.begin_task(1, 10);
  std::vector<int> averaged;
  for (int i = 1; i <= 10; ++i) {
    loop.step();
    if (loop.run.reported().at("averaged") > 0) averaged.push_back(i);
  }
  EXPECT_EQ(averaged, (std::vector<int>{3, 6, 9, 10}));
  EXPECT_EQ(values_of(loop.run.find("before")->values()), before);
}

TEST(Averaging, WithTheWholeShareEndsWhereTheEarlierTaskDid) {
  MethodLoop loop("sfa", {"sfa.beta=1", "sfa.every=1"});
  loop.learn(0, 5);
  const std::vector<float> before = loop.fast();
  loop.learn(1, 5);
  EXPECT_EQ(loop.fast(), before);
}

// Without power the merged adapter is the newest one; with it B is the mean with weights 1/sqrt(i).
TEST(SingleLora, MergesBAndTakesTheNewestA) {
  MethodLoop newest("slao", {"slao.power=0"}), loop("slao");
  newest.learn(0, 5);
  newest.learn(1, 5);
  EXPECT_EQ(values_of(newest.run.find("merged")->values()), newest.fast());
  loop.learn(0, 5);
  const std::vector<float> first = loop.fast();
  EXPECT_EQ(values_of(loop.run.find("merged")->values()), first);
  loop.learn(1, 5);
  const std::vector<float> second = loop.fast(),
                           merged = values_of(loop.run.find("merged")->values());
  for (const LoraBlock& block : loop.run.fast().layout().blocks()) {
    for (int64_t i = 0; i < block.rank * block.in; ++i) {
      const auto at = static_cast<size_t>(block.offset_a + i);
      ASSERT_EQ(merged[at], second[at]);
    }
    for (int64_t i = 0; i < block.rank * block.out; ++i) {
      const auto at = static_cast<size_t>(block.offset_bt + i);
      ASSERT_NEAR(merged[at], first[at] + (second[at] - first[at]) / std::sqrt(2.0F), 1e-6);
    }
  }
}

// The step's loss is that at w + e (w - v), and the step starts from w.
TEST(Perturbation, MovesTheGradientAndNotTheValues) {
  for (const char* size : {"pm.perturb=0.5", "pm.perturb=0"}) {
    MethodLoop loop("pm", {size, "pm.rows=8"});
    loop.learn(0, 6);
    loop.begin_task(1, 12);
    int up = 0, down = 0;
    for (int i = 0; i < 12; ++i) {
      const Tensor w = loop.run.fast().values(), v = loop.run.find("before")->values();
      const std::vector<float> values = loop.fast(), start = values_of(v);
      std::vector<double> losses;  // at w, w + e D, w - e D
      for (const double e : {0.0, 0.5, -0.5}) {
        for (size_t j = 0; j < values.size(); ++j)
          w.ptr<float>()[j] = values[j] + static_cast<float>(e) * (values[j] - start[j]);
        const auto rows =
            pointers(loop.rows[1], static_cast<size_t>(i) * 4 % loop.rows[1].size(), 4);
        double mean = 0;
        for (const double loss : loop.run.losses(loop.run.fast(), rows)) mean += loss / 4;
        losses.push_back(mean);
      }
      std::ranges::copy(values, w.ptr<float>());
      loop.watch = [&](const Step&) {
        EXPECT_EQ(loop.fast(), values) << "taken back before clipping";
      };
      const double loss = loop.step().terms[LossKind::kCrossEntropy];
      const auto is = [&](size_t which) {
        return std::abs(loss - losses[which]) <= 1e-5 * loss &&
               (i == 0 || which == 0 || losses[which] != losses[0]);
      };
      if (std::string(size).ends_with("=0")) {
        EXPECT_TRUE(is(0)) << i;
      } else if (i > 0) {  // nothing has moved in the first step
        EXPECT_TRUE(is(1) || is(2)) << i;
        ++(is(1) ? up : down);
      }
    }
    if (std::string(size).ends_with("0.5")) {
      EXPECT_GT(up, 0);
      EXPECT_GT(down, 0);
    }
  }
}

TEST(PerturbAndMerge, AGivenShareIsTakenOfEachTaskAfterTheFirst) {
  MethodLoop loop("pm", {"pm.coefficient=0.25", "pm.perturb=0"}), seq("seq");
  for (MethodLoop* one : {&loop, &seq}) one->learn(0, 6);
  const std::vector<float> start = loop.fast();
  EXPECT_EQ(start, seq.fast()) << "the first task is merged with nothing";
  for (MethodLoop* one : {&loop, &seq}) one->learn(1, 6);
  const std::vector<float> learned = seq.fast(), merged = loop.fast();
  for (size_t i = 0; i < merged.size(); ++i)
    ASSERT_NEAR(merged[i], start[i] + 0.25F * (learned[i] - start[i]), 1e-6);
}

TEST(OrthogonalLora, EachTaskBeginsAnewAndTheEarlierAdaptersStay) {
  MethodLoop loop("olora");
  loop.learn(0, 6);
  const std::vector<float> first = loop.fast();
  loop.begin_task(1, 6);
  const Tensor fresh = loop.run.fast().values();
  for (const LoraBlock& block : loop.run.fast().layout().blocks()) {
    const Tensor b = lora_bt(fresh, block);
    for (int64_t i = 0; i < b.size(); ++i) ASSERT_EQ(b.ptr<float>()[i], 0.0F);
  }
  EXPECT_NE(loop.fast(), first);
  // A fresh adapter adds nothing: the first task's losses are what they were.
  const auto rows = pointers(loop.rows[0], 0, 4);
  const Answerer answer = loop.method.answer_with(loop.run, "fast", 0);
  ASSERT_EQ(answer.uses.size(), 2U);
  EXPECT_EQ(answer.uses[1].adapter, loop.run.find("task-1"));
  for (int i = 0; i < 6; ++i) loop.step();
  EXPECT_EQ(values_of(loop.run.find("task-1")->values()), first);
}

TEST(OrthogonalLora, AddsTheGradientOfItsPenalty) {
  for (const bool normalise : {true, false}) {
    MethodLoop loop("olora", {normalise ? "olora.normalise=true" : "olora.normalise=false",
                              "olora.weight=0.3"});
    loop.learn(0, 6);
    loop.learn(1, 6);
    loop.begin_task(2, 6);
    loop.step();
    const std::vector<LoraBlock>& blocks = loop.run.fast().layout().blocks();
    const Buffer pull(DType::kF32, {loop.run.gradient().size()});
    const double weight = normalise ? 0.3 / static_cast<double>(blocks.size()) : 0.3;
    double penalty = 0;
    for (const char* earlier : {"task-1", "task-2"}) {
      for (const LoraBlock& block : blocks)
        penalty += weight * orthogonality_penalty(
                                lora_a(pull.view(), block), lora_a(loop.run.fast().values(), block),
                                lora_a(loop.run.find(earlier)->values(), block), normalise, weight);
    }
    loop.step();
    EXPECT_NEAR(loop.run.own_terms().at("penalty").value, penalty, 1e-9 * penalty);
    for (size_t i = 0; i < loop.edited_gradient.size(); ++i)
      ASSERT_NEAR(loop.edited_gradient[i], loop.plain_gradient[i] + pull.ptr<float>()[i], 1e-6);
  }
}

TEST(OrthogonalLora, ThePenaltyTurnsTheRowsApart) {
  double last = 1;
  for (const char* weight : {"olora.weight=0", "olora.weight=5"}) {
    MethodLoop loop("olora", {weight});
    loop.learn(0, 12);
    loop.learn(1, 30);
    double cosines = 0;
    const std::vector<LoraBlock>& blocks = loop.run.fast().layout().blocks();
    const Buffer unused(DType::kF32, {loop.run.gradient().size()});
    for (const LoraBlock& block : blocks)
      cosines += orthogonality_penalty(lora_a(unused.view(), block),
                                       lora_a(loop.run.fast().values(), block),
                                       lora_a(loop.run.find("task-1")->values(), block), true, 0) /
                 static_cast<double>(blocks.size());
    EXPECT_LT(cosines, 0.7 * last) << weight;
    last = cosines;
  }
}

// What is saved is one adapter of the summed rank that says what all of them say.
TEST(OrthogonalLora, TheSavedAdapterIsTheSumOfAll) {
  for (const char* scale : {"lora.rslora=false", "lora.rslora=true"}) {
    MethodLoop loop("olora", {scale});
    loop.learn(0, 8);
    loop.learn(1, 8);
    loop.learn(2, 8);
    const std::vector<Exported> saved = loop.method.exported(loop.run);
    ASSERT_EQ(saved.size(), 1U);
    EXPECT_EQ(saved[0].adapter->options().rank, 3 * loop.run.fast().options().rank);
    const auto logits = [&](const Uses& uses) {
      std::vector<float> all;
      const Row& row = loop.rows[1][0];
      loop.tiny.engine().all_logits(row.tokens, uses, [&](size_t, std::span<const float> some) {
        all.insert(all.end(), some.begin(), some.end());
      });
      return all;
    };
    const auto one = logits({{saved[0].adapter, 1.0, {}}});
    const auto many = logits(loop.method.answer_with(loop.run, "fast", 0).uses);
    const auto alone = logits({{&loop.run.fast(), 1.0, {}}});
    double apart = 0, without = 0;
    for (size_t i = 0; i < one.size(); ++i) {
      apart = std::max(apart, std::abs(static_cast<double>(one[i]) - static_cast<double>(many[i])));
      without =
          std::max(without, std::abs(static_cast<double>(alone[i]) - static_cast<double>(many[i])));
    }
    EXPECT_LT(apart, 1e-4);
    EXPECT_GT(without, 1e-2) << "the earlier adapters say something";
  }
}

}  // namespace
}  // namespace ilora::testing
