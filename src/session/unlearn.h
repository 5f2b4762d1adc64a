// Exact unlearning: a run as it would be had some rows never been there. It is trained anew without them, chapter by chapter as
// it was (the run as it began, then each time that it was taught more), so that it ends in the bits of a run whose files never
// had the rows. Called by `ilora forget` (cli/forget.cpp).
//
// What happens, in an order in which a kill at any moment leaves the old run whole or the new one to go on with:
//   RUN.without            is made: the tasks that lose rows, without them, and forgetting.json, the plan
//   RUN                    becomes RUN.before-forgetting, RUN.without becomes RUN
//   RUN                    is trained, an ordinary run that can be resumed
//   RUN/forgotten.jsonl    gets a receipt; RUN.before-forgetting and the plan go
// A task of a user's own folder that loses rows is copied into RUN/tasks; the folder itself is the user's and stays.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "data/task.h"
#include "runs/made_from.h"
#include "runs/run_folder.h"
#include "session/prepare.h"

namespace ilora {

// A row that is gone, by what tells it from others: no text of it.
struct ForgottenRow {
  std::string task, split;
  std::string hash;  // of its text (row_hash)

  static void visit(auto& keys, auto& self) {
    keys.required("task", self.task);
    keys.required("split", self.split);
    keys.required("hash", self.hash);
  }
};
std::string row_hash(const Example& row);

// A line of RUN/forgotten.jsonl: what a run was without from then on. Files are its adapters.
struct Receipt {
  static constexpr const char* kFile = "forgotten.jsonl";
  static constexpr const char* kRemedy = "The file was changed since `ilora forget` wrote it.";

  int64_t time = 0;  // seconds since 1970
  std::string version;
  std::vector<ForgottenRow> rows;
  std::vector<HashedFile> before, after;

  static void visit(auto& keys, auto& self) {
    keys.required("time", self.time);
    keys.required("version", self.version);
    keys.required("rows", self.rows);
    keys.required("before", self.before);
    keys.required("after", self.after);
  }
};

// Of the run's tasks as their files are now, which rows leave; rows that say the same as one of them leave with it, from
// every task and split. `number`: the row's in its file, from 0.
using LeavingRow =
    std::function<bool(const std::string& task, Split split, int64_t number, const Example& row)>;

struct Unlearning {
  std::function<void(const PreparedRun&)> learn;  // trains what it is given to its end
  // Carries what else lies in the old folder over to the new one, without texts of rows of these hashes; empty: nothing.
  std::function<void(const RunFolder& from, const RunFolder& to,
                     const std::set<std::string>& hashes)>
      carry;
};

// Whether an unlearning of the run was begun and not ended.
bool unlearning_begun(const RunFolder& folder);
// Writes the plan. Throws Error(kUsage) where no row leaves or a split would be empty, Error(kInUse) where the run is worked
// on, Error(kUsage) where it is not finished; then nothing is changed.
void plan_unlearning(const RunFolder& folder, const LeavingRow& leaves, const Unlearning& how);
// Carries a plan out, from where it was stopped; returns its receipt. Throws what `learn` does: it can be called again.
Receipt unlearn(const RunFolder& folder, const Unlearning& how);

// What does not agree with the last receipt: adapters that are others now, rows that are in the run's own tasks again. Empty:
// all does. Throws Error(kUsage) where there is no receipt.
std::vector<std::string> disagreements(const RunFolder& folder);

}  // namespace ilora
