// What a pass computes does not depend on how it is cut or on how many threads work, and it takes
// no memory of its own once it has run.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>

#include "base/parallel.h"
#include "base/random.h"
#include "tests/run_fixture.h"
#include "tests/sanitizer.h"

namespace {
std::atomic<int64_t> allocations{0};
}

// Not inlined: the compiler would see free() meet new.
#define ILORA_APART __attribute__((noinline))

// Every allocation of C++ code in this executable. (oneDNN and OpenMP use malloc.) The thread
// sanitizer brings its own.
#if !ILORA_THREAD_SANITIZER
ILORA_APART void* operator new(size_t bytes) {
  ++allocations;
  if (void* p = std::malloc(bytes != 0 ? bytes : 1)) return p;
  throw std::bad_alloc();
}
ILORA_APART void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes != 0 ? bytes : 1);
}
ILORA_APART void* operator new(size_t bytes, std::align_val_t alignment) {
  ++allocations;
  const auto a = static_cast<size_t>(alignment);
  if (void* p = std::aligned_alloc(a, (bytes + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
ILORA_APART void operator delete(void* p) noexcept {
  std::free(p);
}
ILORA_APART void operator delete(void* p, size_t) noexcept {
  std::free(p);
}
ILORA_APART void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
ILORA_APART void operator delete(void* p, size_t, std::align_val_t) noexcept {
  std::free(p);
}
#endif

namespace ilora::testing {
namespace {

// I-LoRA's pass on the tiny model: current rows and replayed rows under the fast learner, replayed
// rows under the slow one, with every kind of loss, adapters that are not zero and soft prompts in
// front of the rows.
struct ThreeSegments {
  explicit ThreeSegments(const Settings& more, const Kernels* kernels = nullptr)
      : tiny(tiny_settings("unused", "ilora", more)),
        own(tiny.model(), tiny.bench->model.weights,
            kernels != nullptr ? *kernels : tiny.bench->model.kernels, tiny.engine().options()),
        fast(tiny.model(), with_prompts(tiny.recipe().lora)),
        slow(tiny.model(), with_prompts(tiny.recipe().lora)),
        gradient(DType::kF32, {fast.layout().size()}),
        current(tiny.rows(0)),
        replayed(tiny.rows(1)) {
    uint64_t stream = 1;
    for (Adapter* adapter : {&fast, &slow}) {
      const Random random(5, Stream::kAdapterInit, stream++);
      for (int64_t i = 0; i < adapter->layout().size(); ++i)
        adapter->values().ptr<float>()[i] =
            static_cast<float>(0.4 * random.uniform(static_cast<uint64_t>(i)) - 0.2);
    }
    const Uses trained = {{&fast, 1.0, gradient.view()}};
    pass.segments.push_back(cross_entropy_segment(pointers(current), trained));
    pass.segments.push_back(cross_entropy_segment(pointers(replayed), trained));
    std::vector<Loss>& losses = pass.segments.back().losses;
    losses.push_back({.kind = LossKind::kConsistency,
                      .weight = 0.7,
                      .teacher = 2,
                      .parameters = {.layers = {1, 2}}});
    losses.push_back({.kind = LossKind::kLogitDistillation,
                      .weight = 0.4,
                      .teacher = 2,
                      .parameters = {.temperature = 2.0, .only_better = true}});
    pass.segments.push_back({pointers(replayed), {{&slow, 1.0, {}}}});
    pass.segments[0].prefixes = {{{0, 1, 2}}};  // shared by many rows
    for (int32_t i = 0; i < static_cast<int32_t>(replayed.size()); ++i)
      pass.segments[1].prefixes.push_back({{i % 4, 3}});
  }
  static LoraOptions with_prompts(LoraOptions options) {
    options.prompts.rows = 4;
    return options;
  }

  PassReport run() {
    std::fill_n(gradient.ptr<float>(), fast.layout().size(), 0.0f);
    own.run(pass, count_denominators(pass), 3, report);
    return report;
  }

  TinyRun tiny;
  Engine own;
  Adapter fast, slow;
  Buffer gradient;
  std::vector<Row> current, replayed;
  Pass pass;
  PassReport report;
};

TEST(Pass, OneMicroPassOrFourGiveTheSameGradient) {
  for (const char* dropout : {"lora.dropout=0", "lora.dropout=0.3"}) {
    ThreeSegments whole({"engine.max_tokens=4096", dropout}),
        cut({"engine.max_tokens=180", dropout});
    EXPECT_EQ(cut_pass(whole.pass, 4096).size(), 1U);
    EXPECT_GE(cut_pass(cut.pass, 180).size(), 4U);
    const PassReport a = whole.run(), b = cut.run();
    EXPECT_LE(relative_difference(cut.gradient.view(), whole.gradient.view()), 1e-6);
    for (size_t i = 0; i < kLossKinds; ++i) {
      EXPECT_GT(a.terms.values[i], 0.0);
      EXPECT_NEAR(a.terms.values[i], b.terms.values[i], 1e-6 * a.terms.values[i]);
    }
    for (size_t s = 0; s < a.segments.size(); ++s) {
      ASSERT_EQ(a.segments[s].size(), whole.pass.segments[s].losses.size());
      for (size_t j = 0; j < a.segments[s].size(); ++j) {
        const std::vector<double>&x = a.segments[s][j].rows, &y = b.segments[s][j].rows;
        ASSERT_EQ(x.size(), whole.pass.segments[s].rows.size());
        ASSERT_EQ(y.size(), x.size());
        for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], y[i], 1e-4);
      }
    }
  }
}

TEST(Pass, OneOrTwoThreadsGiveTheSameBits) {
  for (const char* dropout : {"lora.dropout=0", "lora.dropout=0.3"}) {
    ThreeSegments one({"engine.threads=1", dropout});
    const PassReport a = one.run();
    ThreeSegments two({"engine.threads=2", dropout});
    ASSERT_EQ(max_threads(), 2);
    const PassReport b = two.run();
    EXPECT_EQ(values_of(one.gradient.view()), values_of(two.gradient.view()));
    EXPECT_EQ(a.terms.values, b.terms.values);
  }
  set_threads(1);
}

TEST(Pass, RecomputedBlocksGiveTheSameBitsInLessMemory) {
  const std::string all = "lora.targets=[q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj]";
  for (const Settings& settings : {Settings{"lora.dropout=0"}, {"lora.dropout=0.3", all}}) {
    Settings again = settings;
    again.emplace_back("engine.recompute=layer");
    ThreeSegments kept(settings), recomputed(again);
    const PassReport a = kept.run(), b = recomputed.run();
    EXPECT_EQ(values_of(kept.gradient.view()), values_of(recomputed.gradient.view()));
    EXPECT_EQ(a.terms.values, b.terms.values);
    EXPECT_LT(recomputed.own.arena().capacity(), kept.own.arena().capacity());
  }
}

TEST(Pass, GradientsOfTheLinkedRowsDoNotDependOnTheOrderOfTheTasks) {
  // The mean over current and replayed rows is one mean: exchanging which rows are current changes
  // nothing but rounding, once the losses that compare are off.
  ThreeSegments a({}), b({});
  for (ThreeSegments* t : {&a, &b}) {
    t->pass.segments.pop_back();
    t->pass.segments[1].losses.resize(1);
  }
  std::swap(b.pass.segments[0].rows, b.pass.segments[1].rows);
  std::swap(b.pass.segments[0].prefixes, b.pass.segments[1].prefixes);
  a.run();
  b.run();
  EXPECT_LE(relative_difference(b.gradient.view(), a.gradient.view()), 1e-6);
}

// The report and the list of cuts are the caller's; a pass itself takes memory the first time only.
TEST(Pass, AllocatesNothingAfterTheFirst) {
  if (ILORA_THREAD_SANITIZER) GTEST_SKIP() << "allocations cannot be counted";
  Kernels kernels = cpu_kernels();
  kernels.gemm =
      reference_kernels(DType::kF32).gemm;  // oneDNN's own allocations are not ours to count
  for (const char* mode : {"engine.mode=f32", "engine.mode=bf16"}) {
    if (std::string(mode) == "engine.mode=bf16" && !cpu_features().bf16_possible) continue;
    for (const char* tokens : {"engine.max_tokens=4096", "engine.max_tokens=180"}) {
      ThreeSegments three({mode, "lora.dropout=0.3", tokens}, &kernels);
      three.run();
      const Denominators denominators = count_denominators(three.pass);

      int64_t before = allocations;
      three.own.run(three.pass, denominators, 4, three.report);
      const int64_t whole_run = allocations - before;
      before = allocations;
      const auto cuts = cut_pass(three.pass, three.own.options().max_tokens);
      const int64_t cutting = allocations - before;
      before = allocations;
      PassReport report;
      report.begin(three.pass, denominators);
      const int64_t reporting = allocations - before;
      EXPECT_GT(cutting, 0);  // the counter counts
      EXPECT_LE(whole_run, cutting + reporting)
          << mode << " " << tokens << ": " << cuts.size() << " micro-passes";
    }
  }
}

// A loss of weight 0 is as if it were not there: the same bits, and nothing computed for it.
TEST(Pass, ALossOfWeightZeroIsNone) {
  ThreeSegments zero({}), without({});
  std::vector<Loss>& losses = zero.pass.segments[1].losses;
  for (size_t i = 1; i < losses.size(); ++i) losses[i].weight = 0;
  without.pass.segments[1].losses.resize(1);
  const PassReport a = zero.run(), b = without.run();
  EXPECT_EQ(a.terms.values, b.terms.values);
  EXPECT_EQ(values_of(zero.gradient.view()), values_of(without.gradient.view()));
  EXPECT_EQ(zero.own.arena().capacity(), without.own.arena().capacity());
  EXPECT_TRUE(a.rows(1, LossKind::kConsistency).empty());
}

TEST(Pass, DropoutIsAFunctionOfStepAndRowAndItsMeanIsNone) {
  ThreeSegments dropped({"lora.dropout=0.3"}), plain({});
  const PassReport a = dropped.run();
  const auto first = values_of(dropped.gradient.view());
  EXPECT_EQ(dropped.run().total(), a.total());
  EXPECT_EQ(values_of(dropped.gradient.view()), first);
  EXPECT_NE(a.total(), plain.run().total());
  // Another step has another mask.
  std::fill_n(dropped.gradient.ptr<float>(), dropped.fast.layout().size(), 0.0f);
  dropped.own.run(dropped.pass, count_denominators(dropped.pass), 4, dropped.report);
  EXPECT_NE(dropped.report.total(), a.total());
}

}  // namespace
}  // namespace ilora::testing
