#include "serve/durable_lines.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sync.h"
#include "runs/seal.h"

namespace ilora {

namespace fs = std::filesystem;

DurableLines read_durable_lines(const fs::path& file) {
  DurableLines read;
  if (!fs::exists(file)) return read;
  const std::string all = read_file(file);
  const size_t whole = all.rfind('\n') + 1;  // 0 where there is none
  if (whole < all.size()) fs::resize_file(file, whole);
  size_t number = 0;
  for (size_t begin = 0, end = 0; begin < whole; begin = end + 1) {
    end = all.find('\n', begin);
    const std::string where = fmt::format("{}, line {}", file.string(), ++number);
    try {
      Json object = parse_json(std::string_view(all).substr(begin, end - begin), where);
      if (!object.is_object() || !object.contains("hash") || !seal_holds(object))
        throw Error(ErrorKind::kFormat, fmt::format("[serve] {} is not what was written", where));
      read.objects.push_back(std::move(object));
    } catch (const Error& e) {
      read.warnings.push_back(fmt::format("{}; it is left out", e.what()));
    }
  }
  return read;
}

void add_durable_line(const fs::path& file, const Json& object) {
  const bool is_new = !fs::exists(file);
  if (is_new) make_folder(file.parent_path());
  const uintmax_t before = is_new ? 0 : fs::file_size(file);
  try {
    append_line(file, sealed_line(object));
    sync_file(file);
  } catch (...) {
    std::error_code ignored;
    fs::resize_file(file, before, ignored);
    throw;
  }
}

}  // namespace ilora
