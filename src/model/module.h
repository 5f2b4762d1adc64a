// The linear maps of a block: what carries weights, perhaps a bias, and perhaps LoRA.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ilora {

// In the order in which forward meets them.
enum class Module : uint8_t { kQuery, kKey, kValue, kOutput, kGate, kUp, kDown };
inline constexpr int kModules = 7;
inline constexpr std::array<Module, kModules> kAllModules = {
    Module::kQuery, Module::kKey, Module::kValue, Module::kOutput,
    Module::kGate,  Module::kUp,  Module::kDown};

// What options and reports call a module, whatever its model's files do.
std::string_view module_name(Module module);    // "q_proj"
std::string_view module_parent(Module module);  // "self_attn" or "mlp"
Module parse_module(std::string_view name);     // throws Error(kUsage) naming what is allowed

}  // namespace ilora
