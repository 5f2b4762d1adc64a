#include "runs/own_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/file.h"
#include "base/hash.h"
#include "runs/metrics.h"
#include "runs/rows.h"
#include "runs/schema.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAdapterFile = "adapter_model.safetensors";
constexpr uint64_t kLongestHeader = 64 << 20;  // a length beyond it is none

// Length and header of a safetensors file; of what is none, its first bytes.
std::string header_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string header(sizeof(uint64_t), '\0');
  stream.read(header.data(), static_cast<std::streamsize>(header.size()));
  uint64_t length = 0;
  std::memcpy(&length, header.data(), sizeof length);
  if (!stream || length > std::min<uint64_t>(kLongestHeader, fs::file_size(file))) return header;
  header.resize(sizeof length + length);
  stream.read(header.data() + sizeof length, static_cast<std::streamsize>(length));
  return header;
}

const HashedFile* find(const std::vector<HashedFile>& files, const std::string& name) {
  const auto found = std::ranges::find(files, name, &HashedFile::name);
  return found == files.end() ? nullptr : &*found;
}

std::vector<fs::path> adapter_files(const RunFolder& folder) {
  std::vector<fs::path> files;
  for (int64_t task = 1, last = folder.last_task(); task <= last; ++task) {
    if (!fs::is_directory(folder.task(task))) continue;  // learned together with others
    for (const std::string& learner : folder.learners(task))
      files.push_back(folder.adapter(task, learner) / kAdapterFile);
  }
  return files;
}

}  // namespace

std::optional<HashedFile> hash_own_file(const RunFolder& folder, const fs::path& file) {
  if (!fs::exists(file)) return {};
  HashedFile found;
  found.name = file.lexically_relative(folder.path()).generic_string();
  found.bytes = static_cast<int64_t>(fs::file_size(file));
  found.hash = hash_digits(
      hash_text(file.extension() == ".safetensors" ? header_of(file) : read_file(file)));
  return found;
}

OwnFiles::OwnFiles(const RunFolder& folder) : folder_(folder) {
  if (fs::exists(folder.path(Results::kFile))) files_ = read_run_file<Results>(folder).files;
}

void OwnFiles::record_lines() {
  record(folder_.path(ScoredRows::kFile));
  record(folder_.path(kMetricsFile));
}

void OwnFiles::record_adapter(const fs::path& adapter) {
  record(adapter / kAdapterFile);
}

void OwnFiles::record(const fs::path& file) {
  const auto now = hash_own_file(folder_, file);
  if (!now) return;
  std::erase_if(files_, [&](const HashedFile& known) { return known.name == now->name; });
  files_.push_back(*now);
}

std::vector<std::string> files_of_others(const RunFolder& folder) {
  if (!fs::exists(folder.path(Results::kFile))) return {};
  const auto results = read_run_file<Results>(folder);
  if (results.files.empty()) return {};
  std::vector<fs::path> files = adapter_files(folder);
  // Rows are written before results.json: of a run that was killed in between they are ahead of it.
  if (results.finished()) files.push_back(folder.path(ScoredRows::kFile));
  std::vector<std::string> warnings;
  for (const fs::path& file : files) {
    const auto now = hash_own_file(folder, file);
    if (!now) continue;
    const HashedFile* known = find(results.files, now->name);
    if (known == nullptr ? !results.finished()
                         : known->bytes == now->bytes && known->hash == now->hash)
      continue;
    warnings.push_back(fmt::format(
        "{} is not as this run wrote it ({}): a part is missing or changed, or it is another run's",
        file.string(), Results::kFile));
  }
  return warnings;
}

bool begins_as_recorded(const RunFolder& folder, const Results& results, const std::string& name) {
  const HashedFile* known = find(results.files, name);
  if (known == nullptr) return true;
  const std::string text = read_file(folder.path(name));
  return static_cast<int64_t>(text.size()) >= known->bytes &&
         hash_digits(hash_text(
             std::string_view(text).substr(0, static_cast<size_t>(known->bytes)))) == known->hash;
}

}  // namespace ilora
