#include "session/training.h"

#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "runs/metrics.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// What a finished run was before it learns more: copies in checkpoints/before, until that ends.
class Before {
 public:
  explicit Before(const RunFolder& folder) : folder_(folder), place_(folder.before()) {}

  bool there() const { return fs::exists(place_); }

  void keep() const {
    const fs::path beside = place_.string() + ".tmp";
    fs::remove_all(beside);
    fs::remove_all(place_);
    make_folder(beside);
    for (const fs::path& file : folder_.rewritten_files()) {
      if (fs::exists(file)) fs::copy_file(file, beside / file.filename());
    }
    write_file_atomic(beside / kMetricsBytes, std::to_string(metrics_bytes(folder_)));
    fs::rename(beside, place_);
  }

  void put_back() const {
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

  void drop() const { fs::remove_all(place_); }

 private:
  static constexpr const char* kMetricsBytes = "metrics.bytes";

  const RunFolder& folder_;
  fs::path place_;
};

// Whether the same steps would end in the same error.
bool repeats(const Error& e) {
  return e.kind() == ErrorKind::kUsage || e.kind() == ErrorKind::kData ||
         e.kind() == ErrorKind::kNumeric || e.kind() == ErrorKind::kUnsupported;
}

}  // namespace

void train(const PreparedRun& prepared, Trainer& trainer) {
  const RunFolder folder(prepared.configuration->recipe.output);
  const FolderLock lock(folder.path());
  remove_leftovers(folder.path());
  const Before before(folder);
  if (prepared.learns_more) before.keep();
  if (!prepared.restore) truncate_metrics(folder, 0);
  try {
    if (prepared.restore) trainer.restore(prepared.accept_changes);
    trainer.run();
  } catch (const Error& e) {
    if (!before.there() || !repeats(e)) throw;
    before.put_back();
    throw Error(e.kind(), e.what(), "The run is as it was before it went on to learn more.");
  }
  before.drop();
}

}  // namespace ilora
