#include "session/unlearn.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/new_file.h"
#include "base/process.h"
#include "base/sync.h"
#include "runs/results.h"
#include "runs/sealed_files.h"
#include "session/chapters.h"
#include "session/configuration.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// What is to be done, in the folder that becomes the run.
struct Plan {
  static constexpr const char* kFile = "forgetting.json";
  static constexpr const char* kRemedy =
      "The file was changed since `ilora forget` wrote it. RUN.before-forgetting is the run as it "
      "was.";

  std::vector<ForgottenRow> rows;
  std::vector<HashedFile> before;   // the old run's adapters
  std::vector<std::string> copied;  // tasks that are read from RUN/tasks from now on

  static void visit(auto& keys, auto& self) {
    keys.required("rows", self.rows);
    keys.required("before", self.before);
    keys.required("copied", self.copied);
  }
};

RunFolder beside(const RunFolder& folder, const char* end) {
  fs::path path = fs::absolute(folder.path()).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();  // "runs/mine/"
  return RunFolder(path += end);
}
RunFolder old_run(const RunFolder& folder) {
  return beside(folder, ".before-forgetting");
}
RunFolder planned_run(const RunFolder& folder) {
  return beside(folder, ".without");
}

void rename_folder(const fs::path& from, const fs::path& to) {
  fs::rename(from, to);
  sync_folder(to.parent_path());
}

// A folder beside the run, whole or as far as something is left of it.
void remove_beside(const RunFolder& gone) {
  remove_folder(gone.path());
  const std::string name = gone.path().filename().string();
  for (const auto& entry : fs::directory_iterator(gone.path().parent_path()))
    if (entry.path().filename().string().starts_with(name)) fs::remove_all(entry.path());
}

std::vector<HashedFile> adapters_of(const RunFolder& folder) {
  std::vector<HashedFile> files;
  for (int64_t task = 1, last = folder.last_task(); task <= last; ++task) {
    if (!fs::is_directory(folder.task(task))) continue;  // learned together with others
    for (const std::string& learner : folder.learners(task)) {
      const fs::path file = folder.adapter(task, learner) / "adapter_model.safetensors";
      if (!fs::exists(file)) continue;
      files.push_back({file.lexically_relative(folder.path()).generic_string(),
                       static_cast<int64_t>(fs::file_size(file)), hash_digits(hash_file(file))});
    }
  }
  return files;
}

std::vector<Example>& rows_of(TaskText& task, Split split) {
  return split == Split::kTrain ? task.train : split == Split::kEval ? task.eval : task.test;
}

constexpr Split kSplits[] = {Split::kTrain, Split::kEval, Split::kTest};

// The hashes of the rows that are meant.
std::set<std::string> hashes_of(const std::vector<TaskText>& tasks, const LeavingRow& leaves) {
  std::set<std::string> hashes;
  for (const TaskText& task : tasks) {
    for (const Split split : kSplits) {
      const std::vector<Example>& rows = task.split(split);
      for (size_t i = 0; i < rows.size(); ++i)
        if (leaves(task.name, split, row_number(rows[i], i), rows[i]))
          hashes.insert(row_hash(rows[i]));
    }
  }
  return hashes;
}

// Takes the rows out of a task; those that left are added to `gone`. Returns whether some did.
bool take_out(TaskText& task, const std::set<std::string>& hashes,
              std::vector<ForgottenRow>& gone) {
  const size_t before = gone.size();
  for (const Split split : kSplits) {
    std::vector<Example>& rows = rows_of(task, split);
    std::vector<Example> left;
    for (const Example& row : rows) {
      const std::string hash = row_hash(row);
      if (hashes.contains(hash))
        gone.push_back({task.name, split_name(split), hash});
      else
        left.push_back(row);
    }
    if (left.empty() && !rows.empty())
      throw Error(
          ErrorKind::kUsage,
          fmt::format("[forget] nothing would be left of {} of {}", split_name(split), task.name),
          "A run cannot be trained anew without a task. Begin a run that never had it.");
    rows = std::move(left);
  }
  return gone.size() > before;
}

