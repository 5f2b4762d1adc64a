// Tokens that a Hugging Face folder names beside its tokenizer: added ones, and those that end an
// answer. As transformers 5.24 reads them.
#include <algorithm>
#include <charconv>
#include <map>

#include "base/error.h"
#include "text/json_view.h"
#include "text/tokenizer_spec.h"

namespace ilora {
namespace {

// A token and its flags; what is not said of it is false, as in AddedToken.
AddedToken read_token(const JsonView& view, int32_t id) {
  AddedToken token;
  token.id = id;
  token.text = view.text("content");
  if (token.text.empty()) view.at("content").wrong("a text");
  token.special = view.boolean("special", false);
  token.lstrip = view.boolean("lstrip", false);
  token.rstrip = view.boolean("rstrip", false);
  token.single_word = view.boolean("single_word", false);
  token.normalized = view.boolean("normalized", !token.special);
  return token;
}

// Puts a token into the list by its id, where it may be already, or at the end.
void place(const AddedToken& token, const std::string& where, TokenizerSpec& spec) {
  const auto id = static_cast<size_t>(token.id);
  if (id > spec.tokens.size()) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[tokenizer] expected added tokens from id {} on, got {} for '{}' ({})",
                            spec.tokens.size(), token.id, token.text, where));
  }
  if (id == spec.tokens.size()) {
    spec.tokens.push_back(token.text);
    spec.in_model.push_back(0);
  } else if (spec.tokens[id] != token.text) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[tokenizer] expected one token for each id, got '{}' and '{}' for {} "
                            "({})",
                            spec.tokens[id], token.text, token.id, where));
  }
  const auto known =
      std::ranges::find_if(spec.added, [&](const AddedToken& a) { return a.id == token.id; });
  if (known == spec.added.end()) {
    spec.added.push_back(token);
  } else {
    *known = token;
  }
}

int32_t id_of(const std::string& text, const JsonView& view) {
  int32_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 0)
    view.wrong("token ids as keys");
  return id;
}

}  // namespace

void read_added_tokens(const std::filesystem::path& folder, TokenizerSpec& spec) {
  const std::filesystem::path config = folder / "tokenizer_config.json",
                              added = folder / "added_tokens.json";
  if (std::filesystem::exists(config)) {
    const JsonTree tree = read_json_tree(config);
    const JsonView view(tree, config.string());
    if (view.has("added_tokens_decoder")) {
      const JsonView list = view.at("added_tokens_decoder");
      if (!list.tree().is_object()) list.wrong("an object from id to token");
      std::map<int32_t, AddedToken> tokens;  // by id: the file has them in any order
      for (const auto& [key, value] : list.tree().items()) {
        const int32_t id = id_of(key, list);
        tokens[id] = read_token(list.at(key.c_str()), id);
      }
      for (const auto& [id, token] : tokens) place(token, list.where(), spec);
      return;
    }
  }
  if (!std::filesystem::exists(added)) return;
  const JsonTree tree = read_json_tree(added);
  if (!tree.is_object()) JsonView(tree, added.string()).wrong("an object from token to id");
  std::map<int32_t, std::string> tokens;
  for (const auto& [text, id] : tree.items())
    tokens[JsonView(id, added.string(), text).id()] = text;
  for (const auto& [id, text] : tokens) {
    const bool listed = std::ranges::find(spec.added, id, &AddedToken::id) != spec.added.end();
    if (listed && static_cast<size_t>(id) < spec.tokens.size() &&
        spec.tokens[static_cast<size_t>(id)] == text)
      continue;  // with flags of its own
    AddedToken token;
    token.id = id;
    token.text = text;
    token.normalized = true;
    place(token, added.string(), spec);
  }
}

void read_end_tokens(const std::filesystem::path& folder, TokenizerSpec& spec) {
  for (const char* name : {"generation_config.json", "config.json"}) {
    const std::filesystem::path path = folder / name;
    if (!std::filesystem::exists(path)) continue;
    const JsonTree tree = read_json_tree(path);
    const JsonView whole(tree, path.string());
    // Of a folder of several models it may stand with the text model.
    const bool inside = !whole.has("eos_token_id") && whole.has("text_config");
    const JsonView view = inside ? whole.at("text_config") : whole;
    if (!view.has("eos_token_id")) continue;
    const JsonView ends = view.at("eos_token_id");
    if (ends.tree().is_array()) {
      for (size_t i = 0; i < ends.size(); ++i) spec.ends.push_back(ends.at(i).id());
    } else {
      spec.ends.push_back(ends.id());
    }
    // No answer would ever end.
    const auto unknown = [&](int32_t id) { return static_cast<size_t>(id) >= spec.tokens.size(); };
    if (!spec.ends.empty() && std::ranges::all_of(spec.ends, unknown))
      throw Error(
          ErrorKind::kFormat,
          fmt::format("[tokenizer] expected an end token below {}, got {} ({}: eos_token_id)",
                      spec.tokens.size(), spec.ends.front(), path.string()),
          "The tokenizer and the configuration are of two models.");
    break;
  }
  if (spec.eos < 0 && !spec.ends.empty() &&
      static_cast<size_t>(spec.ends.front()) < spec.tokens.size())
    spec.eos = spec.ends.front();
}

}  // namespace ilora
