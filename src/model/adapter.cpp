#include "model/adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace ilora {

double LoraOptions::scaling() const {
  const auto r = static_cast<double>(rank);
  return rslora ? alpha / std::sqrt(r) : alpha / r;
}

std::string LoraBlock::name() const {
  return fmt::format("layers.{}.{}.{}", layer, module_parent(module), module_name(module));
}

AdapterLayout::AdapterLayout(const ModelConfig& config, const LoraOptions& options) {
  std::array<bool, kModules> wanted{};
  for (const std::string& target : options.targets) {
    const Module module = parse_module(target);
    if (!config.has(module)) {
      throw Error(ErrorKind::kUsage,
                  fmt::format("[lora] this model has no map '{}' (lora.targets)", target),
                  fmt::format("Its maps: {}.", module_names(config.maps)));
    }
    wanted[static_cast<size_t>(module)] = true;
  }
  names_ = config.names;
  prompts_ = options.prompts;
  width_ = config.width;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    auto& index = index_.emplace_back();
    index.fill(-1);
    for (const Module module : kAllModules) {
      if (!wanted[static_cast<size_t>(module)] || !config.has(layer, module)) continue;
      const auto [in, out] = module_shape(config, layer, module);
      index[static_cast<size_t>(module)] = static_cast<int32_t>(blocks_.size());
      blocks_.push_back({layer, module, in, out, options.rank, size_, size_ + options.rank * in});
      size_ += options.rank * (in + out);
    }
  }
  offset_prompts_ = size_;
  size_ += (prompts_.rows + prompts_.keys + (prompts_.centred ? 1 : 0)) * width_;
}

const LoraBlock* AdapterLayout::find(int64_t layer, Module module) const {
  const int32_t i = index_[static_cast<size_t>(layer)][static_cast<size_t>(module)];
  return i < 0 ? nullptr : &blocks_[static_cast<size_t>(i)];
}

int64_t AdapterLayout::lowest_layer() const {
  if (prompts_.rows > 0) return -1;
  return blocks_.empty() ? static_cast<int64_t>(index_.size()) : blocks_.front().layer;
}

Adapter::Adapter(const ModelConfig& config, const LoraOptions& options, DType state)
    : options_(options), layout_(config, options), values_(state, {layout_.size()}) {}

void Adapter::initialise(uint64_t seed, uint64_t substream) {
  const Random random(seed, Stream::kAdapterInit, substream);
  auto* values = values_.ptr<float>();
  std::fill_n(values, layout_.size(), 0.0f);
  for (const LoraBlock& block : layout_.blocks()) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(block.in));
    for (int64_t i = block.offset_a; i < block.offset_a + block.rank * block.in; ++i) {
      values[i] =
          static_cast<float>(bound * (2.0 * random.uniform(static_cast<uint64_t>(i)) - 1.0));
    }
  }
}

}  // namespace ilora
