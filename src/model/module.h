// The linear maps of a block: what carries weights, perhaps a bias, and perhaps LoRA.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ilora {

// In the order in which forward meets them; then those of models whose files join several into one
// map, whose rows are those of its parts one below the other. A model has either.
enum class Module : uint8_t {
  kQuery,
  kKey,
  kValue,
  kOutput,
  kGate,
  kUp,
  kDown,
  kQueryKeyValue,
  kGateUp
};
inline constexpr int kModules = 9;
inline constexpr std::array<Module, kModules> kAllModules = {
    Module::kQuery, Module::kKey,  Module::kValue,         Module::kOutput, Module::kGate,
    Module::kUp,    Module::kDown, Module::kQueryKeyValue, Module::kGateUp};

// What options and reports call a module, whatever its model's files do.
std::string_view module_name(Module module);    // "q_proj"
std::string_view module_parent(Module module);  // "self_attn" or "mlp"
// Throws Error(kUsage) naming what is allowed. What a family's files call a map is taken, too.
Module parse_module(std::string_view name);
std::optional<Module> find_module(std::string_view name);  // the same; none where it is none

// Which of them a model has.
struct MapForm {
  bool joined_attention = false;     // q, k and v are one map
  bool joined_feed_forward = false;  // gate and up are one
  bool gated = true;                 // false: no gate, the activation is of up
};
constexpr bool has_module(const MapForm& form, Module module) {
  switch (module) {
    case Module::kQuery:
    case Module::kKey:
    case Module::kValue:
      return !form.joined_attention;
    case Module::kQueryKeyValue:
      return form.joined_attention;
    case Module::kGate:
      return form.gated && !form.joined_feed_forward;
    case Module::kUp:
      return !form.joined_feed_forward;
    case Module::kGateUp:
      return form.joined_feed_forward;
    default:
      return true;
  }
}
// Names of a model's maps, for messages: "q_proj, k_proj, …".
std::string module_names(const MapForm& form);
// The module whose draws of dropout these are: a joined map has those of its first part, so that a
// layer's numbers stay apart from the next one's.
constexpr int dropout_module(Module module) {
  if (module == Module::kQueryKeyValue) return static_cast<int>(Module::kQuery);
  if (module == Module::kGateUp) return static_cast<int>(Module::kGate);
  return static_cast<int>(module);
}
inline constexpr int kDropoutModules = 7;

}  // namespace ilora
