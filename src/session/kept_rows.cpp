#include "session/kept_rows.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "continual/keeps_rows.h"
#include "formats/safetensors.h"
#include "runs/results.h"
#include "runs/score_book.h"
#include "runs/sealed_files.h"
#include "train/checkpoint.h"
#include "train/made_from.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

constexpr const char *kPosition = "position.task", *kState = "ilora.state";
constexpr const char* kBlank = "(purged)";

// A state and the one before it.
struct Pair {
  fs::path last, earlier;
};

// The run's own, and those of what it was before a continuation that is under way.
std::vector<Pair> states_of(const RunFolder& folder) {
  std::vector<Pair> pairs = {{folder.state(), folder.earlier_state()}};
  const fs::path before = folder.before();
  if (fs::exists(before / folder.state().filename()))
    pairs.push_back(
        {before / folder.state().filename(), before / folder.earlier_state().filename()});
  return pairs;
}

// The last state, or where it cannot be read the one before, and what is wrong then.
struct Readable {
  fs::path path;
  std::string warning;
};
Readable readable(const Pair& pair) {
  if (!fs::exists(pair.last) && !fs::exists(pair.earlier)) {
    throw Error(ErrorKind::kFile, fmt::format("[memory] there is no {}", pair.last.string()),
                "A run keeps rows from its first checkpoint on.");
  }
  try {
    const StateReader whole(pair.last);
    return {pair.last, ""};
  } catch (const Error& e) {
    if (!fs::exists(pair.earlier)) throw;
    return {pair.earlier, fmt::format("{}; the checkpoint before it is used", e.what())};
  }
}

// The parts of a list of rows in a file, as StateWriter::rows() names them.
constexpr std::string_view kShape = ".shape", kTopLogits = ".top_logits";

bool is_part_of_rows(std::string_view tensor) {
  return tensor.find(kTopLogits) != std::string_view::npos;
}

std::vector<std::string> row_lists(const SafetensorsFile& file) {
  std::vector<std::string> names;
  for (const StoredTensor& tensor : file.tensors()) {
    if (tensor.name.ends_with(kShape) && !is_part_of_rows(tensor.name))
      names.push_back(tensor.name.substr(0, tensor.name.size() - kShape.size()));
  }
  return names;
}

KeptRows read_rows(const fs::path& path) {
  StateReader reader(path);
  const SafetensorsFile file(path);
  KeptRows kept;
  kept.tasks = reader.parse<ScoreBook>("scores").tasks();
  reader.value(kPosition, kept.learned);
  for (const std::string& list : row_lists(file)) {
    std::vector<Row> rows;
    reader.rows(list, rows);
    for (Row& row : rows) {
      const auto task = static_cast<size_t>(row.task);
      if (task >= kept.tasks.size())
        throw Error(ErrorKind::kFormat, fmt::format("[checkpoint] {} is of a task that the run "
                                                    "does not have ({})",
                                                    list, path.string()));
      kept.rows.push_back(
          {kept.tasks[task], static_cast<int64_t>(number_in_file(row.id)), std::move(row)});
    }
  }
  std::ranges::stable_sort(kept.rows, {}, [](const KeptRow& kept_row) {
    return std::pair(kept_row.row.task, kept_row.number);
  });
  return kept;
}

// What rows leave a pair of states.
struct Leaving {
  std::vector<KeptRow> rows;
  bool damaged = false;  // one of the two cannot be read, and may have any
};

Leaving leaving_rows(const Pair& pair, const std::function<bool(const KeptRow&)>& leaves) {
  const Readable last = readable(pair);
  Leaving leaving;
  leaving.damaged = !last.warning.empty();
  KeptRows kept = read_rows(last.path);
  const int64_t learned = kept.learned;
  if (fs::exists(pair.earlier) && !leaving.damaged) {
    try {
      for (KeptRow& row : read_rows(pair.earlier).rows) kept.rows.push_back(std::move(row));
    } catch (const Error&) {
      leaving.damaged = true;
    }
  }
  for (KeptRow& row : kept.rows) {
    if (!leaves(row)) continue;
    if (row.row.task >= learned) {
      throw Error(ErrorKind::kUsage,
                  fmt::format("[memory] {} is still being learned: its row {} would be kept again",
                              row.task, row.number),
                  "Finish the task first (ilora train --resume), or begin without the row.");
    }
    leaving.rows.push_back(std::move(row));
  }
  return leaving;
}

