#include "runs/analysis.h"

#include "runs/schema.h"

namespace ilora {

std::map<std::string, Analysis> read_analyses(const RunFolder& folder) {
  std::map<std::string, Analysis> found;
  if (!std::filesystem::is_directory(folder.analysis())) return found;
  for (const auto& entry : std::filesystem::directory_iterator(folder.analysis())) {
    const std::filesystem::path& file = entry.path();
    if (file.extension() != ".json") continue;
    found[file.stem().string()] =
        JsonReader::parse<Analysis>(read_json(file), {file.string(), Analysis::kRemedy});
  }
  return found;
}

}  // namespace ilora
