// From files as people have them to a task: finds the splits, converts records to rows, cuts splits
// that are not given. Called by `ilora data import`, which checks the task and writes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "data/import/formats.h"
#include "data/task.h"

namespace ilora {

struct ImportOptions {
  std::filesystem::path source = {};           // a file, or a folder whose files name their split
  std::filesystem::path eval = {}, test = {};  // files of these splits; empty: looked for, else cut
  ImportTemplates templates = {};
  char separator = '\0';    // of CSV; '\0': comma
  double eval_share = 0.1;  // of the training rows, where the split is not given; 0: none
  double test_share = 0.1;
  int64_t seed = 1;                      // decides which rows are cut off
  std::vector<std::string> ignore = {};  // fields of records and turns that are as if not there
  bool drop_leaks = false;  // training rows whose prompt is in eval or test, and eval rows whose
                            // prompt is in test, are left out
};

struct Imported {
  TaskText task;
  int64_t records = 0;           // read
  int64_t left_out = 0;          // records that the format does not take
  int64_t dropped = 0;           // rows left out by drop_leaks
  std::set<std::string> unread;  // fields that the records have and the format does not read
  // The files of the splits that are given, the others are cut from train; and where each row of
  // the task comes from ("x.csv:12").
  std::map<Split, std::filesystem::path> files;
  std::map<Split, std::vector<std::string>> places;
};

// The format of the training file's first record. Throws as import_task, and where it does not say.
const ImportFormat& guess_import_format(const ImportOptions& options);

// Reads and converts; writes nothing. In a folder a file's name says its split by a word of it:
// train or training; eval, evaluation, dev, development, val, valid or validation; test or testing;
// also with set, data, split or rows behind it. A folder none of whose files says train is read as
// training rows, unless a name looks like another split's.
// Where rows are cut off, all rows of a prompt and all of a record (a conversation) go together, so
// that no split knows another's. Throws Error(kFile, kData or kFormat) naming file and
// line, and Error(kData) where a split would be empty.
Imported import_task(const ImportFormat& format, const ImportOptions& options);

}  // namespace ilora
