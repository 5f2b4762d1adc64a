// Looks at a task before anything is trained on it: sizes, lengths, rows that repeat, rows that
// splits share, answers that their measure cannot score, texts that were decoded wrongly. Called by
// `ilora data check` and `ilora data import`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/encoder.h"
#include "eval/finding.h"

namespace ilora {

struct SplitCheck {
  std::string split;
  int64_t rows = 0, prompts = 0;  // different prompts, white space aside
  double mean_prompt = 0, mean_answer = 0;
  int64_t longest_prompt = 0, longest_answer = 0;
  int64_t longest_learned = 0;        // of the longest answer, with data.max_answer
  int64_t cut = 0;                    // rows that are longer than `limit`: their prompts are cut
  int64_t conversations = 0;          // rows of turns
  int64_t learned = 0, kept_out = 0;  // their answers: that are learned, that rows take out
};

struct TaskCheck {
  std::string name, measure, unit;  // "tokens" or "characters"
  int64_t limit = 0;                // longest row in tokens; 0: unknown
  std::vector<SplitCheck> splits;
  std::vector<Finding> findings;

  bool failed() const;
};

// `encoder` null: lengths are characters, and nothing is known of the context.
TaskCheck check_task(const TaskText& task, const Encoder* encoder, const RowPlaces& places = {});
// The same of a folder; a folder that cannot be read is a finding.
TaskCheck check_folder(const std::filesystem::path& folder, const Encoder* encoder);

}  // namespace ilora
