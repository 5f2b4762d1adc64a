// What the readers share in checking a file that may be damaged.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tensor/dtype.h"

namespace ilora {

// A name from a file as it can stand in a message: quoted, at most 100 bytes of it, anything but
// printable ASCII as \xNN.
std::string printable(std::string_view name);

// Bytes of a tensor. Nothing where a dimension is negative, the product does not fit 2^62, or the
// innermost dimension does not hold whole blocks.
std::optional<int64_t> checked_bytes(DType dtype, std::span<const int64_t> shape);

}  // namespace ilora
