// Where the tables of `ilora compare` and `ilora sweep` go.
#pragma once

#include <span>
#include <string>

#include "cli/cells.h"
#include "study/comparison.h"

namespace ilora {

// Throws Error where `into` (--into; empty: nothing) is not FILE#NAME of a file with such marks.
void require_marks(const std::string& into);

// Writes table.md, .csv, .tex and .json into the grid's folder, the Markdown between the marks of
// --into, and copies of the cells' results into --keep: what a table needs, small enough to be
// committed. Returns the Markdown.
std::string publish(const Comparison& comparison, std::span<const Cell> cells,
                    const GridArguments& arguments);

}  // namespace ilora