// "3 rows of reviews were purged", for each task.
std::vector<std::string> notes_of(const std::vector<KeptRow>& gone) {
  std::map<std::string, int64_t> count;
  for (const KeptRow& row : gone) ++count[row.task];
  std::vector<std::string> notes;
  for (const auto& [task, rows] : count)
    notes.push_back(
        fmt::format("{} row{} of {} purged from memory", rows, rows == 1 ? "" : "s", task));
  return notes;
}

// What is recorded of the run's sources, after rows have left.
struct Record {
  std::vector<std::string> notes;
  std::vector<HashedTask> tasks;  // whose files have changed with that

  void add_to(MadeFrom& made_from) const {
    made_from.accepted.insert(made_from.accepted.end(), notes.begin(), notes.end());
    for (HashedTask& task : made_from.tasks) {
      const auto changed = std::ranges::find(tasks, task.name, &HashedTask::name);
      if (changed != tasks.end()) task = *changed;
    }
  }
};

// A task that the library was given, without rows that say the same as those of these numbers. Their
// places stay, so that the other rows keep their numbers, with an answer that the task has: one of its
// own would become an option. Only where one answer is left it is that, so that there is a choice.
void blank_rows(TaskText& task, const std::set<int64_t>& numbers) {
  std::set<std::pair<std::string, std::string>> gone;
  for (const int64_t number : numbers) {
    if (number >= std::ssize(task.train)) continue;
    const Example& row = task.train[static_cast<size_t>(number)];
    gone.emplace(row.prompt, row.answer);
  }
  const auto leaves = [&](const Example& row) { return gone.contains({row.prompt, row.answer}); };
  std::set<std::string> answers;
  for (const std::vector<Example>* split : {&task.train, &task.eval, &task.test})
    for (const Example& row : *split)
      if (!leaves(row)) answers.insert(row.answer);
  const Example blank{kBlank, answers.size() > 1 ? *answers.begin() : kBlank};
  std::ranges::replace_if(task.train, leaves, blank);
  for (std::vector<Example>* split : {&task.eval, &task.test})
    if (std::erase_if(*split, leaves) > 0 && split->empty()) split->push_back(blank);
}

// Returns the tasks that were rewritten, as they are now.
std::vector<HashedTask> blank_given_rows(const RunFolder& folder, const Recipe& recipe,
                                         const std::vector<KeptRow>& gone) {
  std::map<std::string, std::set<int64_t>> numbers;
  for (const KeptRow& row : gone) numbers[row.task].insert(row.number);
  std::vector<HashedTask> changed;
  for (const auto& [name, rows] : numbers) {
    const fs::path path = folder.given_tasks() / name;
    if (!fs::is_directory(path)) continue;
    TaskText task = read_task(path);
    blank_rows(task, rows);
    write_task(path, task);
    changed.push_back(hash_task(read_task(path, recipe.limits(name), recipe.evaluated_split())));
  }
  return changed;
}

// The names that a method's state has in a file.
class Names : public StateVisitor {
 public:
  void value(const std::string& name, int64_t&) override { all_.insert(name); }
  void count(const std::string& name, int64_t&) override { all_.insert(name); }
  void value(const std::string& name, double&) override { all_.insert(name); }
  void vector(const std::string& name, Tensor) override { all_.insert(name); }
  void rows(const std::string& name, std::vector<Row>&) override { all_.insert(name); }
  bool has(const std::string& name) const { return all_.contains(name); }

 private:
  std::set<std::string> all_;
};

