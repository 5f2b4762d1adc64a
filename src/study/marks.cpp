#include "study/marks.h"

#include "base/error.h"
#include "base/file.h"

namespace ilora {

Marks find_marks(const std::filesystem::path& file, const std::string& name) {
  const std::string content = read_file(file), begin = fmt::format("<!-- begin: {} -->", name),
                    end = fmt::format("<!-- end: {} -->", name);
  const size_t from = content.find('\n', content.find(begin));
  const size_t to = from == std::string::npos ? from : content.find(end, from);
  if (to == std::string::npos) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[grid] expected the lines {} and {} in {}", begin, end, file.string()),
                "Write both lines where the table is to stand.");
  }
  return {content.substr(0, from + 1), content.substr(to)};
}

void replace_between_marks(const std::filesystem::path& file, const std::string& name,
                           const std::string& text) {
  const Marks marks = find_marks(file, name);
  write_file_atomic(file, marks.before + "\n" + text + "\n" + marks.after);
}

}  // namespace ilora
