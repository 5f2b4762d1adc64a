// Values of numbers that extract.h has read. Called by the measures in measure.cpp.
#pragma once

#include <string>

namespace ilora {

// Whether two extracted numbers are there and of the same value: "7" and "7.0" are, "1/2" and "0.5",
// "1e3" and "1000". Exact: no digit is rounded away, and a fraction is no decimal ("1/3", "0.333").
bool same_number(const std::string& a, const std::string& b);

}  // namespace ilora
