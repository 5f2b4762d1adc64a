#include "train/memory_plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/error.h"
#include "model/activations.h"
#include "model/cache.h"
#include "model/gemm_rows.h"
#include "model/generate.h"
#include "model/losses/losses.h"

namespace ilora {
namespace {

constexpr double kMiB = 1 << 20;

double mib(int64_t bytes) {
  return static_cast<double>(bytes) / kMiB;
}

// The pass of a step at its largest: max_tokens with a gradient, each with a copy under the slow
// learner, which cut_pass does not count; all labelled, and as many gathered at the top as may be.
ActivationShape largest_step(const RunExtent& extent, const ModelConfig& config, DType gemm,
                             const StepChoice& choice, int64_t weight_scratch) {
  ActivationShape s;
  s.state = DType::kF32;
  s.gemm = gemm;
  // A method whose own passes have few segments still takes the steps that all have.
  constexpr int64_t kFewestSegments = 4;
  s.gradient_rows =
      choice.max_tokens + std::max(extent.method.segments, kFewestSegments) * kGemmRows;
  s.rows = s.gradient_rows + choice.max_tokens;
  s.labels = s.gradient_rows;
  s.label_chunk = choice.label_chunk;
  s.recompute = choice.recompute;
  s.top_rows = s.rows / 2;
  s.top_gradient_rows = s.gradient_rows / 2;
  s.weight_scratch = weight_scratch;
  s.lora_rank.resize(static_cast<size_t>(config.layers));
  const AdapterLayout layout(config, extent.adapter);
  for (const LoraBlock& block : layout.blocks())
    s.lora_rank[static_cast<size_t>(block.layer)][static_cast<size_t>(block.module)] = block.rank;
  s.lowest_saved = std::max(layout.lowest_layer(), int64_t{0});
  return s;
}

// Tensors of one name together, the largest first.
std::vector<MemoryGroup> by_name(const Arena& arena) {
  std::map<std::string, int64_t> sums;
  for (const Arena::Entry& e : arena.entries()) sums[e.name] += e.bytes;
  std::vector<MemoryGroup> groups;
  for (const auto& [name, bytes] : sums) {
    if (bytes > 0) groups.push_back({name, bytes});
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const MemoryGroup& a, const MemoryGroup& b) { return a.bytes > b.bytes; });
  return groups;
}

// Choices from the largest step down; each may be the one that fits.
std::vector<StepChoice> candidates(const Recipe& recipe, int64_t smallest_tokens) {
  std::vector<StepChoice> list;
  std::vector<int64_t> chunks = {recipe.label_chunk};
  constexpr int64_t kSmallChunk = 64;
  if (recipe.label_chunk > kSmallChunk) chunks.push_back(kSmallChunk);
  std::vector<int64_t> tokens;
  for (int64_t n = recipe.max_tokens; n > smallest_tokens; n /= 2) tokens.push_back(n);
  tokens.push_back(smallest_tokens);
  for (const int64_t n : tokens) {
    for (const int64_t chunk : chunks) {
      for (const bool recompute : {false, true}) {
        if (recompute != (recipe.recompute == "layer") && recipe.recompute != "auto") continue;
        for (const auto storage : {WeightStorage::kExpanded, WeightStorage::kStored}) {
          const char* name = storage == WeightStorage::kStored ? "stored" : "expanded";
          if (recipe.weights != "auto" && recipe.weights != name) continue;
          list.push_back({n, chunk, recompute, storage});
        }
      }
    }
  }
  return list;
}

}  // namespace

