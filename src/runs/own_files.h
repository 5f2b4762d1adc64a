// Which files a run wrote, with a hash of each: lines that are gone show in none of those that are left,
// and another run's file is whole in itself. Kept in results.json (`files`) by train/trainer.cpp; looked at
// by whoever opens a run (session/configuration.cpp, `ilora report`).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "runs/made_from.h"
#include "runs/results.h"
#include "runs/run_folder.h"

namespace ilora {

// As results.json keeps a file of the run: its name from the folder on, its size, and the hash of its content;
// of a .safetensors file that of its header, which says its values' own (`ilora.hash`). None: there is no such file.
// Throws Error(kFile) where it cannot be read.
std::optional<HashedFile> hash_own_file(const RunFolder& folder, const std::filesystem::path& file);

// What a run has written so far: begins with what results.json says, where there is one.
class OwnFiles {
 public:
  explicit OwnFiles(const RunFolder& folder);
  // A task was just learned and scored: its rows and its steps are written.
  void record_lines();
  // An adapter was just written into this folder.
  void record_adapter(const std::filesystem::path& adapter);
  const std::vector<HashedFile>& list() const { return files_; }

 private:
  void record(const std::filesystem::path& file);

  RunFolder folder_;
  std::vector<HashedFile> files_;
};

// Scored rows and adapters of a run that it did not write as they are, a warning each: lines are missing, or they
// are another run's. None for a run of an earlier version, and none of a file that is missing. Rows and adapters that
// results.json does not know count where the run is finished. Throws what the readers of its files do.
std::vector<std::string> files_of_others(const RunFolder& folder);

// Whether the file begins with what was recorded of it: it may have been added to. True where nothing was recorded.
bool begins_as_recorded(const RunFolder& folder, const Results& results, const std::string& name);

}  // namespace ilora
