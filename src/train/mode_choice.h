// engine.mode: what a mode means, and which one `auto` is on this machine.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/product_times.h"
#include "model/weights.h"
#include "tensor/dtype.h"

namespace ilora {

// The modes that compute, beside "auto" and "int8".
inline constexpr const char* kModeF32 = "f32";
inline constexpr const char* kModeBf16 = "bf16";
inline constexpr const char* kModeBf16Expanded = "bf16-expanded";
inline constexpr const char* kModeInt8 = "int8";         // one of the next two
inline constexpr const char* kModeInt8F32 = "int8-f32";  // products of bytes; the others as in f32
inline constexpr const char* kModeInt8Bf16 = "int8-bf16";

// How a mode that computes reads the base's matrices.
ProductForm product_form_of(const std::string& mode);
// The type of its operands that are no bytes.
DType gemm_type_of(const std::string& mode);
Bf16Products bf16_products_of(const std::string& mode);

// Whether what a mode computes with is measured: "auto" and "int8".
bool is_measured(const std::string& mode);
// The mode that computes: `mode` itself or, for "auto" and "int8", that of f32 and bf16 which is
// faster for the shapes of the model's products. Throws Error(kUnsupported) where this CPU cannot run it.
std::string settled_mode(const std::string& mode, const ModelConfig& config);

// The frozen linear maps of a model's blocks, equal ones together.
std::vector<ProductShape> product_shapes(const ModelConfig& config);

// Measured once per CPU, thread count, version and shapes; kept in product-times.json of the user's
// cache folder (base/user_cache.h), which may be deleted at any time.
ProductTimes product_times(const ModelConfig& config);
// bf16 only where it is faster by 3 %: f32 is the more exact.
const char* faster_mode(const ProductTimes& times);

}  // namespace ilora
