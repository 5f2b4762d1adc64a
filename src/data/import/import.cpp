#include "data/import/import.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/random.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

constexpr std::array kSplits = {Split::kTrain, Split::kEval, Split::kTest};

// A row on its way to a split.
struct SourceRow {
  Example example;
  std::string where;  // "x.csv:12"
  size_t record;      // its record's number, over all files
};
using SplitRows = std::map<Split, std::vector<SourceRow>>;

// The runs of letters in a file's name, in small letters.
std::vector<std::string> words_of(const fs::path& file) {
  std::vector<std::string> words(1);
  for (const char c : file.stem().string()) {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  return words;
}

// The split that a word of a file's name says.
std::optional<Split> split_of(const fs::path& file) {
  static const std::map<std::string, Split> kWords = {
      {"train", Split::kTrain},     {"training", Split::kTrain}, {"eval", Split::kEval},
      {"evaluation", Split::kEval}, {"dev", Split::kEval},       {"development", Split::kEval},
      {"val", Split::kEval},        {"valid", Split::kEval},     {"validation", Split::kEval},
      {"test", Split::kTest},       {"testing", Split::kTest}};
  std::optional<Split> split;
  for (std::string& word : words_of(file)) {
    // "testset" is a test set.
    for (const std::string_view thing : {"set", "data", "split", "rows"}) {
      if (word.size() > thing.size() && word.ends_with(thing))
        word.resize(word.size() - thing.size());
    }
    if (const auto found = kWords.find(word); found != kWords.end()) split = found->second;
  }
  return split;
}

// A file of a folder that is read as training rows, and may be none.
void require_no_test_rows(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    for (const std::string& word : words_of(entry.path())) {
      const bool doubtful =
          word.find("test") != word.npos || word.starts_with("eval") || word.starts_with("valid");
      if (!doubtful || word == "latest") continue;
      throw Error(ErrorKind::kData,
                  fmt::format("[data] {} holds {}, which may not be training rows", folder.string(),
                              entry.path().filename().string()),
                  "Give the training file itself, and the others by --eval and --test.");
    }
  }
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
    if (fs::is_directory(options.source)) require_no_test_rows(options.source);
    files[Split::kTrain] = options.source;
  }
  if (!options.eval.empty()) files[Split::kEval] = options.eval;
  if (!options.test.empty()) files[Split::kTest] = options.test;
  return files;
}

// Records say themselves which split they belong to where one file holds all (ScienceQA).
Split split_of(const ImportedRow& row, Split of_file) {
  if (of_file != Split::kTrain) return of_file;
  for (const Split s : kSplits) {
    if (row.split == split_name(s)) return s;
  }
  return of_file;
}

// Takes a field out of a record and out of the turns of its lists.
void forget(Json& fields, const std::string& name) {
  fields.erase(name);
  for (auto& [key, value] : fields.items()) {
    if (!value.is_array()) continue;
    for (Json& item : value)
      if (item.is_object()) item.erase(name);
  }
}

void read_file(const fs::path& file, Split split, const ImportFormat& format,
               const ImportOptions& options, Imported& imported, SplitRows& all) {
  const bool tables = std::string_view(format.name) == "csv" && !fs::is_directory(file);
  std::vector<Record> records = read_records(file, {options.separator, tables});
  for (Record& record : records)
    for (const std::string& field : options.ignore) forget(record.fields, field);
  if (format.unread != nullptr) imported.unread.merge(format.unread(records));
  std::set<const Record*> taken;
  for (ImportedRow& row : format.rows(records, options.templates)) {
    taken.insert(row.record);
    const auto place = static_cast<size_t>(row.record - records.data());
    all[split_of(row, split)].push_back(
        {std::move(row.example), row.record->where, static_cast<size_t>(imported.records) + place});
  }
  imported.records += std::ssize(records);
  imported.left_out += std::ssize(records) - std::ssize(taken);
}

// Rows that must not come apart: those of a record and those of a prompt, and so on through both.
// The first row's number for each of them.
std::vector<size_t> groups_of(const std::vector<SourceRow>& rows) {
  std::vector<size_t> parent(rows.size());
  std::iota(parent.begin(), parent.end(), 0U);
  const auto root = [&](size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  std::set<std::string> asked;  // what would be scored
  for (const SourceRow& row : rows) asked.insert(prompt_key(row.example.prompt));
  std::map<std::string, size_t> of_prompt;
  std::map<size_t, size_t> of_record;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::vector<size_t> others = {of_record.try_emplace(rows[i].record, i).first->second};
    for (const std::string& key : prompt_keys(rows[i].example))
      if (asked.contains(key)) others.push_back(of_prompt.try_emplace(key, i).first->second);
    for (const size_t other : others) {
      const size_t a = root(i), b = root(other);
      parent[std::max(a, b)] = std::min(a, b);
    }
  }
  for (size_t i = 0; i < rows.size(); ++i) parent[i] = root(i);
  return parent;
}

