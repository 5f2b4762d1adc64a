#include "formats/gguf_parts.h"

#include <fmt/format.h>

#include <regex>

#include "base/error.h"

namespace ilora {

std::vector<std::filesystem::path> gguf_parts(const std::filesystem::path& path) {
  static const std::regex kName(R"((.*)-(\d{5})-of-(\d{5})\.gguf)");
  const std::string name = path.filename().string();
  std::smatch found;
  if (!std::regex_match(name, found, kName)) return {path};
  const int count = std::stoi(found[3]), own = std::stoi(found[2]);
  if (count < 2 || own < 1 || own > count) return {path};
  std::vector<std::filesystem::path> parts;
  for (int part = 1; part <= count; ++part) {
    parts.push_back(path.parent_path() /
                    fmt::format("{}-{:05}-of-{:05}.gguf", found[1].str(), part, count));
    if (std::filesystem::exists(parts.back())) continue;
    throw Error(ErrorKind::kFile,
                fmt::format("[gguf] expected part {}, got no such file ({})", parts.back().string(),
                            path.string()),
                "The model is split into several files: obtain all of them, into one folder.");
  }
  return parts;
}

}  // namespace ilora
