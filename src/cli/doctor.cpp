// ilora doctor: what this machine offers and how ilora would use it.
#include <unistd.h>

#include <iostream>

#include "base/json.h"
#include "base/parallel.h"
#include "bench/gemm_rate.h"
#include "cli/command.h"
#include "train/environment.h"
#include "train/mode_choice.h"
#include "train/workbench.h"

namespace ilora {
namespace {

double memory_gib() {
  return static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE)) /
         (1 << 30);
}

// The modes of this CPU, f32 first.
std::vector<std::string> modes() {
  std::vector<std::string> names = {kModeF32};
  if (cpu_features().bf16_possible) names.emplace_back(kModeBf16);
  names.emplace_back(kModeBf16Expanded);
  return names;
}

// The rate of each mode on six shapes, and which one auto would be for products like theirs.
void add_rates(Json& facts) {
  constexpr int kRepeat = 5;
  std::string fastest = kModeF32;
  double best = 0;
  for (const std::string& mode : modes()) {
    const double rate = best_gflops(measure_mode(mode, kRepeat).rates);
    facts["gemm_gflops_" + mode] = rate;
    const bool candidate = mode == kModeF32 || (mode == kModeBf16 && cpu_features().bf16_native);
    if (candidate && rate > best) {
      best = rate;
      fastest = mode;
    }
  }
  facts["auto"] = fastest;
}

// What auto goes by for a model: the seconds of the products of its blocks.
void add_model(Json& facts, const std::string& path) {
  const ModelFiles files(path);
  const ProductTimes times = product_times(files.config());
  facts["model"] = files.config().name;
  facts["product_ms_f32"] = 1e3 * times.f32;
  if (cpu_features().bf16_native) facts["product_ms_bf16"] = 1e3 * times.bf16;
  facts["product_ms_bf16-expanded"] = 1e3 * times.bf16_expanded;
  facts["auto"] = settled_mode("auto", files.config());
}

void print(const Json& facts) {
  for (const auto& [key, value] : facts.items()) {
    std::cout << fmt::format("{:<26} {}\n", key,
                             value.is_number_float() ? fmt::format("{:.1f}", value.get<double>())
                             : value.is_string()     ? value.get<std::string>()
                                                     : value.dump());
  }
}

}  // namespace

void add_doctor(CLI::App& app) {
  struct Arguments {
    std::string model;
    bool json = false;
  };
  CLI::App* command = app.add_subcommand(
      "doctor", "CPU features, threads, memory, GEMM rates, the mode that would run");
  auto a = std::make_shared<Arguments>();
  command->add_option("--model", a->model, "also time the products of this model, as auto does");
  command->add_flag("--json", a->json, "print JSON");
  command->callback([a] {
    Json facts = environment_json("auto");
    facts.erase("mode");
    facts["bf16"] = cpu_features().bf16_native     ? "native"
                    : cpu_features().bf16_possible ? "emulated: slower than f32"
                                                   : "not available";
    facts["memory_gib"] = memory_gib();
    add_rates(facts);
    if (!a->model.empty()) add_model(facts, a->model);
    if (a->json) {
      std::cout << json_text(facts) << "\n";
    } else {
      print(facts);
    }
  });
}

}  // namespace ilora
