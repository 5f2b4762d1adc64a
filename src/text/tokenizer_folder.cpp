// Reads a tokenizer from a Hugging Face folder: tokenizer.json, or tokenizer.model where there is
// no such file, and where present what stands beside it: tokenizer_config.json,
// special_tokens_map.json, chat_template.jinja; of further tokens tokenizer_folder_tokens.cpp.
#include <algorithm>

#include "base/file.h"
#include "text/json_view.h"
#include "text/tokenizer_spec.h"

namespace ilora {
namespace {

// Sets `id` to the special token that the configuration names ("bos_token"), where it names one.
void name_token(const std::vector<JsonView>& configs, const char* key, TokenizerSpec& spec,
                int32_t& id) {
  for (const JsonView& config : configs) {
    if (!config.has(key)) continue;
    const JsonView value = config.at(key);
    const std::string text = value.tree().is_object() ? value.text("content") : value.text();
    const auto found = std::ranges::find(spec.tokens, text);
    if (found == spec.tokens.end()) value.wrong("a token of " + spec.where);
    id = static_cast<int32_t>(found - spec.tokens.begin());
    // transformers makes such a token special even where tokenizer.json does not list it.
    bool listed = false;
    for (AddedToken& token : spec.added) {
      if (token.id == id) listed = token.special = true;
    }
    if (!listed) spec.added.push_back({id, text, true, false, false, false, false});
    return;
  }
}

// The chat template: a string, or a list of named ones, of which "default" counts.
std::string read_chat_template(const JsonView& value) {
  if (value.tree().is_string()) return value.text();
  for (size_t i = 0; i < value.size(); ++i) {
    if (value.at(i).text("name") == "default") return value.at(i).text("template");
  }
  return {};
}

// What tokenizer_config.json and the files beside it say. `starts_with`: tokenizer_spec.h.
void read_config(const std::filesystem::path& folder, const std::string& starts_with,
                 TokenizerSpec& spec) {
  std::vector<JsonTree> trees;
  std::vector<JsonView> configs;
  trees.reserve(2);
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    if (!std::filesystem::exists(folder / name)) continue;
    trees.push_back(read_json_tree(folder / name));
    configs.emplace_back(trees.back(), (folder / name).string());
  }
  name_token(configs, "bos_token", spec, spec.bos);
  name_token(configs, "eos_token", spec, spec.eos);
  if (spec.bos >= 0 && spec.tokens[static_cast<size_t>(spec.bos)] == starts_with) {
    spec.adds_bos = true;
  }
  for (const JsonView& config : configs) {
    spec.adds_bos = config.boolean("add_bos_token", spec.adds_bos);
    if (config.has("chat_template"))
      spec.chat_template = read_chat_template(config.at("chat_template"));
  }
  // Recent versions of transformers store the template beside the configuration.
  const std::filesystem::path jinja = folder / "chat_template.jinja";
  if (std::filesystem::exists(jinja)) spec.chat_template = read_file(jinja);
}

}  // namespace

TokenizerSpec tokenizer_spec_of_folder(const std::filesystem::path& folder) {
  const std::filesystem::path json = folder / "tokenizer.json", model = folder / "tokenizer.model";
  TokenizerSpec spec;
  std::string starts_with;
  if (std::filesystem::exists(json)) {
    spec = tokenizer_spec_of_json(json, starts_with);
  } else if (std::filesystem::exists(model)) {
    spec = tokenizer_spec_of_sentencepiece(model);
  } else if (std::filesystem::exists(folder / "tekken.json")) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[tokenizer] {} is not read, and there is no tokenizer.json",
                            (folder / "tekken.json").string()),
                "Use a folder of the model with tokenizer.json, or a GGUF file of it.");
  } else {
    throw Error(
        ErrorKind::kFile, fmt::format("[tokenizer] expected a file, got none ({})", json.string()),
        "Name a folder that holds tokenizer.json, as transformers' save_pretrained writes it.");
  }
  read_added_tokens(folder, spec);
  read_config(folder, starts_with, spec);
  read_end_tokens(folder, spec);
  return spec;
}

}  // namespace ilora
