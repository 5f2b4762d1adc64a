// Files that clients upload to be learned from (/v1/files): rows in JSON Lines, under RUN/serve/files.
// A client's names never become paths.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runs/run_folder.h"

namespace ilora {

struct JobFile {
  std::string id;    // "file-0001"
  std::string name;  // as the client calls it
  int64_t bytes = 0;
  int64_t time = 0;  // of the upload, in seconds since 1970
};

class JobFiles {
 public:
  explicit JobFiles(const RunFolder& folder) : place_(folder.path() / "serve" / "files") {}

  // On the disk when it returns. Throws Error(kFile) where the disk refuses.
  JobFile add(const std::string& name, const std::string& content) const;
  std::vector<JobFile> list() const;  // in the order in which they came
  // Throw RequestError(404) where there is no such file.
  JobFile find(const std::string& id) const;
  std::string content(const std::string& id) const;
  void remove(const std::string& id) const;

 private:
  std::filesystem::path place_;
};

}  // namespace ilora
