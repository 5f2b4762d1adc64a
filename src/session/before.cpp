#include "session/before.h"

#include <string>

#include "base/file.h"
#include "base/new_file.h"
#include "runs/metrics.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMetricsBytes = "metrics.bytes";

}  // namespace

bool Before::there() const {
  return fs::exists(place_);
}

void Before::keep() const {
  drop();
  make_folder(place_.parent_path());
  NewFolder kept(place_);
  for (const fs::path& file : folder_.rewritten_files()) {
    if (fs::exists(file)) write_file_atomic(kept.path() / file.filename(), read_file(file));
  }
  write_file_atomic(kept.path() / kMetricsBytes, std::to_string(metrics_bytes(folder_)));
  kept.finish();
}

void Before::put_back() const {
  for (const fs::path& file : folder_.rewritten_files()) {
    const fs::path kept = place_ / file.filename();
    if (fs::exists(kept)) {
      write_file_atomic(file, read_file(kept));
    } else {
      fs::remove(file);
    }
  }
  truncate_metrics(folder_, std::stoll(read_file(place_ / kMetricsBytes)));
  drop();
}

void Before::drop() const {
  remove_folder(place_);
}

}  // namespace ilora
