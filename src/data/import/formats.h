// The table of formats that `ilora data import` reads: what people have (TRACE, JSON, CSV, Alpaca,
// ShareGPT), and the original releases of the paper's eight tasks and NumGLUE-ds, with the prompts
// that TRACE and the I-LoRA paper's code write. A new format: a function and a line in formats.cpp.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "data/import/records.h"
#include "data/task.h"

namespace ilora {

// What a prompt and an answer are made of, for formats whose fields have names of their own:
// "{name}" stands for a field, "\n" for a line break.
struct ImportTemplates {
  std::string prompt = "{prompt}";
  std::string answer = "{answer}";
  bool pairs = false;  // conversations are cut: a row of prompt and answer for each answer
};

struct ImportedRow {
  Example example;
  const Record* record = nullptr;  // it comes from: rows of one record stay together
  std::string split = {};          // "train", "eval", "test" where the record says it
};

struct ImportFormat {
  const char* name;
  const char* summary;  // one line: which file of which release, which rows
  const char* task;     // the built-in task (data/task_definition.h) that it makes; "": a user's
  bool templates;       // whether --prompt and --answer say what is read
  // The rows of one file's records. A record may give none (a question with several right answers,
  // say) or several (a conversation).
  std::vector<ImportedRow> (*rows)(std::span<const Record> records,
                                   const ImportTemplates& templates);
  // Fields that the records have and that are not read; null: none is expected.
  std::set<std::string> (*unread)(std::span<const Record> records) = nullptr;
};

std::span<const ImportFormat> import_formats();
// By its name, or by another one that people use ("messages", "jsonl"). Throws Error(kUsage).
const ImportFormat& find_import_format(const std::string& name);
// The format that records have by their fields. Throws Error(kUsage), naming the fields, where they
// do not say it.
const ImportFormat& guess_import_format(const Record& first);

}  // namespace ilora
