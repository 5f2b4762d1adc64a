#include "model/tensor_names.h"

#include <fmt/format.h>

namespace ilora {

std::string TensorNames::in_block(FileKind kind, int64_t layer, const TensorName& name) const {
  return fmt::format("{}.{}.{}", block.in(kind), layer, name.in(kind));
}

bool TensorNames::passes_over(FileKind kind, std::string_view name) const {
  // Rotary frequencies follow from the configuration; older files hold them once more.
  if (kind == FileKind::kFolder) return name.ends_with("rotary_emb.inv_freq");
  if (name == "rope_factors_long.weight" || name == "rope_factors_short.weight")
    return long_rotary_in_gguf;
  return name == "rope_freqs.weight"  // divisors of the frequencies: read with the configuration
         || name.ends_with(".attn_rot_embd.weight");
}

}  // namespace ilora