int64_t parse_bytes(const std::string& text) {
  static const std::map<std::string, double> units = {
      {"", 1},        {"B", 1},         {"K", 1 << 10}, {"KiB", 1 << 10},
      {"M", 1 << 20}, {"MiB", 1 << 20}, {"G", 1 << 30}, {"GiB", 1 << 30}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto unit = units.find(std::string(end, text.data() + text.size()));
  if (error != std::errc() || unit == units.end() || !(number > 0) || number > 1e9) {
    throw Error(
        ErrorKind::kUsage,
        fmt::format("[engine] expected an amount of memory, got '{}' (engine.memory)", text),
        "Such as 4GiB or 900MiB.");
  }
  return static_cast<int64_t>(number * unit->second);
}

double StepChoice::cost() const {
  // Products of few rows run below the peak; the others are ratios of whole steps.
  const double small = 1.0 + 32.0 / static_cast<double>(max_tokens);
  return small * (recompute ? 1.3 : 1.0) * (storage == WeightStorage::kStored ? 1.05 : 1.0) *
         (label_chunk < 128 ? 1.01 : 1.0);
}

std::string StepChoice::describe() const {
  return fmt::format("{} tokens at once, {} labels at once, weights {}, activations {}", max_tokens,
                     label_chunk, storage == WeightStorage::kStored ? "as stored" : "expanded",
                     recompute ? "computed again" : "kept");
}

RunExtent extent_of(const std::vector<TaskText>& tasks, const Encoder& encoder,
                    const Recipe& recipe, const Method& method, const ModelConfig& config) {
  RunExtent extent;
  extent.adapter = method.adapter(recipe.lora);
  extent.method = method.footprint(config, static_cast<int64_t>(tasks.size()));
  for (const TaskText& task : tasks) {
    const auto prompt = [&](const Example& e, Split split, size_t i) {
      return std::ssize(encoder.prompt(e, task.where(split, i)));
    };
    const int64_t answer = task.new_tokens(recipe.max_new_tokens);
    for (size_t i = 0; i < task.train.size(); ++i) {
      const Example& e = task.train[i];
      const int64_t length =
          e.turns.empty() ? prompt(e, Split::kTrain, i) + std::ssize(encoder.answer(e.answer))
                          : encoder.encode(e, 0, 0, task.where(Split::kTrain, i)).length();
      extent.longest_row = std::max(extent.longest_row, length);
    }
    for (const Split split : {Split::kEval, Split::kTest}) {
      const std::vector<Example>& rows = task.split(split);
      for (size_t i = 0; i < rows.size(); ++i)
        extent.longest_prompt = std::max(extent.longest_prompt, prompt(rows[i], split, i) + answer);
    }
  }
  const int64_t in_front = extent.method.soft_prompts;
  extent.longest_row = std::min(extent.longest_row, encoder.max_length()) + in_front;
  extent.longest_prompt = std::min(extent.longest_prompt, encoder.max_length()) + in_front;
  return extent;
}

int64_t StepMemory::total() const {
  int64_t sum = 0;
  for (const MemoryGroup& group : groups) sum += group.bytes;
  return sum;
}

std::string StepMemory::table() const {
  std::string text;
  for (const MemoryGroup& group : groups) {
    text += fmt::format("{:<42} {:>9.1f} MiB\n", group.name, mib(group.bytes));
    if (group.name != "activations") continue;
    for (const MemoryGroup& tensor : activations)
      text += fmt::format("  {:<40} {:>9.1f}\n", tensor.name, mib(tensor.bytes));
  }
  return text + fmt::format("{:<42} {:>9.1f} MiB\n", "in all", mib(total()));
}

StepMemory step_memory(const ModelFiles& files, const RunExtent& extent, ProductForm form,
                       const StepChoice& choice) {
  const ModelConfig& config = files.config();
  const WeightSizes weights = Weights::measure(files, DType::kF32, form, choice.storage);
  const DType gemm = form.gemm;
  Arena arena;
  Activations activations;
  arena.begin();
  const ActivationShape shape =
      largest_step(extent, config, gemm, choice, weights.scratch_elements);
  Losses losses;
  losses.plan_largest(extent.method.losses, shape.gradient_rows, config.layers);
  activations.place(arena, config, shape);
  losses.place(arena, config, shape);

  const int64_t adapter = AdapterLayout(config, extent.adapter).size();
  constexpr int64_t kTogether = 2;  // learners whose copies in the GEMMs' precision exist at once
  // Gradient, two moments, the gradients of one kind of loss and of all but the first.
  constexpr int64_t kStepVectors = 5;
  const int64_t f32 = dtype_bytes(DType::kF32, 1);
  const int64_t copies = gemm == DType::kF32 ? 0 : kTogether * dtype_bytes(gemm, adapter);
  const int64_t cached =
      std::max(choice.max_tokens, GenerateOptions{}.batch * extent.longest_prompt);
  int64_t rotary = 0;
  for (const RotarySpec& spec : config.rotary)
    rotary += RotaryTable::bytes(spec, config.context, DType::kF32);
  // Code that oneDNN makes per shape, and what each thread keeps for products and attention.
  constexpr int64_t kLibraries = 48 << 20;

  StepMemory memory;
  memory.choice = choice;
  memory.activations = by_name(arena);
  memory.groups = {
      {"program, tokenizer and tasks", extent.resident_bytes},
      {"weights, expanded", weights.owned_bytes},
      {"weights, pages of the file", weights.mapped_bytes},
      {"adapter", adapter * f32 + copies},
      {"the method's own vectors", extent.method.vectors * adapter * f32},
      {"gradient and optimiser", kStepVectors * adapter * f32},
      {"activations", static_cast<int64_t>(arena.bytes())},
      {"rotary tables", rotary},
      {"key/value cache of the evaluation", KeyValueCache::bytes(config, DType::kF32, cached)},
      {"matrix products and threads", kLibraries}};
  return memory;
}

StepMemory choose_step(Recipe& recipe, const ModelFiles& files, ProductForm form,
                       const RunExtent& extent) {
  const int64_t limit = parse_bytes(recipe.memory);
  // A row is not parted; its copy under the slow learner does not count (model/pass.cpp).
  const int64_t smallest_tokens = std::max<int64_t>(extent.longest_row, 64);
  std::vector<StepChoice> list = candidates(recipe, smallest_tokens);
  std::stable_sort(list.begin(), list.end(),
                   [](const StepChoice& a, const StepChoice& b) { return a.cost() < b.cost(); });
  int64_t least = INT64_MAX;
  std::string reason;
  for (const StepChoice& choice : list) {
    StepMemory memory = step_memory(files, extent, form, choice);
    least = std::min(least, memory.total());
    if (memory.total() > limit) {
      if (reason.empty())
        reason = fmt::format("({} would need {:.0f} MiB)", choice.describe(), mib(memory.total()));
      continue;
    }
    memory.reason = reason;
    recipe.max_tokens = choice.max_tokens;
    recipe.label_chunk = choice.label_chunk;
    recipe.recompute = choice.recompute ? "layer" : "none";
    recipe.weights = choice.storage == WeightStorage::kStored ? "stored" : "expanded";
    return memory;
  }
  throw Error(
      ErrorKind::kUsage,
      fmt::format("[engine] {} of memory are too little: the smallest step needs {:.0f} MiB "
                  "(engine.memory)",
                  recipe.memory, std::ceil(mib(least))),
      "Give more, shorten rows (data.max_length), or use a smaller or a quantised model.");
}

}  // namespace ilora
