#include "train/recipe.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace ilora {
namespace {

// What `protocol` sets. full: as many rows as the I-LoRA paper takes, and its epochs (methods of
// the reference code's first version). reduced: for two cores, about twenty minutes a run of eight
// tasks.
const std::vector<OptionList::PresetValue> kProtocols = {
    {"full", "data.train_rows", "5000"},
    {"full", "data.eval_rows", "500"},
    {"full", "data.test_rows", "500"},
    {"full", "train.epochs", "5"},
    {"reduced", "data.max_length", "256"},
    {"reduced", "data.max_answer", "128"},
    {"reduced", "data.train_rows", "120"},
    {"reduced", "data.eval_rows", "200"},
    {"reduced", "data.test_rows", "200"},
    {"reduced", "data.task_rows",
     "MeetingBank.eval=50, MeetingBank.test=50, 20Minuten.eval=50, 20Minuten.test=50"},
    {"reduced", "train.epochs", "3"},
    {"reduced", "eval.matrix", "diagonal"},
};

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

}  // namespace

void Recipe::add_options(OptionList& o) {
  o.add("method", &method, "the continual-learning method; `ilora methods` lists them");
  o.add("protocol", &protocol,
        "full: the paper's rows and epochs; reduced: for two cores, 256 tokens, 120 training and "
        "200 test rows, 3 epochs; options that are given keep their value",
        {.choices = {"none", "full", "reduced"}});
  o.add("seed", &seed, "decides data order, adapter, memory and dropout", {.min = 0});
  o.add("output", &output, "the run's folder");

  o.add("model.path", &model, "a GGUF file or a Hugging Face folder");
  o.add("model.weights", &weights,
        "expanded: to the GEMMs' precision, once; stored: as in the file, each matrix expanded "
        "where it is used (less memory, slower); auto: expanded, or what engine.memory asks for",
        {.choices = {"auto", "expanded", "stored"}});
  o.add("engine.mode", &mode, "precision of the GEMMs; auto: bf16 where the CPU has it",
        {.choices = {"auto", "f32", "bf16"}});
  o.add("engine.kernels", &kernels, "cpu: fast; reference: plain; check: both, compared",
        {.choices = {"cpu", "reference", "check"}});
  o.add("engine.threads", &threads, "0: all cores", {.min = 0});
  o.add("engine.max_tokens", &max_tokens,
        "tokens that run at once (a longer row alone); more need more memory", {.min = 16});
  o.add("engine.recompute", &recompute,
        "layer: keep only each layer's input for the backward and compute the rest again; the same "
        "bits in less memory, slower; auto: none, or what engine.memory asks for",
        {.choices = {"auto", "none", "layer"}});
  o.add(
      "engine.memory", &memory,
      "such as 4GiB: the fastest step that fits; engine.max_tokens and engine.label_chunk are then "
      "upper limits; empty: no limit");
  o.add("engine.label_chunk", &label_chunk, "labelled tokens whose logits exist at once",
        {.min = 1});

  o.add("data.folder", &data_folder, "where the task folders are");
  o.add("data.tasks", &tasks, "task folders in the order they are learned; empty: all, by name");
  o.add("data.template", &text_template,
        "raw: prompt and answer as they stand; chat: the model's chat template",
        {.choices = {"raw", "chat"}});
  o.add("data.max_length", &max_length, "longest row in tokens; prompts are cut from the left",
        {.min = 2});
  o.add("data.max_answer", &max_answer,
        "longest answer that is learned, in tokens, cut at its end; 0: whole answers", {.min = 0});
  o.add("data.train_rows", &train_rows, "most training rows of a task; 0: all", {.min = 0});
  o.add("data.eval_rows", &eval_rows, "most eval rows of a task; 0: all", {.min = 0});
  o.add("data.test_rows", &test_rows, "most test rows of a task; 0: all", {.min = 0});

  o.add("data.task_rows", &task_rows,
        "other limits for single tasks, TASK.SPLIT=N, such as MeetingBank.test=50");

  o.add("lora.rank", &lora.rank, "r",
        {.min = 1, .max = 1024, .source = "paper", .also_called = {"r"}});
  o.add("lora.alpha", &lora.alpha, "the update is scaled by alpha/r",
        {.min = 0, .source = "paper", .also_called = {"lora_alpha"}});
  o.add("lora.dropout", &lora.dropout, "of LoRA's input, while training",
        {.min = 0, .max = 0.95, .also_called = {"lora_dropout"}});
  o.add("lora.rslora", &lora.rslora, "scale by alpha/sqrt(r)", {.also_called = {"use_rslora"}});
  o.add("lora.targets", &lora.targets, "linear maps that carry LoRA",
        {.choices = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
         .source = "paper",
         .also_called = {"target_modules"}});
  o.add("lora.start", &start_adapter,
        "a PEFT folder to start from; its rank, alpha and targets are taken over");

  o.add("train.epochs", &epochs, "passes over each task's training rows",
        {.min = 0, .also_called = {"num_train_epochs"}});
  o.add("train.batch_size", &batch_size, "rows of an optimiser step (replayed rows come on top)",
        {.min = 1, .also_called = {"per_device_train_batch_size", "batch"}});
  o.add("train.learning_rate", &learning_rate, "peak of the schedule",
        {.min = 0, .also_called = {"lr"}});
  o.add("train.schedule", &schedule, "after the warm-up",
        {.choices = {"constant", "linear", "cosine"}, .also_called = {"lr_scheduler_type"}});
  o.add("train.warm_up", &warm_up, "share of a task's steps over which the rate rises",
        {.min = 0, .max = 1, .also_called = {"warmup_ratio"}});
  o.add("train.weight_decay", &weight_decay, "decoupled (AdamW)", {.min = 0});
  o.add("train.beta1", &beta1, "AdamW", {.min = 0, .max = 0.999999});
  o.add("train.beta2", &beta2, "AdamW", {.min = 0, .max = 0.999999});
  o.add("train.epsilon", &epsilon, "AdamW", {.min = 0, .above_min = true});
  o.add("train.clip", &clip, "largest global norm of the gradient; 0: off",
        {.min = 0, .also_called = {"max_grad_norm"}});
  o.add("train.loss_reduction", &loss_reduction,
        "sequence: mean per row, then over rows; token: mean over tokens",
        {.choices = {"sequence", "token"}});
  o.add("train.train_on_prompt", &train_on_prompt, "labels on the prompt too");
  o.add("train.reset_optimizer", &reset_optimizer, "AdamW's moments start anew with each task",
        {.source = "reference code"});

  o.add("eval.measures", &measures,
        "one for all tasks or one per task: auto (the task's own, `ilora tasks`), generated (the "
        "one that reads its generated text), or what `ilora measures` lists");
  o.add("eval.split", &split, "the split that is scored", {.choices = {"test", "eval"}});
  o.add("eval.matrix", &matrix,
        "full: every task after every task; diagonal: row 0, the task just learned, the last row; "
        "trained: the same without row 0, the base model's; last: the last row alone",
        {.choices = {"full", "diagonal", "trained", "last"}});
  o.add("eval.references", &references, "runs of single tasks, for intransigence");
  o.add("eval.max_new_tokens", &max_new_tokens,
        "for measures that generate; 0: each task's own (`ilora tasks`), else 32", {.min = 0});

  o.add("probe.text", &probe.text,
        "plain text files whose perplexity is taken before training and after every task");
  o.add("probe.choices", &probe.choices,
        "multiple-choice sets, taken likewise: JSON lines of question, choices, answer");
  o.add("probe.tokens", &probe.tokens, "most tokens of a text; 0: all", {.min = 0});
  o.add("probe.rows", &probe.rows, "most questions of a set; 0: all", {.min = 0});

  o.add("checkpoint.every", &checkpoint_every,
        "optimiser steps between checkpoints; 0: at the end of each task", {.min = 0});
  o.add("log.gradient_norms_every", &gradient_norms_every,
        "optimiser steps between logs of each loss term's own gradient norm (costs one more pass); "
        "0: never",
        {.min = 0});
  o.add_preset("protocol", kProtocols);
}

