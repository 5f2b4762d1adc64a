#include "cli/data_show.h"

#include <filesystem>
#include <iostream>

#include "base/error.h"
#include "base/json.h"
#include "data/encoder.h"
#include "train/workbench.h"

namespace ilora {
namespace {

struct ShowArguments {
  std::string folder, model, split = "train";
  EncodeOptions encoding{.max_length = 0};
  int64_t row = 0;
  bool json = false;
};

// Tokens of a row that are learned, or are not, one behind another.
struct Stretch {
  bool learned = false;
  std::vector<int32_t> tokens;
};

std::vector<bool> labels_of(const Row& row) {
  std::vector<bool> labelled(row.tokens.size());
  row.each_label(Labels::kAnswer, [&](int64_t i) { labelled[static_cast<size_t>(i + 1)] = true; });
  return labelled;
}

std::vector<Stretch> stretches_of(const Row& row) {
  const std::vector<bool> labelled = labels_of(row);
  std::vector<Stretch> stretches;
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    if (stretches.empty() || stretches.back().learned != labelled[i])
      stretches.push_back({labelled[i], {}});
    stretches.back().tokens.push_back(row.tokens[i]);
  }
  return stretches;
}

Json json_of(const Row& row, const Tokenizer& tokenizer) {
  Json labels = Json::array(), parts = Json::array();
  const std::vector<bool> labelled = labels_of(row);
  for (const bool label : labelled) labels.push_back(label ? 1 : 0);
  for (const Stretch& stretch : stretches_of(row))
    parts.push_back(
        {{"learned", stretch.learned}, {"text", tokenizer.decode(stretch.tokens, false)}});
  return {{"tokens", row.tokens}, {"learned", labels}, {"parts", parts}};
}

void show(const ShowArguments& a) {
  const TaskText task = read_task(a.folder);
  const Split split = parse_split(a.split);
  const std::vector<Example>& rows = task.split(split);
  if (a.row >= std::ssize(rows)) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[data] {} has no row {} in its {} split", task.name, a.row, a.split),
                fmt::format("Its rows are 0 to {}.", std::ssize(rows) - 1));
  }
  const ModelFiles files{std::filesystem::path(a.model)};
  const int64_t context = files.config().context;
  const Tokenizer tokenizer = load_tokenizer(files);
  EncodeOptions encoding = a.encoding;
  if (encoding.max_length == 0) encoding.max_length = context;
  const Encoder encoder(tokenizer, encoding, context);
  const auto place = static_cast<size_t>(a.row);
  const std::string where = task.where(split, place);
  int64_t left_out = 0;
  const Row row = encoder.encode(rows[place], 0, 0, where, &left_out);
  const std::vector<int32_t> asked = encoder.prompt(rows[place], where);
  if (a.json) {
    Json json = json_of(row, tokenizer);
    json["left_out"] = left_out;
    json["asked"] = {{"tokens", asked}, {"text", tokenizer.decode(asked, false)}};
    std::cout << json_text(json, -1) << "\n";
    return;
  }
  std::cout << fmt::format("{}: {} tokens, {} of them learned{}\n", where, row.tokens.size(),
                           row.label_count(),
                           left_out > 0 ? fmt::format("; {} are cut off", left_out) : "");
  for (const Stretch& stretch : stretches_of(row))
    std::cout << fmt::format("{:<8} {}\n", stretch.learned ? "learned" : "read",
                             json_text(tokenizer.decode(stretch.tokens, false), -1));
}

}  // namespace

void add_data_show(CLI::App& data) {
  CLI::App* command =
      data.add_subcommand("show", "print a row as a model reads it, and what of it is learned");
  auto a = std::make_shared<ShowArguments>();
  EncodeOptions& e = a->encoding;
  command->add_option("folder", a->folder, "a task folder")->required();
  command->add_option("--model", a->model, "a GGUF file or a Hugging Face folder")->required();
  command->add_option("--split", a->split, "train, eval or test")->capture_default_str();
  command->add_option("--row", a->row, "which row of the split, from 0")
      ->check(not_below_zero())
      ->capture_default_str();
  command->add_option("--template", e.text_template, "raw or chat, as data.template")
      ->check(CLI::IsMember({"raw", "chat"}))
      ->capture_default_str();
  command->add_option("--turns", e.turns, "all or last, as data.turns")
      ->check(CLI::IsMember({"all", "last"}))
      ->capture_default_str();
  command->add_option("--special-tokens", e.special_tokens, "text or parse, as data.special_tokens")
      ->check(CLI::IsMember({"text", "parse"}))
      ->capture_default_str();
  command->add_option("--max-length", e.max_length, "as data.max_length (default: the context)")
      ->check(above_zero());
  command->add_option("--max-answer", e.max_answer, "as data.max_answer")->check(above_zero());
  command->add_flag("--json", a->json, "print JSON: tokens, and for each whether it is learned");
  command->callback([a] { show(*a); });
}

}  // namespace ilora