// Tasks that lie in the run's folder and that it did not learn, such as those that a server refused. One of which nothing is
// left goes.
void take_out_of_others(const RunFolder& to, const std::vector<std::string>& learned,
                        const std::set<std::string>& hashes) {
  if (!fs::is_directory(to.given_tasks())) return;
  for (const auto& entry : fs::directory_iterator(to.given_tasks())) {
    if (std::ranges::count(learned, task_name(entry.path())) > 0) continue;
    TaskText task = read_task(entry.path());
    std::vector<ForgottenRow> gone;
    try {
      if (take_out(task, hashes, gone)) write_task(entry.path(), task);
    } catch (const Error&) {
      fs::remove_all(entry.path());
    }
  }
}

// The configuration of the run as its first chapter began it, or with which it goes on, in its new place.
std::unique_ptr<Configuration> configuration_for(const RunFolder& folder, const RunFolder& old,
                                                 const Plan& plan, const Chapter& chapter) {
  auto configuration = configuration_of(old);
  configuration->set(chapter.settings);
  Recipe& recipe = configuration->recipe;
  std::vector<std::string> tasks;
  for (const fs::path& path : recipe.task_folders()) {
    const std::string name = task_name(path);
    const bool own = std::ranges::count(plan.copied, name) > 0;
    tasks.push_back(
        (own ? fs::absolute(folder.given_tasks() / name) : fs::absolute(path)).lexically_normal());
  }
  tasks.resize(static_cast<size_t>(chapter.tasks));
  recipe.tasks = tasks;
  recipe.output = folder.path().string();
  return configuration;
}

// What of the chapter's settings is another now.
std::vector<std::string> changes_to(Configuration& now, const std::vector<std::string>& settings) {
  std::vector<std::string> changes;
  for (const std::string& setting : settings) {
    const std::string key = setting_key(setting);
    if (key + "=" + now.options.value_text(key) != setting) changes.push_back(setting);
  }
  return changes;
}

// The run as far as its `chapter` goes. What was begun of it is finished first.
void learn_chapter(const RunFolder& folder, const RunFolder& old, const Plan& plan,
                   const Chapter& chapter, const Unlearning& how) {
  if (!folder.exists()) {
    how.learn(prepare_new(configuration_for(folder, old, plan, chapter)));
    return;
  }
  if (!is_finished(folder)) how.learn(prepare_resume(folder.path(), {}));
  const auto now = configuration_of(folder);
  const size_t known = now->recipe.task_folders().size();
  if (known >= static_cast<size_t>(chapter.tasks)) return;
  const auto wanted = configuration_for(folder, old, plan, chapter);
  const std::vector<std::string> more(wanted->recipe.tasks.begin() + static_cast<int64_t>(known),
                                      wanted->recipe.tasks.end());
  how.learn(prepare_continue(folder.path(), more, changes_to(*now, chapter.settings)));
}

// The old run's place is taken by the planned one.
void take_place(const RunFolder& folder) {
  if (fs::exists(planned_run(folder).path(Plan::kFile))) {
    if (fs::exists(folder.path())) rename_folder(folder.path(), old_run(folder).path());
    rename_folder(planned_run(folder).path(), folder.path());
  }
}

}  // namespace

std::string row_hash(const Example& row) {
  return hash_digits(hash_text(row_key(row)));
}

bool unlearning_begun(const RunFolder& folder) {
  return fs::exists(folder.path(Plan::kFile)) ||
         (!fs::exists(folder.path()) && fs::exists(planned_run(folder).path(Plan::kFile)));
}