// Everything of a state that is not the method's own.
void copy_others(StateWriter& writer, const SafetensorsFile& file, const Names& own) {
  const Json numbers = parse_json(file.text(kState), file.name());
  for (const auto& [name, value] : numbers.items())
    if (!own.has(name)) writer.json(name, value);
  for (const std::string& list : row_lists(file))
    ILORA_CHECK(own.has(list), "no method keeps {}", list);
  for (const StoredTensor& tensor : file.tensors()) {
    if (tensor.dtype == DType::kF32 && !own.has(tensor.name) && !is_part_of_rows(tensor.name))
      writer.vector(tensor.name, Tensor(const_cast<std::byte*>(tensor.bytes.data()), DType::kF32,
                                        {tensor.size()}));
  }
}

// Writes the state without the rows in both places: what the earlier one had of them is gone, too.
void rewrite(const Pair& pair, Method& method, const std::vector<KeptRow>& gone,
             const Record& record) {
  std::set<uint64_t> ids;
  for (const KeptRow& row : gone) ids.insert(row.row.id);
  const fs::path source = readable(pair).path;
  StateReader reader(source);
  const SafetensorsFile file(source);
  method.visit(reader);
  Names own;
  method.visit(own);
  auto* keeper = dynamic_cast<KeepsRows*>(&method);
  ILORA_CHECK(keeper != nullptr || gone.empty(), "the method cannot forget");
  if (keeper != nullptr) keeper->forget([&](const Row& row) { return ids.contains(row.id); });
  StateWriter after;
  copy_others(after, file, own);
  method.visit(after);
  if (reader.has("made_from")) {
    auto made_from = reader.parse<MadeFrom>("made_from");
    record.add_to(made_from);
    after.json("made_from", json_of(made_from));
  }
  after.write(pair.last);
  after.write(pair.earlier);
}

void record_in_results(const RunFolder& folder, const Record& record) {
  if (!fs::exists(folder.path(Results::kFile))) return;
  auto results = read_run_file<Results>(folder);
  if (!results.made_from) return;
  record.add_to(*results.made_from);
  write_sealed(folder, results);
}

}  // namespace

size_t KeptRows::task(const std::string& name) const {
  const auto found = std::ranges::find(tasks, name);
  if (found != tasks.end()) return static_cast<size_t>(found - tasks.begin());
  throw Error(ErrorKind::kUsage, fmt::format("[memory] the run has no task '{}'", name),
              fmt::format("Its tasks are: {}.", fmt::join(tasks, ", ")));
}

KeptRows read_kept_rows(const RunFolder& folder) {
  const Readable state = readable(states_of(folder).front());
  KeptRows kept = read_rows(state.path);
  kept.warning = state.warning;
  return kept;
}

KeptText text_of(const Row& row, const Tokenizer& tokenizer) {
  const auto tokens = std::span(row.tokens);
  // Of a conversation, its last answer.
  const auto prompt = static_cast<size_t>(
      row.gaps.empty() ? row.prompt_length
                       : std::max<int64_t>(row.prompt_length, row.gaps.back().end));
  return {tokenizer.decode(tokens.first(prompt)), tokenizer.decode(tokens.subspan(prompt))};
}

std::vector<KeptRow> forget_rows(const RunFolder& folder,
                                 const std::function<bool(const KeptRow&)>& leaves) {
  const FolderLock lock(folder.path());
  remove_leftovers(folder.path());
  const std::vector<Pair> pairs = states_of(folder);
  std::vector<KeptRow> gone;
  bool damaged = false;
  for (const Pair& pair : pairs) {  // all are looked at before any is changed
    Leaving leaving = leaving_rows(pair, leaves);
    damaged = damaged || leaving.damaged;
    std::ranges::move(leaving.rows, std::back_inserter(gone));
  }
  if (gone.empty() && !damaged) return gone;
  const auto id = [](const KeptRow& row) { return row.row.id; };
  std::ranges::stable_sort(gone, {}, id);
  gone.erase(std::ranges::unique(gone, {}, id).begin(), gone.end());
  // Texts first: a purge that is cut off finds its rows in the states and goes on.
  const Record record = {notes_of(gone),
                         blank_given_rows(folder, configuration_of(folder)->recipe, gone)};
  for (const Pair& pair : pairs) {
    const auto configuration = configuration_of(folder);  // a method that has seen no state
    rewrite(pair, configuration->method(), gone, record);
  }
  if (!gone.empty()) record_in_results(folder, record);
  return gone;
}

}  // namespace ilora
