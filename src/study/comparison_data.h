// A comparison for other programs. Called by cli/publish.cpp.
#pragma once

#include <filesystem>
#include <string>

#include "study/comparison.h"

namespace ilora {

// One line per method: NAME mean and NAME sd of each column, then the difference. Empty where there
// is none.
std::string comparison_csv(const Comparison& comparison);
// All numbers unrounded.
void write_comparison_json(const std::filesystem::path& file, const Comparison& comparison);

}  // namespace ilora
