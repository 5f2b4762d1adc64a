// engine.mode: what a mode means, and which one `auto` is on this machine.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/product_times.h"
#include "model/config.h"
#include "tensor/dtype.h"

namespace ilora {

// The modes that compute, beside "auto".
inline constexpr const char* kModeF32 = "f32";
inline constexpr const char* kModeBf16 = "bf16";
inline constexpr const char* kModeBf16Expanded = "bf16-expanded";

// The type of the operands of a mode that computes.
DType gemm_type_of(const std::string& mode);
Bf16Products bf16_products_of(const std::string& mode);

// The mode that computes: `mode` itself or, for "auto", the faster of f32 and bf16 for the shapes
// of the model's products. Throws Error(kUnsupported) where this CPU cannot run it.
std::string settled_mode(const std::string& mode, const ModelConfig& config);

// The frozen linear maps of a model's blocks, equal ones together.
std::vector<ProductShape> product_shapes(const ModelConfig& config);

// Measured once per CPU, thread count, version and shapes; kept in product-times.json of the user's
// cache folder (base/user_cache.h), which may be deleted at any time.
ProductTimes product_times(const ModelConfig& config);
// bf16 only where it is faster by 3 %: f32 is the more exact.
const char* faster_mode(const ProductTimes& times);

}  // namespace ilora
