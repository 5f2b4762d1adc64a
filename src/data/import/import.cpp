#include "data/import/import.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/random.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

constexpr std::array kSplits = {Split::kTrain, Split::kEval, Split::kTest};

std::vector<Example>& rows_of(TaskText& task, Split split) {
  return split == Split::kTrain ? task.train : split == Split::kEval ? task.eval : task.test;
}

// The split that a word of a file's name says.
std::optional<Split> split_of(const fs::path& file) {
  static const std::map<std::string, Split> kWords = {
      {"train", Split::kTrain}, {"eval", Split::kEval},  {"dev", Split::kEval},
      {"val", Split::kEval},    {"valid", Split::kEval}, {"validation", Split::kEval},
      {"test", Split::kTest}};
  std::optional<Split> split;
  std::string word;
  for (const char c : file.stem().string() + " ") {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      continue;
    }
    if (const auto found = kWords.find(word); found != kWords.end()) split = found->second;
    word.clear();
  }
  return split;
}

// The files (or folders of files) of each split that are given.
std::map<Split, fs::path> given_splits(const ImportOptions& options) {
  std::map<Split, fs::path> files;
  if (!fs::exists(options.source)) {
    throw Error(ErrorKind::kFile,
                fmt::format("[data] there is no file or folder {}", options.source.string()));
  }
  if (fs::is_directory(options.source)) {
    for (const auto& entry : fs::directory_iterator(options.source)) {
      const std::optional<Split> split = split_of(entry.path());
      if (!split) continue;
      if (const auto [at, fresh] = files.emplace(*split, entry.path()); !fresh) {
        throw Error(
            ErrorKind::kData,
            fmt::format("[data] both {} and {} name the {} split in {}",
                        at->second.filename().string(), entry.path().filename().string(),
                        split_name(*split), options.source.string()),
            "Give the training file, and the others by --eval and --test; for files that are "
            "one split together, a folder of those alone.");
      }
    }
  }
  // A single file, or a folder of files that are one split together (20 Minuten's articles).
  if (!files.contains(Split::kTrain)) {
    if (!files.empty()) {
      throw Error(
          ErrorKind::kData,
          fmt::format("[data] {} has a file of the {} split, and none whose name says train",
                      options.source.string(), split_name(files.begin()->first)),
          "Give the training file as the source, and the others by --eval and --test.");
    }
    files[Split::kTrain] = options.source;
  }
  if (!options.eval.empty()) files[Split::kEval] = options.eval;
  if (!options.test.empty()) files[Split::kTest] = options.test;
  return files;
}

void read_file(const fs::path& file, Split split, const ImportFormat& format,
               const ImportOptions& options, Imported& imported) {
  const std::vector<Record> records = read_records(file, options.separator);
  int64_t taken = 0;
  std::vector<ImportedRow> rows = format.rows(records, options.templates);
  for (ImportedRow& row : rows) {
    Split goes_to = split;
    for (const Split s : kSplits) {
      if (row.split == split_name(s)) goes_to = s;
    }
    rows_of(imported.task, goes_to).push_back(std::move(row.example));
    ++taken;
  }
  imported.records += static_cast<int64_t>(records.size());
  // Where a record may give several rows, no fewer than this.
  imported.left_out += std::max<int64_t>(static_cast<int64_t>(records.size()) - taken, 0);
}

// Moves a share of the training rows to another split, prompts with all their rows.
void cut(TaskText& task, Split to, double share, int64_t seed) {
  std::vector<std::string> prompts;
  std::map<std::string, std::vector<size_t>> rows;
  for (size_t i = 0; i < task.train.size(); ++i) {
    auto& of_prompt = rows[prompt_key(task.train[i].prompt)];
    if (of_prompt.empty()) prompts.push_back(prompt_key(task.train[i].prompt));
    of_prompt.push_back(i);
  }
  const auto wanted =
      static_cast<size_t>(std::lround(share * static_cast<double>(task.train.size())));
  std::set<size_t> moved;
  for (const int64_t p :
       Random(static_cast<uint64_t>(seed), Stream::kRows, static_cast<uint64_t>(to))
           .permutation(static_cast<int64_t>(prompts.size()))) {
    if (moved.size() >= wanted) break;
    for (const size_t row : rows[prompts[static_cast<size_t>(p)]]) moved.insert(row);
  }
  std::vector<Example> stay;
  for (size_t i = 0; i < task.train.size(); ++i)
    (moved.contains(i) ? rows_of(task, to) : stay).push_back(std::move(task.train[i]));
  task.train = std::move(stay);
}

int64_t drop_leaks(TaskText& task) {
  std::set<std::string> later;
  int64_t dropped = 0;
  for (const Split split : {Split::kTest, Split::kEval, Split::kTrain}) {
    std::vector<Example>& rows = rows_of(task, split);
    dropped += std::erase_if(
        rows, [&](const Example& row) { return later.contains(prompt_key(row.prompt)); });
    for (const Example& row : rows) later.insert(prompt_key(row.prompt));
  }
  return dropped;
}

}  // namespace

Imported import_task(const ImportFormat& format, const ImportOptions& options) {
  Imported imported;
  TaskText& task = imported.task;
  for (const auto& [split, file] : given_splits(options))
    read_file(file, split, format, options, imported);
  if (options.drop_leaks) imported.dropped = drop_leaks(task);
  if (task.test.empty()) cut(task, Split::kTest, options.test_share, options.seed);
  if (task.eval.empty()) cut(task, Split::kEval, options.eval_share, options.seed);
  for (const Split split : {Split::kTrain, Split::kTest}) {
    if (!task.split(split).empty()) continue;
    throw Error(ErrorKind::kData,
                fmt::format("[data] no rows for the {} split in {} ({} records read, {} left out)",
                            split_name(split), options.source.string(), imported.records,
                            imported.left_out),
                split == Split::kTest && !task.train.empty()
                    ? fmt::format("A share of {} of {} rows is none: give --test FILE, or a larger "
                                  "--test-share.",
                                  options.test_share, task.train.size())
                    : fmt::format("The format {} takes: {}.", format.name, format.summary));
  }
  std::set<std::string> answers;
  for (const Split split : kSplits) {
    for (const Example& row : task.split(split)) answers.insert(row.answer);
  }
  task.answers.assign(answers.begin(), answers.end());
  return imported;
}

}  // namespace ilora
