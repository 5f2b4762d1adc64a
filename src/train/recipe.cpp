#include "train/recipe.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "base/error.h"
#include "text/utf8.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// Any of a task's files: where another is missing, whoever reads the task says so.
bool is_task_folder(const fs::path& folder) {
  return std::ranges::any_of(
      std::initializer_list<const char*>{"train.json", "eval.json", "test.json", "task.yaml"},
      [&](const char* file) { return fs::exists(folder / file); });
}

// "TASK.SPLIT=N"
struct TaskRows {
  std::string task, split;
  int64_t rows = 0;
};

TaskRows parse_task_rows(const std::string& text) {
  const size_t equals = text.rfind('=');
  const size_t dot = equals == std::string::npos ? equals : text.rfind('.', equals);
  TaskRows entry;
  if (dot != std::string::npos && dot > 0) {
    entry.task = text.substr(0, dot);
    entry.split = text.substr(dot + 1, equals - dot - 1);
    const char* end = text.data() + text.size();
    const auto [last, code] = std::from_chars(text.data() + equals + 1, end, entry.rows);
    const bool known = entry.split == "train" || entry.split == "eval" || entry.split == "test";
    if (known && code == std::errc{} && last == end && entry.rows >= 0) return entry;
  }
  throw Error(ErrorKind::kUsage,
              fmt::format("[config] data.task_rows: expected TASK.SPLIT=N, got '{}'", text),
              "Write for example MeetingBank.test=50; the splits are train, eval and test.");
}

// What to do with a folder that has no task folders, by what it has.
std::string hint_without_tasks(const fs::path& folder) {
  if (is_task_folder(folder))
    return fmt::format(
        "It is a task itself: name the folder that it is in, {}.",
        (fs::absolute(folder) / ".").lexically_normal().parent_path().parent_path().string());
  for (const auto& below : fs::directory_iterator(folder)) {
    if (!fs::is_directory(below.path())) continue;
    for (const char* file : {"train.jsonl", "train.csv", "train.parquet"}) {
      if (fs::exists(below.path() / file))
        return fmt::format(
            "A task is a folder with train.json and test.json; `ilora data import` makes one of "
            "{}.",
            (below.path() / file).string());
    }
  }
  return "A task is a folder with train.json and test.json.";
}

// The task folders in a folder, by name. `said_by`: the option that named it, for errors.
std::vector<fs::path> tasks_below(const fs::path& folder, const std::string& said_by) {
  if (!fs::is_directory(folder)) {
    throw Error(ErrorKind::kFile,
                fmt::format("[data] there is no folder {}{}", folder.string(), said_by),
                "`ilora suite mini --out DIR` writes a small suite of tasks.");
  }
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (is_task_folder(entry.path())) found.push_back(entry.path());
  }
  if (found.empty()) {
    throw Error(ErrorKind::kFile,
                fmt::format("[data] no task folders in {}{}", folder.string(), said_by),
                hint_without_tasks(folder));
  }
  std::sort(found.begin(), found.end());
  return found;
}

void check_names(const std::vector<fs::path>& folders) {
  for (auto folder = folders.begin(); folder != folders.end(); ++folder) {
    const std::string name = task_name(*folder);
    if (find_invalid_utf8(name) < name.size())
      throw Error(ErrorKind::kUsage,
                  fmt::format("[data] the name of the task folder '{}' is not UTF-8",
                              replace_invalid_utf8(name)),
                  "Rename the folder: results and reports name its task.");
    const auto same = std::find_if(folders.begin(), folder, [&](const fs::path& other) {
      return task_name(other) == task_name(*folder);
    });
    if (same == folder) continue;
    throw Error(ErrorKind::kUsage,
                fmt::format("[data] two tasks are named {}: {} and {} (data.tasks)",
                            task_name(*folder), same->string(), folder->string()),
                "Scores are told apart by the folder's name: rename one.");
  }
}

// Entries of data.task_rows for tasks of the run, or of a benchmark.
void check_row_limits(const std::vector<std::string>& task_rows,
                      const std::vector<fs::path>& folders) {
  for (const std::string& text : task_rows) {
    const TaskRows entry = parse_task_rows(text);
    const bool here = std::ranges::any_of(
        folders, [&](const fs::path& folder) { return task_name(folder) == entry.task; });
    if (here || find_task_definition(entry.task) != nullptr) continue;
    throw Error(
        ErrorKind::kUsage,
        fmt::format("[config] data.task_rows names the task {}, which the run does not have",
                    entry.task),
        "Tasks are named like their folders, letter by letter.");
  }
}

}  // namespace

