// ilora export: an adapter, or the model that it makes, in the forms that other programs load. `ilora
// merge` is an export of the merged model.
#include "cli/export.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/new_file.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/export_subject.h"
#include "model/gguf_lora.h"
#include "model/merged.h"
#include "model/peft.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

struct ExportArguments {
  ExportSource from;
  std::string to, out, type, base;
};

// ---- types -----------------------------------------------------------------------------------

struct TypeName {
  const char* name;
  DType type;
};
constexpr TypeName kTypes[] = {
    {"f32", DType::kF32},   {"f16", DType::kF16},   {"bf16", DType::kBF16}, {"q8_0", DType::kQ8_0},
    {"q4_0", DType::kQ4_0}, {"q4_1", DType::kQ4_1}, {"q5_0", DType::kQ5_0}, {"q5_1", DType::kQ5_1},
    {"q4_k", DType::kQ4_K}, {"q5_k", DType::kQ5_K}, {"q6_k", DType::kQ6_K}};

// The type asked for by name, among the first `count` of the table; none for "base".
std::optional<DType> type_of(const std::string& name, std::initializer_list<const char*> allowed) {
  const auto same = [&](const char* one) { return name == one; };
  if (std::ranges::none_of(allowed, same))
    throw Error(ErrorKind::kUsage,
                fmt::format("[export] there is no '{}' of this form (--type)", name),
                fmt::format("Choose one of: {}.", fmt::join(allowed, ", ")));
  for (const TypeName& known : kTypes) {
    if (name == known.name) return known.type;
  }
  return std::nullopt;
}

// ---- forms -----------------------------------------------------------------------------------

std::string megabytes(const fs::path& path) {
  return fmt::format("{:.1f} MB", static_cast<double>(fs::file_size(path)) / 1e6);
}

void tell_of_rounding(const MergeReport& report) {
  for (const auto& [type, count] : report.instead)
    log().info("{} {} {}: rows that hold no whole blocks of the type asked for", count,
               count == 1 ? "matrix is" : "matrices are", dtype_name(type));
  if (report.change == 0) {
    log().warn("the adapter changes nothing: its product is zero in every map");
    return;
  }
  const double share = 100 * report.rounding / report.change;
  log().info("{} maps merged; rounding moved them by {:.3g} % of what the adapter did", report.maps,
             share);
  constexpr double kMuch = 30;
  if (share > kMuch)
    log().warn(
        "rounding undoes much of what the adapter does: f16 keeps more, f32 nearly all (--type), "
        "and "
        "an adapter beside its base all of it (--to gguf-lora)");
}

void write_peft(const ExportArguments& a, const ExportSubject& exported) {
  if (!a.type.empty()) throw Error(ErrorKind::kUsage, "[export] a PEFT folder is float32 (--type)");
  if (exported.adapter().options().prompts.keys > 0)
    throw Error(ErrorKind::kUnsupported,
                "[export] PEFT has no form for a pool of soft prompts that are found by keys",
                "Only ilora answers with it: `ilora generate --run`.");
  ModelCard card = exported.card();
  card.base = a.base.empty() ? exported.base_name() : a.base;
  const fs::path out = a.out;
  card.name = (out.has_filename() ? out : out.parent_path()).filename().string();
  NewFolder folder(a.out);
  save_peft(folder.path(), exported.adapter(), card.base);
  write_file_atomic(folder.path() / "README.md", model_card(card));
  folder.finish();
  log().info("{}: {}, as a PEFT folder", a.out, exported.what());
  if (a.base.empty())
    log().info("its base is called {}; --base NAME gives it a name that holds elsewhere",
               card.base);
}

void write_gguf_lora(const ExportArguments& a, const ExportSubject& exported) {
  const auto type = type_of(a.type.empty() ? "f32" : a.type, {"f32", "f16"});
  save_gguf_lora(a.out, exported.adapter(), exported.base(), *type);
  log().info("{}: {}, as LoRA in GGUF, {}", a.out, exported.what(), megabytes(a.out));
}

void write_gguf(const ExportArguments& a, const ExportSubject& exported) {
  const auto type =
      type_of(a.type.empty() ? "f16" : a.type, {"f32", "f16", "bf16", "q8_0", "q6_k", "q5_k",
                                                "q5_1", "q5_0", "q4_k", "q4_1", "q4_0", "base"});
  std::error_code ignored;
  if (fs::equivalent(a.out, exported.base().path(), ignored))
    throw Error(ErrorKind::kUsage,
                fmt::format("[export] {} is the base model itself (--out)", a.out));
  const MergeReport report = write_merged_gguf(a.out, exported.base(), exported.adapter(), type);
  tell_of_rounding(report);
  log().info("{}: {} merged with {}, {}", a.out, exported.base_name(), exported.what(),
             megabytes(a.out));
}

void write_hf(const ExportArguments& a, const ExportSubject& exported) {
  const auto type = type_of(a.type.empty() ? "base" : a.type, {"f32", "f16", "bf16", "base"});
  NewFolder folder(a.out);
  const MergeReport report =
      write_merged_folder(folder.path(), exported.base(), exported.adapter(), type);
  folder.finish();
  tell_of_rounding(report);
  log().info("{}: {} merged with {}, as a Hugging Face folder", a.out, exported.base_name(),
             exported.what());
}

