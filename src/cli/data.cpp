// ilora data: imports tasks from what people have, and looks at task folders before they are used
// (data_show.cpp: at single rows).
#include <filesystem>
#include <iostream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/new_file.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/data_show.h"
#include "data/import/import.h"
#include "eval/task_check.h"
#include "train/workbench.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// How lengths are counted: in a model's tokens, or in characters where none is named.
struct Ruler {
  std::string model, text_template = "raw", turns = "all";
  int64_t max_length = 0;  // 0: the model's context
  int64_t max_answer = 0;  // 0: whole answers

  void add_options(CLI::App* command) {
    CLI::Option* named = command->add_option(
        "--model", model, "a GGUF file or a Hugging Face folder: lengths in its tokens");
    command
        ->add_option("--max-length", max_length,
                     "with --model: the longest row, as data.max_length (default: the context)")
        ->needs(named)
        ->check(above_zero());
    command
        ->add_option("--max-answer", max_answer,
                     "with --model: the longest answer that is learned, as data.max_answer")
        ->needs(named)
        ->check(above_zero());
    command->add_option("--template", text_template, "with --model: raw or chat, as data.template")
        ->needs(named)
        ->check(CLI::IsMember({"raw", "chat"}));
    command->add_option("--turns", turns, "with --model: all or last, as data.turns")
        ->needs(named)
        ->check(CLI::IsMember({"all", "last"}));
  }
  // Null without a model.
  const Encoder* encoder() {
    if (model.empty() || encoder_) return encoder_.get();
    const ModelFiles files{fs::path(model)};
    const int64_t context = files.config().context;
    tokenizer_ = std::make_unique<Tokenizer>(load_tokenizer(files));
    encoder_ = std::make_unique<Encoder>(
        *tokenizer_,
        EncodeOptions{text_template, max_length > 0 ? max_length : context, max_answer, turns},
        context);
    return encoder_.get();
  }

 private:
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Encoder> encoder_;
};

Json check_json(const TaskCheck& check) {
  Json json = {{"task", check.name}, {"measure", check.measure}, {"unit", check.unit}};
  json["limit"] = check.limit > 0 ? Json(check.limit) : Json(nullptr);
  json["splits"] = Json::array();
  for (const SplitCheck& split : check.splits) {
    json["splits"].push_back({{"split", split.split},
                              {"rows", split.rows},
                              {"prompts", split.prompts},
                              {"mean_prompt", split.mean_prompt},
                              {"longest_prompt", split.longest_prompt},
                              {"mean_answer", split.mean_answer},
                              {"longest_answer", split.longest_answer},
                              {"cut", split.cut},
                              {"conversations", split.conversations},
                              {"learned_answers", split.learned},
                              {"answers_taken_out", split.kept_out}});
  }
  json["findings"] = Json::array();
  for (const Finding& finding : check.findings)
    json["findings"].push_back({{"error", finding.error}, {"text", finding.text}});
  return json;
}

void print_check(const TaskCheck& check) {
  std::cout << fmt::format("{}{}\n", check.name,
                           check.measure.empty() ? "" : ", measured by " + check.measure);
  for (const SplitCheck& split : check.splits) {
    std::cout << fmt::format(
        "  {:<5} {:>6} rows, {:>6} different prompts; {} of a prompt {:.0f}, at most {}, of an "
        "answer {:.1f}, at most {}\n",
        split.split, split.rows, split.prompts, check.unit, split.mean_prompt, split.longest_prompt,
        split.mean_answer, split.longest_answer);
  }
  for (const Finding& finding : check.findings)
    std::cout << fmt::format("  {}: {}\n", finding.error ? "ERROR" : "note", finding.text);
}

// ---- check -----------------------------------------------------------------------------------

void run_check(const std::string& folder, Ruler& ruler, bool json) {
  Json list = Json::array();
  size_t failed = 0, all = 0;
  for (const fs::path& path : task_folders_in(folder)) {
    const TaskCheck check = check_folder(path, ruler.encoder());
    ++all;
    if (check.failed()) ++failed;
    if (json) {
      list.push_back(check_json(check));
    } else {
      print_check(check);
    }
  }
  if (json) std::cout << json_text(list) << "\n";
  std::cout << std::flush;  // before the error's line
  if (failed > 0)
    throw Error(ErrorKind::kData, fmt::format("[data] {} of {} tasks have errors", failed, all));
}

void add_check(CLI::App* data) {
  CLI::App* command = data->add_subcommand(
      "check", "look at task folders: sizes, repeats, leaks, labels, encoding");
  struct Arguments {
    std::string folder;
    Ruler ruler;
    bool json = false;
  };
  auto a = std::make_shared<Arguments>();
  command->add_option("folder", a->folder, "a task folder, or a folder of them")->required();
  a->ruler.add_options(command);
  command->add_flag("--json", a->json, "print JSON");
  command->footer("Ends with exit code 1 where a task has an error.");
  command->callback([a] { run_check(a->folder, a->ruler, a->json); });
}

// ---- import ----------------------------------------------------------------------------------

struct ImportArguments {
  std::string format, out, separator;
  ImportOptions options;
  Ruler ruler;
  bool json = false;
};

// All files appear at once.
void write_folder(const fs::path& out, const TaskText& task) {
  NewFolder folder(out);
  write_task(folder.path(), task);
  folder.finish();
}

