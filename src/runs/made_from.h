// What a run was made from: model, rows, options, program, so that it can be told whether they are
// still the same; and where its paths led, so that they are found again from anywhere. Part of
// results.json and of the checkpoint; filled in by train/made_from.cpp, used by
// session/configuration.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runs/run_folder.h"

namespace ilora {

// A file or folder that an option names.
struct RecordedPath {
  std::string written;   // as in config.yaml
  std::string absolute;  // where that led
  std::string relative;  // to the run's folder

  static void visit(auto& keys, auto& self) {
    keys.required("written", self.written);
    keys.required("absolute", self.absolute);
    keys.required("relative", self.relative);
  }
};

struct HashedFile {
  std::string name;
  int64_t bytes = 0;
  std::string hash;  // base/hash.h

  static void visit(auto& keys, auto& self) {
    keys.required("name", self.name);
    keys.required("bytes", self.bytes);
    keys.required("hash", self.hash);
  }
};

// The rows of a split that the run has: those that its limits leave.
struct HashedRows {
  int64_t rows = 0;
  std::string hash;  // of prompts and answers, in order

  static void visit(auto& keys, auto& self) {
    keys.required("rows", self.rows);
    keys.required("hash", self.hash);
  }
};

struct HashedTask {
  std::string name;
  std::vector<std::pair<std::string, HashedRows>> splits;  // those that were read

  static void visit(auto& keys, auto& self) {
    keys.required("name", self.name);
    keys.required("splits", self.splits);
  }
};

struct MadeFrom {
  std::string version;            // of the program
  std::string working_directory;  // where config.yaml's relative paths begin
  std::vector<RecordedPath> paths;
  std::vector<HashedFile> model;  // weights, configuration, tokenizer
  std::vector<HashedTask> tasks;
  std::vector<std::pair<std::string, std::string>> options;  // key and value, as config.yaml has it
  std::vector<std::string> accepted;  // what changed while it was trained (`--accept-changes`)

  static void visit(auto& keys, auto& self) {
    keys.value("version", self.version);
    keys.required("working_directory", self.working_directory);
    keys.value("paths", self.paths);
    keys.value("model", self.model);
    keys.value("tasks", self.tasks);
    keys.value("options", self.options);
    keys.unless_empty("accepted", self.accepted);
  }
};

// What has changed between what a run was made from and what it goes on with, in words.
struct SourceChanges {
  std::vector<std::string> results;  // it would not be one run any more
  std::vector<std::string> scores;   // later scores mean other rows, or come from another program
};

// `compared` says which options count. Only what both know is compared: tasks may be added, and a
// run of an earlier version recorded less.
SourceChanges changes_of(const MadeFrom& before, const MadeFrom& now,
                         const std::function<bool(std::string_view key)>& compared);
// The part of it that is about the model's files; empty: they are the same.
std::string model_change(const std::vector<HashedFile>& before, const std::vector<HashedFile>& now);

// A path of config.yaml as it leads from the working directory now.
RecordedPath record_path(const std::string& written, const RunFolder& folder);

// What is known of where a run's paths lead: what its results say, or, of a run of an earlier
// version, where it was begun as far as its folder's place and `output` in its configuration tell;
// none where they do not.
std::optional<MadeFrom> made_from_of(const RunFolder& folder, const std::string& output);

// Where a path of config.yaml leads now. Looked for where it led when the run was begun, then from
// the run's folder, and nowhere else: what another folder calls by the same name is not the run's.
struct FoundPath {
  std::string path;  // as written where that leads there from here too, else absolute
  std::vector<std::string> looked;  // empty: it is there; else where it was looked for
};
FoundPath find_path(const std::string& written, const MadeFrom& made_from, const RunFolder& folder);

}  // namespace ilora
