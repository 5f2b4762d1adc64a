// What this CPU offers, and the cap that ILORA_TARGET puts on it.
#include <fmt/ranges.h>
#include <hwy/highway.h>

#include <cstdlib>
#include <mutex>
#include <string_view>
#include <vector>

#include "kernels/cpu/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ilora {
namespace cpu {
namespace {

// From the best to the plainest, with what oneDNN may use beside it.
struct Target {
  const char* name;
  int64_t bit;
  OneDnnIsa isa;
};
constexpr Target kTargets[] = {
    {"AVX3", HWY_AVX3, OneDnnIsa::kAll},  // oneDNN chooses among the AVX-512 and AMX codes
    {"AVX2", HWY_AVX2, OneDnnIsa::kAvx2},
    {"SSE4", HWY_SSE4, OneDnnIsa::kSse41},
    {"SCALAR", HWY_SCALAR, OneDnnIsa::kSse41},
};

void apply_cap() {
  const char* wanted = std::getenv("ILORA_TARGET");
  if (wanted == nullptr || *wanted == '\0') return;
  int64_t better = 0;
  std::vector<std::string_view> names;
  for (const Target& target : kTargets) {
    if (target.name == std::string_view(wanted)) {
      if ((target.bit & HWY_TARGETS) == 0) {
        throw Error(ErrorKind::kUnsupported,
                    fmt::format("[ILORA_TARGET] this build has no code for {}", wanted),
                    "a build with -DILORA_NATIVE=ON holds the building machine's code alone");
      }
      // Everything with a lower bit is a better target of the same architecture.
      if (better != 0) hwy::DisableTargets(target.bit - 1);
      if (!cap_onednn(target.isa)) {
        throw Error(ErrorKind::kInternal,
                    "[ILORA_TARGET] oneDNN was in use before its instruction set was capped");
      }
      return;
    }
    better |= target.bit;
    names.emplace_back(target.name);
  }
  throw Error(
      ErrorKind::kUsage,
      fmt::format("[ILORA_TARGET] expected one of {}, got {}", fmt::join(names, ", "), wanted),
      "unset it to use the best instruction set of this CPU");
}

}  // namespace

void limit_targets() {
  static std::once_flag once;
  std::call_once(once, apply_cap);
}

}  // namespace cpu

CpuFeatures cpu_features() {
  cpu::limit_targets();
  CpuFeatures features;
  const int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  features.target = hwy::TargetName(targets & -targets);
#if defined(__x86_64__)
  // oneDNN knows what the operating system saves and what the cap allows: all AVX-512 steps contain
  // avx512_core.
  const cpu::OneDnnOffer offer = cpu::onednn_offer();
  features.bf16_possible = offer.avx512_core;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (features.bf16_possible && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0)
    features.bf16_native = (a >> 5) & 1u;
  if (features.bf16_possible && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0)
    features.bf16_native = features.bf16_native || (((d >> 22) & 1u) != 0 && offer.amx);
  const bool avx512 = std::string_view(features.target) == "AVX3";  // under the cap
  features.byte_products = avx512 && __builtin_cpu_supports("avx512vnni") != 0;
#endif
  return features;
}

}  // namespace ilora
