// The table of formats that `ilora data import` reads: what people have (TRACE, JSON, CSV, Alpaca,
// ShareGPT), and the original releases of the paper's eight tasks and NumGLUE-ds, with the prompts
// that TRACE and the I-LoRA paper's code write. A new format: a function and a line in formats.cpp.
#pragma once

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
};

std::span<const ImportFormat> import_formats();
const ImportFormat& find_import_format(const std::string& name);  // throws Error(kUsage)

}  // namespace ilora
