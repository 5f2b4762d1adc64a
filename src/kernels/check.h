// How far a table may differ from the reference, for `check_kernels` and for the tests: one list of
// tolerances.
#pragma once

#include <string_view>

#include "tensor/dtype.h"

namespace ilora {

// The largest |fast - reference| allowed in an output of type `output` of the operation named as in
// `Kernels`, relative to the output's largest magnitude, where its "T|G" arguments are of type
// `input`. 0 asks for equal values.
double operation_tolerance(std::string_view op, DType input, DType output);

}  // namespace ilora
