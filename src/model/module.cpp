#include "model/module.h"

#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace ilora {
namespace {

struct ModuleNames {
  std::string_view name, parent;
};
constexpr std::array<ModuleNames, kModules> kNames = {{{"q_proj", "self_attn"},
                                                       {"k_proj", "self_attn"},
                                                       {"v_proj", "self_attn"},
                                                       {"o_proj", "self_attn"},
                                                       {"gate_proj", "mlp"},
                                                       {"up_proj", "mlp"},
                                                       {"down_proj", "mlp"},
                                                       {"qkv_proj", "self_attn"},
                                                       {"gate_up_proj", "mlp"}}};

}  // namespace

std::string_view module_name(Module module) {
  return kNames[static_cast<size_t>(module)].name;
}
std::string_view module_parent(Module module) {
  return kNames[static_cast<size_t>(module)].parent;
}

std::string module_names(const MapForm& form) {
  std::vector<std::string_view> names;
  for (const Module module : kAllModules) {
    if (has_module(form, module)) names.push_back(module_name(module));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::optional<Module> find_module(std::string_view name) {
  for (const Module module : kAllModules) {
    if (module_name(module) == name) return module;
  }
  if (name == "c_fc") return Module::kUp;  // StarCoder 2's
  if (name == "c_proj") return Module::kDown;
  return std::nullopt;
}

Module parse_module(std::string_view name) {
  if (const std::optional<Module> module = find_module(name)) return *module;
  std::vector<std::string_view> allowed;
  for (const auto& names : kNames) allowed.push_back(names.name);
  throw Error(ErrorKind::kUsage, fmt::format("[lora] unknown target module '{}'", name),
              fmt::format("Use some of: {}.", fmt::join(allowed, ", ")));
}

}  // namespace ilora
