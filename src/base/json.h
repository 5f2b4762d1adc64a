// JSON values and files, by nlohmann-json. Include this header only in .cpp files: it is heavy.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/json_fwd.h"

namespace ilora {

// Parses `text`; `where` names the source in the error (kind kFormat, with line and column).
Json parse_json(std::string_view text, const std::string& where);
Json read_json(const std::filesystem::path& path);
// Writes atomically (see write_file_atomic), pretty-printed, with a final newline.
void write_json(const std::filesystem::path& path, const Json& value);

}  // namespace ilora
