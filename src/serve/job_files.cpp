#include "serve/job_files.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "serve/request_error.h"

namespace ilora {

namespace fs = std::filesystem;

std::vector<JobFile> JobFiles::list() const {
  std::vector<JobFile> files;
  if (!fs::is_directory(place_)) return files;
  for (const auto& entry : fs::directory_iterator(place_)) {
    if (entry.path().extension() != ".json") continue;
    const Json about = read_json(entry.path());
    const std::string id = entry.path().stem().string();
    const fs::path rows = place_ / (id + ".jsonl");
    if (!fs::exists(rows)) continue;  // its upload or removal was stopped
    files.push_back({id, about.value("name", ""), static_cast<int64_t>(fs::file_size(rows)),
                     about.value("time", int64_t{0})});
  }
  std::ranges::sort(files, {}, &JobFile::id);
  return files;
}

JobFile JobFiles::add(const std::string& name, const std::string& content) const {
  make_folder(place_);
  const std::vector<JobFile> known = list();
  const int64_t last = known.empty() ? 0 : std::stoll(known.back().id.substr(5));
  const std::string id = fmt::format("file-{:04}", last + 1);
  const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  write_file_atomic(place_ / (id + ".jsonl"), content);
  write_json(place_ / (id + ".json"), {{"name", name.substr(0, 200)}, {"time", now}});
  return {id, name, std::ssize(content), now};
}

JobFile JobFiles::find(const std::string& id) const {
  for (const JobFile& file : list())
    if (file.id == id) return file;
  throw RequestError(kNotFound, "[files] there is no such file");
}

std::string JobFiles::content(const std::string& id) const {
  return read_file(place_ / (find(id).id + ".jsonl"));
}

void JobFiles::remove(const std::string& id) const {
  const JobFile file = find(id);
  fs::remove(place_ / (file.id + ".json"));
  fs::remove(place_ / (file.id + ".jsonl"));
}

}  // namespace ilora
