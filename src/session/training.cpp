#include "session/training.h"

#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "runs/metrics.h"
#include "session/before.h"
#include "session/chapters.h"

namespace ilora {
namespace {

// Whether the same steps would end in the same error.
bool repeats(const Error& e) {
  return e.kind() == ErrorKind::kUsage || e.kind() == ErrorKind::kData ||
         e.kind() == ErrorKind::kNumeric || e.kind() == ErrorKind::kUnsupported;
}

// As is_finished(); a damaged file says nothing, and is written anew.
bool says_finished(const RunFolder& folder) {
  try {
    return is_finished(folder);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void train(const PreparedRun& prepared, Trainer& trainer) {
  const RunFolder folder(prepared.configuration->recipe.output);
  const FolderLock lock(folder.path());
  remove_leftovers(folder.path());
  const Before before(folder, folder.before());
  if (prepared.learns_more) {
    before.keep();
    keep_chapter(folder);
  } else if (before.there() && says_finished(folder)) {
    before.drop();  // it was stopped when all was learned
  }
  if (!prepared.restore) truncate_metrics(folder, 0);
  // Sources that have changed since it was stopped are no reason to give up what it has learned.
  if (prepared.restore && !prepared.learns_more) trainer.restore(prepared.accept_changes);
  try {
    if (prepared.learns_more) trainer.restore(prepared.accept_changes);
    trainer.run();
  } catch (const Error& e) {
    if (!before.there() || !repeats(e)) throw;
    before.put_back();
    throw Error(e.kind(), e.what(), "The run is as it was before it went on to learn more.");
  }
  before.drop();
}

}  // namespace ilora