void plan_unlearning(const RunFolder& folder, const LeavingRow& leaves, const Unlearning& how) {
  const FolderLock lock(folder.path());
  if (!is_finished(folder))
    throw Error(ErrorKind::kUsage,
                fmt::format("[forget] {} is not finished", folder.path().string()),
                fmt::format("First: ilora train --resume {}", folder.path().string()));
  const auto configuration = configuration_of(folder);
  std::vector<TaskText> tasks;
  for (const fs::path& path : configuration->recipe.task_folders())
    tasks.push_back(read_task(path));
  const std::set<std::string> hashes = hashes_of(tasks, leaves);
  Plan plan;
  remove_beside(planned_run(folder));  // of a plan that was cut off
  NewFolder planned(planned_run(folder).path());
  const RunFolder to(planned.path());
  if (fs::is_directory(folder.given_tasks()))
    fs::copy(folder.given_tasks(), to.given_tasks(), fs::copy_options::recursive);
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (!take_out(tasks[i], hashes, plan.rows)) continue;
    const fs::path own = to.given_tasks() / tasks[i].name;
    const fs::path source = configuration->recipe.task_folders()[i];
    make_folder(own);
    if (fs::exists(source / "task.yaml") && !fs::exists(own / "task.yaml"))
      fs::copy_file(source / "task.yaml", own / "task.yaml");
    write_task(own, tasks[i]);
    plan.copied.push_back(tasks[i].name);
  }
  if (plan.rows.empty())
    throw Error(ErrorKind::kUsage,
                fmt::format("[forget] no row of the tasks of {} is meant", folder.path().string()),
                "--task, --row and --containing say which. `ilora data show` shows a task's rows.");
  for (const TaskText& task : tasks) {  // those that the run had for its own already
    if (fs::is_directory(to.given_tasks() / task.name) &&
        std::ranges::count(plan.copied, task.name) == 0)
      plan.copied.push_back(task.name);
  }
  take_out_of_others(to, plan.copied, hashes);
  plan.before = adapters_of(folder);
  if (fs::exists(folder.path(Receipt::kFile)))
    fs::copy_file(folder.path(Receipt::kFile), to.path(Receipt::kFile));
  if (how.carry) how.carry(folder, to, hashes);
  write_sealed(to, plan);
  planned.finish();
}

Receipt unlearn(const RunFolder& folder, const Unlearning& how) {
  take_place(folder);
  const auto plan = read_run_file<Plan>(folder);
  const RunFolder old = old_run(folder);
  if (!fs::exists(old.path())) {  // stopped when all was done
    remove_beside(old);
    fs::remove(folder.path(Plan::kFile));
    return read_run_lines<Receipt>(folder).back();
  }
  for (const Chapter& chapter : chapters_of(old)) learn_chapter(folder, old, plan, chapter, how);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const Receipt receipt = {std::chrono::duration_cast<std::chrono::seconds>(now).count(),
                           ILORA_VERSION, plan.rows, plan.before, adapters_of(folder)};
  append_sealed(folder, receipt);
  sync_file(folder.path(Receipt::kFile));
  remove_beside(old);
  fs::remove(folder.path(Plan::kFile));
  return receipt;
}

std::vector<std::string> disagreements(const RunFolder& folder) {
  if (!fs::exists(folder.path(Receipt::kFile)))
    throw Error(ErrorKind::kUsage, fmt::format("[forget] {} has no receipt ({})",
                                               folder.path().string(), Receipt::kFile));
  const auto receipts = read_run_lines<Receipt>(folder);
  std::vector<std::string> found;
  std::map<std::string, std::string> now;
  for (const HashedFile& file : adapters_of(folder)) now[file.name] = file.hash;
  if (receipts.empty()) return found;
  for (const HashedFile& file : receipts.back().after)
    if (now[file.name] != file.hash)
      found.push_back(fmt::format("{} is another than the receipt's", file.name));
  std::set<std::string> hashes;
  for (const Receipt& receipt : receipts)
    for (const ForgottenRow& row : receipt.rows) hashes.insert(row.hash);
  for (const fs::path& path : configuration_of(folder)->recipe.task_folders()) {
    const TaskText task = read_task(path);
    for (const Split split : kSplits)
      for (const Example& row : task.split(split))
        if (hashes.contains(row_hash(row)))
          found.push_back(
              fmt::format("{}/{}.json has a forgotten row", path.string(), split_name(split)));
  }
  return found;
}

}  // namespace ilora