std::vector<std::string> Recipe::paths() const {
  std::vector<std::string> all;
  Recipe(*this).replace_paths([&](const std::string&, const std::string& path) {
    all.push_back(path);
    return path;
  });
  return all;
}

void Recipe::replace_paths(const ReplacePath& replace) {
  constexpr std::string_view kWritten = "output", kTasks = "data.tasks";
  OptionList options;
  add_options(options);
  const auto may_be_path = [&](std::string_view key) {
    return key == kTasks || (options.rules(key).role == OptionRole::kWhere && key != kWritten);
  };
  options.visit_texts(may_be_path, [&](const std::string& key, std::string& path) {
    const bool in_data_folder = key == kTasks && fs::path(path).is_relative();
    if (!path.empty() && !in_data_folder) path = replace(key, path);
  });
}

void Recipe::require_found(const std::string& path) const {
  const auto found = std::ranges::find(missing, path, &MissingPath::path);
  if (found == missing.end()) return;
  throw Error(ErrorKind::kFile,
              fmt::format("[run] there is no {} any more ({} of {})",
                          fmt::join(found->looked, " and no "), found->option, output),
              fmt::format("It was looked for where the run was trained and from the run's folder. "
                          "Move it back, or say where it is now: --set {}=... where the command "
                          "has that, or in the run's config.yaml.",
                          found->option));
}

ModelOptions Recipe::model_options() const {
  require_found(model);
  // Of a mode that is measured, what was measured then.
  const bool goes_on = !mode_so_far.empty() &&
                       (mode == "auto" || (mode == "int8" && mode_so_far.starts_with("int8-")));
  return {model, weights, goes_on ? mode_so_far : mode, kernels};
}

LossOptions Recipe::loss() const {
  return {loss_reduction == "token" ? LossReduction::kToken : LossReduction::kSequence,
          train_on_prompt ? Labels::kPromptAndAnswer : Labels::kAnswer};
}

std::string Recipe::measure_of(size_t task) const {
  if (measures.empty()) return "auto";
  return measures.size() == 1 ? measures.front() : measures.at(task);
}

TaskLimits Recipe::limits(const std::string& task) const {
  TaskLimits limits = {train_rows, eval_rows, test_rows,
                       static_cast<uint64_t>(rows_seed < 0 ? seed : rows_seed)};
  for (const std::string& text : task_rows) {
    const TaskRows entry = parse_task_rows(text);
    if (entry.task != task) continue;
    (entry.split == "train"  ? limits.train
     : entry.split == "eval" ? limits.eval
                             : limits.test) = entry.rows;
  }
  return limits;
}

std::vector<fs::path> Recipe::task_folders() const {
  std::vector<fs::path> folders;
  constexpr const char* kSaidBy = " (data.folder)";
  for (const std::string& task : tasks) {
    folders.push_back(fs::path(data_folder) / task);
    if (fs::is_directory(folders.back())) continue;
    require_found(fs::path(task).is_absolute() ? task : data_folder);
    std::vector<std::string> there;
    for (const fs::path& other : tasks_below(data_folder, kSaidBy))
      there.push_back(task_name(other));
    throw Error(
        ErrorKind::kFile,
        fmt::format("[data] there is no task folder {} (data.tasks)", folders.back().string()),
        fmt::format("In {} are: {}.", data_folder, fmt::join(there, ", ")));
  }
  if (tasks.empty()) {
    require_found(data_folder);
    folders = tasks_below(data_folder, kSaidBy);
  }
  check_names(folders);
  if (measures.size() > 1 && measures.size() != folders.size()) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[eval] expected one measure or {}, got {} (eval.measures)",
                            folders.size(), measures.size()));
  }
  check_row_limits(task_rows, folders);
  return folders;
}

std::vector<fs::path> task_folders_in(const fs::path& folder) {
  if (is_task_folder(folder)) return {folder};
  const std::vector<fs::path> folders = tasks_below(folder, "");
  check_names(folders);
  return folders;
}

}  // namespace ilora
