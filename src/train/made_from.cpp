#include "train/made_from.h"

#include <algorithm>
#include <initializer_list>

#include "base/hash.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// Of a Hugging Face folder, beside the weights: what configuration and tokenizer are read from.
constexpr std::initializer_list<const char*> kBesideWeights = {
    "config.json",           "tokenizer.json",          "tokenizer.model",
    "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"};

HashedRows hash_rows(const std::vector<Example>& rows) {
  uint64_t hash = 0;
  for (const Example& row : rows) {
    hash = row.turns.empty() ? hash_text(row.answer, hash_text(row.prompt, hash))
                             : hash_text(row_key(row), hash);
  }
  return {std::ssize(rows), hash_digits(hash)};
}

}  // namespace

HashedTask hash_task(const TaskText& task) {
  HashedTask hashed{task.name, {}};
  for (const Split split : {Split::kTrain, Split::kEval, Split::kTest}) {
    if (!task.split(split).empty())
      hashed.splits.emplace_back(split_name(split), hash_rows(task.split(split)));
  }
  return hashed;
}

std::vector<HashedFile> hash_model(const ModelFiles& model) {
  std::vector<fs::path> files = model.weight_files();
  if (model.gguf() == nullptr) {
    for (const char* name : kBesideWeights)
      if (fs::exists(model.path() / name)) files.push_back(model.path() / name);
  }
  std::vector<HashedFile> hashed;
  for (const fs::path& file : files)
    hashed.push_back({file.filename().string(), static_cast<int64_t>(fs::file_size(file)),
                      hash_digits(hash_file(file))});
  return hashed;
}

MadeFrom describe_sources(const Recipe& recipe, const OptionList& options, const ModelFiles& model,
                          const std::vector<TaskText>& tasks) {
  MadeFrom made_from;
  made_from.version = ILORA_VERSION;
  made_from.working_directory = fs::current_path().string();
  for (const std::string& path : recipe.paths())
    made_from.paths.push_back(record_path(path, RunFolder(recipe.output)));
  made_from.model = hash_model(model);
  for (const TaskText& task : tasks) made_from.tasks.push_back(hash_task(task));
  for (const std::string& key : options.keys())
    made_from.options.emplace_back(key, options.value_text(key));
  return made_from;
}

}  // namespace ilora
