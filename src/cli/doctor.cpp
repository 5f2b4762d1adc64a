// ilora doctor: what this machine offers and how ilora would use it.
#include <unistd.h>

#include <iostream>

#include "base/json.h"
#include "base/parallel.h"
#include "bench/gemm_rate.h"
#include "cli/command.h"
#include "train/environment.h"
#include "train/workbench.h"

namespace ilora {
namespace {

double memory_gib() {
  return static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE)) /
         (1 << 30);
}

}  // namespace

void add_doctor(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "doctor", "CPU features, threads, memory, GEMM rate, the mode that would run");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "print JSON");
  command->callback([json] {
    constexpr int kRepeat = 5;
    const CpuFeatures cpu = cpu_features();
    const bool bf16 = gemm_type_of("auto") == DType::kBF16;
    Json facts = environment_json(bf16 ? "bf16" : "f32");
    facts["bf16"] = cpu.bf16_native     ? "native"
                    : cpu.bf16_possible ? "emulated: slower than f32"
                                        : "not available";
    facts["memory_gib"] = memory_gib();
    facts["gemm_gflops_f32"] = best_gflops(measure_gemm(cpu_kernels(), DType::kF32, kRepeat));
    if (cpu.bf16_possible)
      facts["gemm_gflops_bf16"] = best_gflops(measure_gemm(cpu_kernels(), DType::kBF16, kRepeat));
    if (*json) {
      std::cout << json_text(facts) << "\n";
      return;
    }
    for (const auto& [key, value] : facts.items()) {
      std::cout << fmt::format("{:<18} {}\n", key,
                               value.is_number_float() ? fmt::format("{:.1f}", value.get<double>())
                               : value.is_string()     ? value.get<std::string>()
                                                       : value.dump());
    }
  });
}

}  // namespace ilora
