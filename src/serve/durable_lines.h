// Files of one JSON object a line that are only added to: a line is on the disk before its writer
// goes on, and is noticed where it is damaged.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json_fwd.h"

namespace ilora {

struct DurableLines {
  std::vector<Json> objects;          // those that are whole, in order
  std::vector<std::string> warnings;  // of lines that are not, by number
};

// None where there is no file. What a stopped writer left of a last line is cut off; another line that
// is not what was written is left out and named.
DurableLines read_durable_lines(const std::filesystem::path& file);

// Adds a line with its hash (runs/seal.h), and its folder where there is none. Throws Error(kFile)
// where the disk refuses; then the file is as it was.
void add_durable_line(const std::filesystem::path& file, const Json& object);

}  // namespace ilora