// The format that is named, or that the records have. Whoever names the fields reads them as they
// are.
const ImportFormat& format_of(const ImportArguments& a) {
  const ImportTemplates unchanged;
  const bool fields_named = a.options.templates.prompt != unchanged.prompt ||
                            a.options.templates.answer != unchanged.answer;
  if (a.format.empty() && fields_named) return find_import_format("json");
  const ImportFormat& format =
      a.format.empty() ? guess_import_format(a.options) : find_import_format(a.format);
  if (!format.templates && fields_named) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[data] the format {} has prompts of its own: --prompt and --answer "
                            "have no effect",
                            format.name),
                "They are for trace, json and csv.");
  }
  if (a.options.templates.pairs && (format.templates || *format.task != '\0')) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[data] the format {} has no conversations: --pairs has no effect",
                            format.name),
                "It is for alpaca and sharegpt.");
  }
  return format;
}

void run_import(ImportArguments& a) {
  const fs::path out = (fs::path(a.out) / "").parent_path();
  if (fs::exists(out)) {
    throw Error(ErrorKind::kUsage, fmt::format("[data] {} is there already", out.string()),
                "Choose another folder, or remove that one.");
  }
  if (a.separator.size() > 1 && a.separator != "\\t") {
    throw Error(ErrorKind::kUsage,
                fmt::format("[data] --separator: expected one character, got '{}'", a.separator));
  }
  if (!a.separator.empty()) a.options.separator = a.separator == "\\t" ? '\t' : a.separator[0];
  const ImportFormat& format = format_of(a);
  Imported imported = import_task(format, a.options);
  imported.task.name = task_name(out);
  const TaskDefinition* known = find_task_definition(imported.task.name);
  if (known != nullptr) imported.task.definition = *known;

  const TaskCheck check = check_task(imported.task, a.ruler.encoder(), imported.places);
  if (a.json) {
    Json json = check_json(check);
    json["records"] = imported.records;
    json["left_out"] = imported.left_out;
    json["dropped"] = imported.dropped;
    json["format"] = format.name;
    json["unread"] = imported.unread;
    std::cout << json_text(json) << "\n";
  } else {
    std::cout << fmt::format("{} records read as {}, {} left out by the format, {} dropped\n",
                             imported.records, format.name, imported.left_out, imported.dropped);
    for (const auto& [split, file] : imported.files)
      std::cout << fmt::format("{} from {}\n", split_name(split), file.string());
    if (!imported.unread.empty())
      std::cout << fmt::format("fields that the format {} does not read: {}\n", format.name,
                               fmt::join(imported.unread, ", "));
    print_check(check);
  }
  std::cout << std::flush;
  if (check.failed()) {
    throw Error(ErrorKind::kData, "[data] the task has errors: nothing is written",
                "Mend the source where the lines above say so. --drop-leaks leaves rows out whose "
                "prompt a later split holds; --max-answer N cuts answers that are too long.");
  }
  write_folder(out, imported.task);
  if (*format.task != '\0' && imported.task.name != format.task) {
    log().info("Name the folder {} to have the built-in measure and options of that task.",
               format.task);
  }
  log().info("written: {}", out.string());
}

void add_import(CLI::App* data) {
  CLI::App* command = data->add_subcommand("import", "make a task folder of files in other forms");
  auto a = std::make_shared<ImportArguments>();
  ImportOptions& o = a->options;
  command->add_option("source", o.source, "a file, or a folder whose files name their split")
      ->required();
  command->add_option("--format", a->format,
                      "what it holds; see below (default: as the first record looks)");
  command->add_option("--out", a->out, "the task folder to write; its name is the task's")
      ->required();
  command->add_option("--eval", o.eval, "the file of the eval split");
  command->add_option("--test", o.test, "the file of the test split");
  command
      ->add_option("--eval-share", o.eval_share,
                   "share of the training rows that becomes eval where that is not given")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str();
  command->add_option("--test-share", o.test_share, "the same for test")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str();
  command->add_option("--seed", o.seed, "decides which rows those are")
      ->check(not_below_zero())
      ->capture_default_str();
  command
      ->add_option("--prompt", o.templates.prompt,
                   "trace, json, csv: {field} stands for a field, \\n for a line break")
      ->capture_default_str();
  command->add_option("--answer", o.templates.answer, "the same for the answer")
      ->capture_default_str();
  command->add_flag("--pairs", o.templates.pairs,
                    "alpaca, sharegpt: a row of prompt and answer for each answer, not one row for "
                    "each conversation");
  command->add_option("--separator", a->separator, "of CSV cells (default: comma; .tsv: tab)");
  command
      ->add_option("--ignore", o.ignore,
                   "a field of the records that is left out on purpose (repeatable)")
      ->allow_extra_args(false);
  command->add_flag("--drop-leaks", o.drop_leaks,
                    "leave out rows of train (eval) whose prompt is in eval or test (test)");
  a->ruler.add_options(command);
  command->add_flag("--json", a->json, "print JSON");
  std::string formats = "Formats:\n";
  for (const ImportFormat& format : import_formats())
    formats += fmt::format("  {:<12} {}\n", format.name, format.summary);
  command->footer(formats);
  command->callback([a] { run_import(*a); });
}

}  // namespace

void add_data(CLI::App& app) {
  CLI::App* command = app.add_subcommand("data", "import tasks; check and show task folders");
  command->require_subcommand(1);
  add_import(command);
  add_check(command);
  add_data_show(*command);
}

}  // namespace ilora
