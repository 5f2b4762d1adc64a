#include "bench/gemm_rate.h"

#include <algorithm>

#include "base/clock.h"
#include "train/mode_choice.h"

namespace ilora {
namespace {

struct Shape {
  int64_t m, n, k;
};
constexpr Shape kShapes[] = {{512, 512, 512},   {1024, 1024, 1024}, {2048, 2048, 2048},
                             {2048, 1536, 576}, {2048, 576, 1536},  {1024, 4096, 1024}};

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

std::vector<GemmRate> measure_gemm(const Kernels& kernels, DType operands, int repeat) {
  std::vector<GemmRate> rates;
  for (const Shape& s : kShapes) {
    const Buffer a(operands, {s.m, s.k}), b(operands, {s.n, s.k}), c(DType::kF32, {s.m, s.n});
    kernels.fill(a.view(), 0.5);
    kernels.fill(b.view(), 0.25);
    std::vector<double> rate;
    for (int i = 0; i <= repeat; ++i) {
      const double began = seconds_now();
      kernels.gemm(c.view(), a.view(), b.view().transposed(), 1.0f, 0.0f);
      const double seconds = seconds_now() - began;
      if (i > 0) rate.push_back(2e-9 * static_cast<double>(s.m * s.n * s.k) / seconds);
    }
    rates.push_back({s.m, s.n, s.k, median(rate)});
  }
  return rates;
}

ModeRates measure_mode(const std::string& mode, int repeat) {
  return {mode, measure_gemm(cpu_kernels(bf16_products_of(mode)), gemm_type_of(mode), repeat)};
}

ModeRates faster_rates(int repeat) {
  ModeRates f32 = measure_mode(kModeF32, repeat);
  if (!cpu_features().bf16_native) return f32;
  ModeRates bf16 = measure_mode(kModeBf16, repeat);
  return best_gflops(bf16.rates) > best_gflops(f32.rates) ? bf16 : f32;
}

double best_gflops(const std::vector<GemmRate>& rates) {
  double best = 0;
  for (const GemmRate& r : rates) best = std::max(best, r.gflops);
  return best;
}

}  // namespace ilora