LossOptions Recipe::loss() const {
  return {loss_reduction == "token" ? LossReduction::kToken : LossReduction::kSequence,
          train_on_prompt};
}

std::string Recipe::measure_of(size_t task) const {
  if (measures.empty()) return "auto";
  return measures.size() == 1 ? measures.front() : measures.at(task);
}

TaskLimits Recipe::limits(const std::string& task) const {
  TaskLimits limits = {train_rows, eval_rows, test_rows};
  for (const std::string& text : task_rows) {
    const TaskRows entry = parse_task_rows(text);
    if (entry.task != task) continue;
    (entry.split == "train"  ? limits.train
     : entry.split == "eval" ? limits.eval
                             : limits.test) = entry.rows;
  }
  return limits;
}

std::vector<std::filesystem::path> Recipe::task_folders() const {
  namespace fs = std::filesystem;
  std::vector<fs::path> folders;
  if (!tasks.empty()) {
    for (const std::string& task : tasks) folders.push_back(fs::path(data_folder) / task);
  } else {
    if (!fs::is_directory(data_folder)) {
      throw Error(ErrorKind::kFile,
                  fmt::format("[data] there is no folder {} (data.folder)", data_folder),
                  "`ilora suite mini --out DIR` writes a small suite of tasks.");
    }
    for (const auto& entry : fs::directory_iterator(data_folder)) {
      if (fs::exists(entry.path() / "train.json")) folders.push_back(entry.path());
    }
    std::sort(folders.begin(), folders.end());
  }
  if (folders.empty()) {
    throw Error(ErrorKind::kFile,
                fmt::format("[data] no task folders in {} (data.folder)", data_folder),
                "A task is a folder with train.json and test.json.");
  }
  for (auto folder = folders.begin(); folder != folders.end(); ++folder) {
    const auto same = std::find_if(folders.begin(), folder, [&](const fs::path& other) {
      return task_name(other) == task_name(*folder);
    });
    if (same == folder) continue;
    throw Error(ErrorKind::kUsage,
                fmt::format("[data] two tasks are named {}: {} and {} (data.tasks)",
                            task_name(*folder), same->string(), folder->string()),
                "Scores are told apart by the folder's name: rename one.");
  }
  if (measures.size() > 1 && measures.size() != folders.size()) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[eval] expected one measure or {}, got {} (eval.measures)",
                            folders.size(), measures.size()));
  }
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
  return folders;
}

std::vector<std::filesystem::path> task_folders_in(const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / "test.json") ||
      std::filesystem::exists(folder / "train.json"))
    return {folder};
  Recipe recipe;
  recipe.data_folder = folder.string();
  return recipe.task_folders();
}

double scheduled_rate(const Recipe& recipe, int64_t step, int64_t steps) {
  const double warm = std::ceil(recipe.warm_up * static_cast<double>(steps));
  const auto s = static_cast<double>(step);
  // The first step already has a rate: step 0 of w takes 1/w of the peak.
  if (s < warm) return recipe.learning_rate * (s + 1.0) / warm;
  const double progress = (s - warm) / std::max(1.0, static_cast<double>(steps) - warm);
  if (recipe.schedule == "linear") return recipe.learning_rate * (1.0 - progress);
  if (recipe.schedule == "cosine")
    return recipe.learning_rate * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  return recipe.learning_rate;
}

}  // namespace ilora
