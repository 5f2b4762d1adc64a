// Run folders in; one self-contained page, or a table for the terminal, out.
//
// Called by `ilora report`, `ilora train` when a run ends, `ilora analyze` and `ilora compare`.
// Reads results.json and metrics.jsonl of each folder (run_data.h), and
// analysis/*.json.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace ilora {

// The page as HTML: summary, table of runs, score matrices, and pictures drawn by the embedded
// Plotly.js. Needs no network; follows the reader's light or dark setting; stays below 8 MiB
// however long the runs were. Without Plotly.js in the build, tables take the pictures' place and a
// sentence says so. Throws Error naming the file (and key or line) that cannot be read.
std::string render_report(std::span<const std::filesystem::path> runs);
// The same with another Plotly.js; empty: without pictures.
std::string render_report(std::span<const std::filesystem::path> runs, std::string_view plotly);

// Renders and writes the page, atomically.
void write_report(std::span<const std::filesystem::path> runs, const std::filesystem::path& output);

// One line per run, aligned: method, seed, average accuracy, backward transfer, forgetting and the
// final score of every task. Ends with a newline; "-" where a value is missing.
std::string comparison_table(std::span<const std::filesystem::path> runs);

}  // namespace ilora