// Ollama's own file. A run that learned prompts as they stand has to hear them so.
std::string modelfile(const std::string& base, const ExportSubject& exported) {
  std::string text = fmt::format("# ilora {}: {}\nFROM ./{}\nADAPTER ./adapter.gguf\n",
                                 ILORA_VERSION, exported.what(), base);
  if (exported.of_run() && !exported.chat()) text += "TEMPLATE \"\"\"{{ .Prompt }}\"\"\"\n";
  return text + "PARAMETER temperature 0\n";
}

void write_ollama(const ExportArguments& a, const ExportSubject& exported) {
  const auto type = type_of(a.type.empty() ? "f32" : a.type, {"f32", "f16"});
  const fs::path base = exported.base().path();
  if (exported.base().gguf() == nullptr)
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[export] Ollama's files are made of a GGUF base, got the folder {}",
                            base.string()),
                "Name the same model as a GGUF file (--model).");
  NewFolder folder(a.out);
  save_gguf_lora(folder.path() / "adapter.gguf", exported.adapter(), exported.base(), *type);
  const std::string name = base.extension() == ".gguf" ? base.filename().string() : "base.gguf";
  fs::copy_file(base, folder.path() / name);
  write_file_atomic(folder.path() / "Modelfile", modelfile(name, exported));
  folder.finish();
  log().info("{}: {}, for Ollama: cd {} && ollama create NAME", a.out, exported.what(), a.out);
}

struct ExportForm {
  const char* name;
  const char* summary;
  bool folder;  // or one file
  void (*write)(const ExportArguments& a, const ExportSubject& exported);
};
constexpr ExportForm kForms[] = {
    {"peft", "the adapter as a PEFT folder, with a model card", true, write_peft},
    {"gguf-lora", "the adapter as LoRA in GGUF, for llama.cpp; f32 or f16", false, write_gguf_lora},
    {"gguf", "the merged model, of a GGUF base; f16, or another --type", false, write_gguf},
    {"hf", "the merged model, of a Hugging Face folder", true, write_hf},
    {"ollama", "a folder with a Modelfile, the GGUF base and the adapter", true, write_ollama}};

void run_export(const ExportArguments& a) {
  const auto* form = std::ranges::find(kForms, a.to, [](const ExportForm& f) { return f.name; });
  if (!a.base.empty() && a.to != "peft")
    throw Error(ErrorKind::kUsage, "[export] only a PEFT folder names its base (--base)");
  if (form->folder) {
    require_new_folder(a.out, "--out");
  } else {
    require_new_file(a.out, "--out");
    require_same_kind(a.out, "--out", "GGUF");
  }
  const ExportSubject exported(a.from);
  form->write(a, exported);
}

void add_source(CLI::App& command, ExportArguments& a) {
  command
      .add_option("source", a.from.source,
                  "a run folder; or a PEFT folder or a LoRA file in GGUF, with --model")
      ->required();
  command.add_option("--out", a.out, "the file or folder to write; a folder must be new")
      ->required();
  command.add_option("--model", a.from.model,
                     "the base, a GGUF file or a Hugging Face folder (of a run: its own)");
  command.add_option("--learner", a.from.learner, "of a run: fast, slow, ...");
  command.add_option("--task", a.from.task,
                     "of a run: as it was after this task, by name or number (default: the last)");
  command.add_option("--between", a.from.between,
                     "A,B,T of a run: the point T of the way from A to B, each LEARNER, "
                     "TASK:LEARNER or an adapter's path");
  command.add_option(
      "--type", a.type,
      "of the numbers: f32, f16, bf16, q8_0, q6_k, q5_k, q5_1, q5_0, q4_k, q4_1, q4_0; "
      "base: the base's own");
}

}  // namespace

void add_export(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("export", "an adapter, or the merged model, for other programs");
  auto a = std::make_shared<ExportArguments>();
  add_source(*command, *a);
  std::vector<std::string> names;
  std::string forms = "Forms:\n";
  for (const ExportForm& form : kForms) {
    names.emplace_back(form.name);
    forms += fmt::format("  {:<10} {}\n", form.name, form.summary);
  }
  command->add_option("--to", a->to, "the form; see below")
      ->required()
      ->check(CLI::IsMember(names));
  command->add_option("--base", a->base,
                      "peft: what the adapter's files call the base, such as its name on the hub");
  command->footer(forms);
  command->callback([a] { run_export(*a); });

  CLI::App* merge =
      app.add_subcommand("merge", "export the merged model: --to gguf, or hf of a folder");
  auto m = std::make_shared<ExportArguments>();
  add_source(*merge, *m);
  merge->callback([m] {
    const ExportSubject exported(m->from);
    const bool gguf = exported.base().gguf() != nullptr;
    if (gguf) {
      require_new_file(m->out, "--out");
      require_same_kind(m->out, "--out", "GGUF");
      write_gguf(*m, exported);
    } else {
      require_new_folder(m->out, "--out");
      write_hf(*m, exported);
    }
  });
}

}  // namespace ilora
