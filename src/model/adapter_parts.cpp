#include "model/adapter_parts.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace ilora {

Adapter adapter_of_parts(const ModelConfig& config, const LoraOptions& options,
                         std::span<const LoraPart> parts, const std::string& where) {
  Adapter adapter(config, options);
  auto* values = adapter.values().ptr<float>();
  std::fill_n(values, adapter.layout().size(), 0.0f);
  const double scaling = options.scaling();
  for (const LoraPart& part : parts) {
    const LoraBlock* block = adapter.layout().find(part.layer, part.module);
    ILORA_CHECK(block != nullptr && part.rank <= block->rank, "a part without a block");
    const double factor = part.scaling == scaling ? 1.0 : part.scaling / scaling;
    if (!std::isfinite(factor)) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("[lora] expected scales that are not 0, got {} beside {} ({})",
                              part.scaling, scaling, where));
    }
    std::copy(part.a.begin(), part.a.end(), values + block->offset_a);
    for (int64_t o = 0; o < block->out; ++o) {
      for (int64_t r = 0; r < part.rank; ++r) {
        const float b = part.b[static_cast<size_t>(o * part.rank + r)];
        values[block->offset_bt + r * block->out + o] =
            factor == 1.0 ? b : static_cast<float>(factor * static_cast<double>(b));
      }
    }
  }
  return adapter;
}

std::vector<float> lora_b(const Adapter& adapter, const LoraBlock& block) {
  const float* bt = adapter.values().ptr<float>() + block.offset_bt;
  std::vector<float> b(static_cast<size_t>(block.out * block.rank));
  for (int64_t r = 0; r < block.rank; ++r) {
    for (int64_t o = 0; o < block.out; ++o)
      b[static_cast<size_t>(o * block.rank + r)] = bt[r * block.out + o];
  }
  return b;
}

}  // namespace ilora
