// Speed of the kernels of the fast table on the shapes of SmolLM2-135M (D 576, 9 heads of 64, 3 key
// heads, F 1536, V 49152), rank 8:
//
//   bench_kernels --benchmark_filter=gemm
//
// Products and attention report GFLOP/s (two operations per multiply-add; attention counts the
// causal half), the other operations GB/s of what they must read and write. ILORA_TARGET=AVX2 holds
// it to AVX2.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "base/denormals.h"
#include "base/random.h"
#include "kernels/kernels.h"

namespace ilora {
namespace {

constexpr int64_t kRows = 2048, kWidth = 576, kKeyWidth = 192, kInner = 1536, kVocabulary = 49152,
                  kRank = 8,
                  kParameters = 460800;  // of an adapter: rank 8 on q and v of every layer

Buffer normal(DType dtype, std::initializer_list<int64_t> dims) {
  Buffer buffer(dtype, dims), values(DType::kF32, dims);
  const Random random(1, Stream::kTest);
  float* x = values.ptr<float>();
  constexpr int64_t kPeriod =
      4093;  // enough numbers that differ; drawing millions takes longer than the benchmark
  for (int64_t i = 0; i < values.view().size(); ++i)
    x[i] =
        i < kPeriod ? static_cast<float>(random.normal(static_cast<uint64_t>(i))) : x[i - kPeriod];
  cpu_kernels().convert(buffer.view(), values.view());
  return buffer;
}

void count(benchmark::State& state, double per_call, const char* unit) {
  state.counters[unit] =
      benchmark::Counter(per_call * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

struct Product {
  const char* name;
  int64_t m, n, k;
  bool ta, tb;
  float alpha, beta;
};
constexpr Product kProducts[] = {{"q=xW^T", kRows, kWidth, kWidth, false, true, 1, 0},
                                 {"k=xW^T", kRows, kKeyWidth, kWidth, false, true, 1, 0},
                                 {"up=xW^T", kRows, kInner, kWidth, false, true, 1, 0},
                                 {"down=hW^T", kRows, kWidth, kInner, false, true, 1, 0},
                                 {"dx+=dqW", kRows, kWidth, kWidth, false, false, 1, 1},
                                 {"dx+=dupW", kRows, kWidth, kInner, false, false, 1, 1},
                                 {"dh=dyW", kRows, kInner, kWidth, false, false, 1, 0},
                                 {"logits=xW^T", 128, kVocabulary, kWidth, false, true, 1, 0},
                                 {"dx=dlogitsW", 128, kWidth, kVocabulary, false, false, 1, 0},
                                 {"lora:h=xA^T", kRows, kRank, kWidth, false, true, 1, 0},
                                 {"lora:y+=hBt", kRows, kWidth, kRank, false, false, 2, 1},
                                 {"lora:dBt+=h^TdY", kRank, kWidth, kRows, true, false, 2, 1},
                                 {"lora:dA+=dh^Tx", kRank, kWidth, kRows, true, false, 1, 1},
                                 {"lora:dx+=dhA", kRows, kWidth, kRank, false, false, 1, 1},
                                 {"decode:up=xW^T", 1, kInner, kWidth, false, true, 1, 0},
                                 {"decode:logits=xW^T", 1, kVocabulary, kWidth, false, true, 1, 0}};

void gemm(benchmark::State& state, const Product& p, DType in, DType out) {
  const Buffer a = p.ta ? normal(in, {p.k, p.m}) : normal(in, {p.m, p.k});
  const Buffer b = p.tb ? normal(in, {p.n, p.k}) : normal(in, {p.k, p.n});
  const Buffer c(out, {p.m, p.n});
  const Tensor at = p.ta ? a.view().transposed() : a.view(),
               bt = p.tb ? b.view().transposed() : b.view();
  cpu_kernels().gemm(c.view(), at, bt, p.alpha, p.beta);
  for (auto _ : state) cpu_kernels().gemm(c.view(), at, bt, p.alpha, p.beta);
  count(state, 2.0 * static_cast<double>(p.m * p.n * p.k), "GFLOP/s");
}

// The widths of real models: 512 rows with a square frozen map, forward and backward.
constexpr int64_t kWidths[] = {576, 896, 1536, 2048, 2560, 3072, 3584, 4096, 4608};

// Gradients so small that they are denormal numbers, with and without the mode that reads them as
// zero.
void denormal_gemm(benchmark::State& state, bool flush) {
  std::optional<FlushDenormals> mode;
  if (flush) mode.emplace();
  const Buffer dy = normal(DType::kF32, {512, kInner}), w = normal(DType::kF32, {kInner, kWidth}),
               dx(DType::kF32, {512, kWidth});
  for (int64_t i = 0; i < dy.view().size(); ++i) dy.ptr<float>()[i] = 1e-40f;
  for (auto _ : state) cpu_kernels().gemm(dx.view(), dy.view(), w.view(), 1, 0);
  count(state, 2.0 * 512 * static_cast<double>(kInner * kWidth), "GFLOP/s");
}

// Sequences of `length` tokens, 2048 in all. As in the model, q, k and v are F32 in both modes.
void attention(benchmark::State& state, int64_t length, DType out, bool backward) {
  const DType in = DType::kF32;
  const Buffer q = normal(in, {kRows, 9, 64}), k = normal(in, {kRows, 3, 64}),
               v = normal(in, {kRows, 3, 64});
  const Buffer o(out, {kRows, 9, 64}), lse(DType::kF32, {kRows, 9}),
      d = normal(DType::kF32, {kRows, 9, 64});
  const Buffer dq(DType::kF32, {kRows, 9, 64}), dk(DType::kF32, {kRows, 3, 64}),
      dv(DType::kF32, {kRows, 3, 64});
  std::vector<AttentionSpan> spans;
  for (int64_t at = 0; at + length <= kRows; at += length)
    spans.push_back({at, length, at, length});
  const Kernels& t = cpu_kernels();
  t.attention(o.view(), lse.view(), q.view(), k.view(), v.view(), spans);
  for (auto _ : state) {
    if (backward) {
      t.attention_backward(dq.view(), dk.view(), dv.view(), d.view(), q.view(), k.view(), v.view(),
                           o.view(), lse.view(), spans);
    } else {
      t.attention(o.view(), lse.view(), q.view(), k.view(), v.view(), spans);
    }
  }
  const double pairs = 9.0 * static_cast<double>(length + 1) / 2 * static_cast<double>(kRows);
  count(state, pairs * 64 * 2 * (backward ? 5 : 2), "GFLOP/s");
}

void swiglu(benchmark::State& state, DType in, bool backward) {
  const Buffer gate = normal(in, {kRows, kInner}), up = normal(in, {kRows, kInner}),
               y(in, {kRows, kInner});
  const Buffer dgate(in, {kRows, kInner}), dup(in, {kRows, kInner}),
      dy = normal(DType::kF32, {kRows, kInner});
  for (auto _ : state) {
    if (backward) {
      cpu_kernels().swiglu_backward(dgate.view(), dup.view(), dy.view(), gate.view(), up.view());
    } else {
      cpu_kernels().swiglu(y.view(), gate.view(), up.view());
    }
  }
  const auto one = static_cast<double>(gate.view().bytes());
  count(state, backward ? 4 * one + static_cast<double>(dy.view().bytes()) : 3 * one, "GB/s");
}

void rmsnorm(benchmark::State& state, DType out, bool backward) {
  const Buffer x = normal(DType::kF32, {kRows, kWidth}), w = normal(DType::kF32, {kWidth}),
               y(out, {kRows, kWidth});
  const Buffer rstd(DType::kF32, {kRows}), dx(DType::kF32, {kRows, kWidth}),
      dy = normal(DType::kF32, {kRows, kWidth});
  cpu_kernels().rmsnorm(y.view(), rstd.view(), x.view(), w.view(), 1e-5);
  for (auto _ : state) {
    if (backward) {
      cpu_kernels().rmsnorm_backward(dx.view(), dy.view(), x.view(), w.view(), rstd.view());
    } else {
      cpu_kernels().rmsnorm(y.view(), rstd.view(), x.view(), w.view(), 1e-5);
    }
  }
  const auto one = static_cast<double>(x.view().bytes());
  count(state, backward ? 4 * one : one + static_cast<double>(y.view().bytes()), "GB/s");
}

void cross_entropy_backward(benchmark::State& state) {
  constexpr int64_t kLabelled = 128;
  const Buffer logits = normal(DType::kF32, {kLabelled, kVocabulary}),
               loss(DType::kF32, {kLabelled});
  const std::vector<int32_t> targets(kLabelled, 17);
  const std::vector<float> scale(kLabelled, 1.0f);
  for (auto _ : state)
    cpu_kernels().cross_entropy_backward(loss.view(), logits.view(), targets, scale);
  count(state, 2 * static_cast<double>(logits.view().bytes()), "GB/s");
}

void rope(benchmark::State& state) {
  const Buffer x = normal(DType::kF32, {kRows, 9, 64}), cosine = normal(DType::kF32, {kRows, 32});
  std::vector<int32_t> positions(kRows);
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int32_t>(i);
  for (auto _ : state)
    cpu_kernels().rope(x.view(), x.view(), cosine.view(), cosine.view(), positions, false);
  count(state, 2 * static_cast<double>(x.view().bytes()), "GB/s");
}

void dropout(benchmark::State& state) {
  const Buffer x = normal(DType::kF32, {kRows, kWidth}), y(DType::kF32, {kRows, kWidth});
  const std::vector<uint64_t> keys(kRows, 7);
  for (auto _ : state) cpu_kernels().dropout(y.view(), x.view(), keys, 0.1);
  count(state, 2 * static_cast<double>(x.view().bytes()), "GB/s");
}

void adamw(benchmark::State& state) {
  const Buffer theta = normal(DType::kF32, {kParameters}), m = normal(DType::kF32, {kParameters});
  const Buffer v(DType::kF32, {kParameters}), g = normal(DType::kF32, {kParameters});
  const AdamWStep step{.learning_rate = 1e-4};
  for (auto _ : state) cpu_kernels().adamw(theta.view(), m.view(), v.view(), g.view(), step);
  count(state, 7 * static_cast<double>(theta.view().bytes()), "GB/s");
}

// Decoding: one query row for each of 16 answers, behind `cached` keys of its own.
void decode_attention(benchmark::State& state, int64_t cached, DType out) {
  constexpr int64_t kAnswers = 16;
  const Buffer q = normal(DType::kF32, {kAnswers, 9, 64}),
               k = normal(DType::kF32, {kAnswers * cached, 3, 64}),
               v = normal(DType::kF32, {kAnswers * cached, 3, 64});
  const Buffer o(out, {kAnswers, 9, 64}), lse(DType::kF32, {kAnswers, 9});
  std::vector<AttentionSpan> spans;
  for (int64_t i = 0; i < kAnswers; ++i) spans.push_back({i, 1, i * cached, cached});
  for (auto _ : state)
    cpu_kernels().attention(o.view(), lse.view(), q.view(), k.view(), v.view(), spans);
  count(state, static_cast<double>(k.view().bytes() + v.view().bytes()), "GB/s");
}

void convert(benchmark::State& state, DType to, DType from) {
  const Buffer x = normal(from, {kRows, kInner}), y(to, {kRows, kInner});
  for (auto _ : state) cpu_kernels().convert(y.view(), x.view());
  count(state, static_cast<double>(x.view().bytes() + y.view().bytes()), "GB/s");
}

void add_rows(benchmark::State& state, DType in) {
  const Buffer x = normal(in, {kRows, kWidth}), y(DType::kF32, {kRows, kWidth});
  cpu_kernels().fill(y.view(), 0);
  for (auto _ : state) cpu_kernels().add(y.view(), x.view());
  count(state, 2 * static_cast<double>(y.view().bytes()) + static_cast<double>(x.view().bytes()),
        "GB/s");
}

// What the slow learner does after each step.
void interpolate(benchmark::State& state) {
  const Buffer slow = normal(DType::kF32, {kParameters}), fast = normal(DType::kF32, {kParameters});
  for (auto _ : state) cpu_kernels().interpolate(slow.view(), fast.view(), 0.999);
  count(state, 3 * static_cast<double>(slow.view().bytes()), "GB/s");
}

void dot(benchmark::State& state) {
  const Buffer x = normal(DType::kF32, {kParameters}), y = normal(DType::kF32, {kParameters});
  for (auto _ : state) benchmark::DoNotOptimize(cpu_kernels().dot(x.view(), y.view()));
  count(state, 2 * static_cast<double>(x.view().bytes()), "GB/s");
}

// The consistency's distance between the learners' hidden states, and its gradient.
void row_distance(benchmark::State& state, bool backward) {
  const Buffer a = normal(DType::kF32, {kRows, kWidth}), b = normal(DType::kF32, {kRows, kWidth});
  const Buffer out(DType::kF32, {kRows}), scale = normal(DType::kF32, {kRows}),
                                          da(DType::kF32, {kRows, kWidth});
  cpu_kernels().fill(da.view(), 0);
  for (auto _ : state) {
    if (backward) {
      cpu_kernels().row_distance_backward(da.view(), a.view(), b.view(), scale.view(), false);
    } else {
      cpu_kernels().row_squared_distance(out.view(), a.view(), b.view(), false);
    }
  }
  count(state, (backward ? 4 : 2) * static_cast<double>(a.view().bytes()), "GB/s");
}

template <class Body>
void add(const std::string& name, Body body) {
  benchmark::RegisterBenchmark(name.c_str(), body)->UseRealTime()->Unit(benchmark::kMillisecond);
}

void register_all() {
  for (const bool flush : {false, true})
    add(flush ? "denormal/flushed" : "denormal/as_they_are",
        [=](benchmark::State& s) { denormal_gemm(s, flush); });
  for (const DType type : {DType::kF32, DType::kBF16}) {
    const std::string suffix = std::string("/") + dtype_name(type);
    for (const Product& p : kProducts)
      add(std::string("gemm/") + p.name + suffix,
          [&p, type](benchmark::State& s) { gemm(s, p, type, DType::kF32); });
    for (const int64_t width : kWidths) {
      for (const bool backward : {false, true}) {
        add(fmt::format("width/{}/{}{}", width, backward ? "dx=dyW" : "y=xW^T", suffix),
            [=](benchmark::State& s) {
              gemm(s, {"", 512, width, width, false, !backward, 1, 0}, type, DType::kF32);
            });
      }
    }
    for (const bool backward : {false, true}) {
      const std::string direction = backward ? "_backward" : "";
      for (const int64_t length : {64, 256, 1024}) {
        add("attention" + direction + "/" + std::to_string(length) + suffix,
            [=](benchmark::State& s) { attention(s, length, type, backward); });
      }
      add("swiglu" + direction + suffix, [=](benchmark::State& s) { swiglu(s, type, backward); });
      if (!backward || type == DType::kF32)  // gradients of the residual stream are F32
        add("rmsnorm" + direction + suffix,
            [=](benchmark::State& s) { rmsnorm(s, type, backward); });
    }
  }
  for (const int64_t cached : {128, 512})
    for (const DType type : {DType::kF32, DType::kBF16})
      add("decode_attention/" + std::to_string(cached) + "/" + dtype_name(type),
          [=](benchmark::State& s) { decode_attention(s, cached, type); });
  add("convert/f32_to_bf16", [](benchmark::State& s) { convert(s, DType::kBF16, DType::kF32); });
  add("convert/bf16_to_f32", [](benchmark::State& s) { convert(s, DType::kF32, DType::kBF16); });
  for (const DType type : {DType::kF32, DType::kBF16})
    add(std::string("add/") + dtype_name(type), [=](benchmark::State& s) { add_rows(s, type); });
  add("row_distance", [](benchmark::State& s) { row_distance(s, false); });
  add("row_distance_backward", [](benchmark::State& s) { row_distance(s, true); });
  add("interpolate", interpolate);
  add("dot", dot);
  add("cross_entropy_backward", cross_entropy_backward);
  add("rope", rope);
  add("dropout", dropout);
  add("adamw", adamw);
}

}  // namespace
}  // namespace ilora

int main(int argc, char** argv) {
  ilora::register_all();
  benchmark::AddCustomContext("target", ilora::cpu_features().target);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
