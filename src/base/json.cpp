#include "base/json.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"

namespace ilora {

Json parse_json(std::string_view text, const std::string& where) {
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::parse_error& e) {
    const size_t end = std::min(text.size(), e.byte > 0 ? e.byte - 1 : size_t{0});
    const std::string_view before = text.substr(0, end);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t last = before.rfind('\n');
    const size_t column = last == std::string_view::npos ? before.size() + 1 : before.size() - last;
    throw Error(
        ErrorKind::kFormat,
        fmt::format("[json] {} is not valid JSON at line {}, column {}", where, line, column),
        "Check that line for a missing comma, quote or bracket.");
  } catch (const Json::exception& e) {  // invalid UTF-8 and the like
    throw Error(ErrorKind::kFormat,
                fmt::format("[json] {} is not valid JSON: {}", where, e.what()));
  }
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

void write_json(const std::filesystem::path& path, const Json& value) {
  write_file_atomic(path, value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace ilora
