// A comparison written down. Called by `ilora compare`.
#pragma once

#include <filesystem>
#include <string>

#include "study/comparison.h"

namespace ilora {

// Two tables (scores, differences), what they mean, and the cells that failed: no headings, so that
// it may stand anywhere.
std::string comparison_markdown(const Comparison& comparison);
// One line per method: NAME mean and NAME sd of each column, then the difference. Empty where there
// is none.
std::string comparison_csv(const Comparison& comparison);
// A tabular of the scores and one of the differences; needs no package.
std::string comparison_latex(const Comparison& comparison);
// All numbers unrounded.
void write_comparison_json(const std::filesystem::path& file, const Comparison& comparison);

// A file around what stands between its lines "<!-- begin: NAME -->" and "<!-- end: NAME -->",
// which belong to the two parts. Throws Error(kFormat) where they are not there.
struct Marks {
  std::string before, after;
};
Marks find_marks(const std::filesystem::path& file, const std::string& name);
// Puts `text` there.
void replace_between_marks(const std::filesystem::path& file, const std::string& name,
                           const std::string& text);

}  // namespace ilora
