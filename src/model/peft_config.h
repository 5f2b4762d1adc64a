// adapter_config.json of a PEFT folder: which maps carry LoRA, of what rank and scale. Read by
// peft.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "model/adapter.h"

namespace ilora {

// Names of maps as PEFT matches them: each is a map's path or the end of one after a dot; or one
// regular expression that matches a whole path; or all maps of the model.
struct PeftModules {
  std::vector<std::string> names;
  std::optional<std::regex> expression;
  bool all = false;

  bool empty() const { return names.empty() && !expression && !all; }
  bool match(const std::string& path) const;
};

// Values for some maps: the first expression counts that matches a path, or its end after a dot.
using PeftPattern = std::vector<std::pair<std::regex, double>>;

struct PeftConfig {
  // r, lora_alpha, lora_dropout and use_rslora. Targets, of a list of names alone: what they end
  // in; empty where the tensors have to say it. Of a soft prompt its shape.
  LoraOptions options;
  PeftModules targets, excluded;
  std::optional<std::vector<int64_t>> layers;  // those that carry LoRA; none: all
  PeftPattern ranks, alphas;
  std::string patterns;  // both as they stand in the file, for a hash; empty: there are none

  // Whether every map in `options.targets` has one rank and one scale in every layer.
  bool plain() const;
  // Of the map with the path (AdapterLayout::path) in a layer.
  bool wants(const std::string& path, int64_t layer) const;
  int64_t rank_of(const std::string& path) const;
  double scaling_of(const std::string& path) const;
};

inline constexpr const char* kPeftLora = "LORA";
inline constexpr const char* kPeftPrompts = "PROMPT_TUNING";
inline constexpr const char* kPeftPool = "ILORA_PROMPT_POOL";  // ours: prompts found by keys

// Throws Error(kFormat) naming file and key where one is missing or wrong, Error(kUnsupported)
// naming what PEFT can express and ilora does not compute.
PeftConfig read_peft_config(const std::filesystem::path& folder);

}  // namespace ilora
