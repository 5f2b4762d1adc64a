// How large a step a given amount of memory allows (engine.memory). Everything is added up from the
// lists that place the buffers: weights, activations, caches, vectors of the adapters.
//
// Called once per run, where it begins; what was chosen goes into the recipe, and so into
// config.yaml.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "continual/method.h"
#include "data/encoder.h"
#include "model/weights.h"
#include "train/recipe.h"

namespace ilora {

// "4GiB", "900MiB", "1.5G", "800000000": bytes. Throws Error(kUsage) for anything else.
int64_t parse_bytes(const std::string& text);

// What may be chosen.
struct StepChoice {
  int64_t max_tokens = 0;
  int64_t label_chunk = 0;
  bool recompute = false;
  WeightStorage storage = WeightStorage::kExpanded;

  // Expected time per token against the fastest choice, for putting choices in order. Its constants
  // are estimates from the work that each adds, not measurements.
  double cost() const;
  std::string describe() const;  // "768 tokens at once, 64 labels at once, weights …"
};

// What decides a run's memory beside its recipe.
struct RunExtent {
  int64_t longest_row = 0;     // tokens of a training row
  int64_t longest_prompt = 0;  // tokens of an evaluated prompt and its answer
  int64_t resident_bytes = 0;  // what the process holds already: program, tokenizer, tasks
  LoraOptions adapter;         // of what the method trains
  Footprint method;
};
RunExtent extent_of(const std::vector<TaskText>& tasks, const Encoder& encoder,
                    const Recipe& recipe, const Method& method, const ModelConfig& config);

struct MemoryGroup {
  std::string name;
  int64_t bytes = 0;
};
struct StepMemory {
  StepChoice choice;
  std::string reason;  // why nothing faster was chosen; empty where nothing faster exists
  std::vector<MemoryGroup> groups;       // every kind of memory
  std::vector<MemoryGroup> activations;  // the group "activations", tensor by tensor

  int64_t total() const;
  std::string table() const;
};

// The peak of a run that trains with `choice`.
StepMemory step_memory(const ModelFiles& files, const RunExtent& extent, ProductForm form,
                       const StepChoice& choice);

// Sets model.weights, engine.max_tokens, engine.label_chunk and engine.recompute to the fastest
// choice that fits into recipe.memory; recipe.max_tokens (where a row does not need more) and
// recipe.label_chunk are its upper limits. Where the recipe names model.weights or engine.recompute
// it is left at that. Throws Error(kUsage) where nothing fits, with what the smallest choice needs.
StepMemory choose_step(Recipe& recipe, const ModelFiles& files, ProductForm form,
                       const RunExtent& extent);

}  // namespace ilora
