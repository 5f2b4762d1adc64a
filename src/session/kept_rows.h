// The rows that a run keeps of its tasks, as users look at them and have them forgotten: what
// `ilora memory` and the library's Session do. They lie in the run's states alone, as token ids; the
// library keeps the texts that it was given beside them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/row.h"
#include "runs/run_folder.h"
#include "session/configuration.h"
#include "text/tokenizer.h"
#include "train/observer.h"

namespace ilora {

// A row that a run keeps. One row may be kept more than once.
struct KeptRow {
  std::string task;
  int64_t number = 0;  // in the task's train.json, from 0
  Row row;             // its tokens, and what is kept of a teacher's logits
};

struct KeptRows {
  std::vector<std::string> tasks;  // of the run, in its order
  int64_t learned = 0;             // of them the first that are learned and done with
  std::vector<KeptRow> rows;       // in the order of tasks, then numbers
  std::string warning;  // where the last state is damaged and these are the earlier one's

  // The number of a task of the run. Throws Error(kUsage) naming those that there are.
  size_t task(const std::string& name) const;
};

// Throws Error(kFile) where the run has no state, Error(kFormat) where none can be read.
KeptRows read_kept_rows(const RunFolder& folder);

// What a row says: of a conversation, its last answer and what was said before.
struct KeptText {
  std::string prompt, answer;
};
KeptText text_of(const Row& row, const Tokenizer& tokenizer);

// Takes the rows out for which `leaves` holds: of all states of the run, of the one before the last
// too, and out of the files of tasks that the library was given, where a row that says nothing takes
// the place. Results and states record how many left of which task; the run may be resumed and
// continued. Returns the rows that left, each once, by task and number.
//
// Throws Error(kUsage), with nothing changed, where such a row is of a task that is still being
// learned, which would show it to the memory again; Error(kInUse) where the run is trained.
std::vector<KeptRow> forget_rows(const RunFolder& folder,
                                 const std::function<bool(const KeptRow&)>& leaves);

}  // namespace ilora