// Moves a share of the training rows to another split, groups as a whole.
void cut(SplitRows& all, Split to, double share, int64_t seed) {
  std::vector<SourceRow>& train = all[Split::kTrain];
  const std::vector<size_t> groups = groups_of(train);
  std::vector<size_t> names;
  std::map<size_t, std::vector<size_t>> members;
  for (size_t i = 0; i < train.size(); ++i) {
    if (groups[i] == i) names.push_back(i);
    members[groups[i]].push_back(i);
  }
  const auto wanted = static_cast<size_t>(std::lround(share * static_cast<double>(train.size())));
  std::set<size_t> moved;
  for (const int64_t g :
       Random(static_cast<uint64_t>(seed), Stream::kRows, static_cast<uint64_t>(to))
           .permutation(static_cast<int64_t>(names.size()))) {
    if (moved.size() >= wanted) break;
    for (const size_t row : members[names[static_cast<size_t>(g)]]) moved.insert(row);
  }
  std::vector<SourceRow> stay;
  for (size_t i = 0; i < train.size(); ++i)
    (moved.contains(i) ? all[to] : stay).push_back(std::move(train[i]));
  train = std::move(stay);
}

int64_t drop_leaks(SplitRows& all) {
  std::set<std::string> later;
  int64_t dropped = 0;
  for (const Split split : {Split::kTest, Split::kEval, Split::kTrain}) {
    std::vector<SourceRow>& rows = all[split];
    dropped += std::erase_if(rows, [&](const SourceRow& row) {
      return std::ranges::any_of(prompt_keys(row.example),
                                 [&](const std::string& key) { return later.contains(key); });
    });
    for (const SourceRow& row : rows) later.insert(prompt_key(row.example.prompt));
  }
  return dropped;
}

// Why a split that every task needs has no rows. `before`: training rows before shares were cut off.
[[noreturn]] void fail_empty(Split split, const ImportFormat& format, const ImportOptions& options,
                             const Imported& imported, size_t before) {
  std::string why;
  if (before > 0 && split == Split::kTest) {
    why = fmt::format(
        "A share of {} of {} rows is none: give --test FILE, or a larger "
        "--test-share.",
        options.test_share, before);
  } else if (before > 0) {
    why = fmt::format(
        "All {} training rows went to eval and test: rows of one prompt or record stay "
        "together. Give --test FILE and --eval FILE, or lower shares.",
        before);
  } else if (imported.dropped > 0) {
    why = "--drop-leaks left no row of it: every prompt is in a later split too.";
  } else {
    why = fmt::format("The format {} takes: {}.", format.name, format.summary);
  }
  throw Error(ErrorKind::kData,
              fmt::format("[data] no rows for the {} split in {} ({} records read, {} left out, {} "
                          "dropped)",
                          split_name(split), options.source.string(), imported.records,
                          imported.left_out, imported.dropped),
              why);
}

TaskText task_of(SplitRows& all) {
  TaskText task;
  std::set<std::string> answers;
  for (const auto& [split, rows] : {std::pair(Split::kTrain, &task.train),
                                    {Split::kEval, &task.eval},
                                    {Split::kTest, &task.test}}) {
    for (SourceRow& row : all[split]) {
      answers.insert(row.example.answer);
      rows->push_back(std::move(row.example));
    }
  }
  task.answers.assign(answers.begin(), answers.end());
  return task;
}

}  // namespace

const ImportFormat& guess_import_format(const ImportOptions& options) {
  const fs::path file = given_splits(options).at(Split::kTrain);
  const std::vector<Record> records = read_records(file, {options.separator, false});
  if (records.empty())
    throw Error(ErrorKind::kData, fmt::format("[data] {} holds no record", file.string()));
  return guess_import_format(records.front());
}

Imported import_task(const ImportFormat& format, const ImportOptions& options) {
  Imported imported;
  SplitRows all;
  imported.files = given_splits(options);
  for (const auto& [split, file] : imported.files) {
    read_file(file, split, format, options, imported, all);
    if (split != Split::kTrain && all[split].empty())
      throw Error(
          ErrorKind::kData,
          fmt::format("[data] no rows for the {} split in {}", split_name(split), file.string()),
          fmt::format("The format {} takes: {}.", format.name, format.summary));
  }
  if (options.drop_leaks) imported.dropped = drop_leaks(all);
  const size_t before = all[Split::kTrain].size();
  if (all[Split::kTest].empty()) cut(all, Split::kTest, options.test_share, options.seed);
  if (all[Split::kEval].empty()) cut(all, Split::kEval, options.eval_share, options.seed);
  for (const Split split : {Split::kTrain, Split::kTest})
    if (all[split].empty()) fail_empty(split, format, options, imported, before);
  for (const Split split : kSplits)
    for (const SourceRow& row : all[split]) imported.places[split].push_back(row.where);
  imported.task = task_of(all);
  return imported;
}

}  // namespace ilora
