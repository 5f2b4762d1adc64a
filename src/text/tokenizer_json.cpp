// Reads a tokenizer from a Hugging Face folder: tokenizer.json (the format of their `tokenizers`
// library), and where present tokenizer_config.json and special_tokens_map.json.
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer_spec.h"

namespace ilora {
namespace {

// Not base's Json: with its ordered objects a vocabulary of n entries takes n^2 comparisons to
// read.
using Tree = nlohmann::json;
using Path = std::filesystem::path;

Tree read_tree(const Path& path) {
  try {
    return Tree::parse(read_file(path));
  } catch (const Tree::parse_error& error) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[tokenizer] expected JSON, got {} ({})", error.what(), path.string()));
  }
}

// A part of a file, with its place for errors ("tokenizer.json: model.merges").
class View {
 public:
  View(const Tree& tree, std::string file, std::string key = {})
      : tree_(&tree), file_(std::move(file)), key_(std::move(key)) {}

  const Tree& tree() const { return *tree_; }
  std::string where() const { return key_.empty() ? file_ : file_ + ": " + key_; }
  bool has(const char* key) const {  // present and not null
    return tree_->is_object() && tree_->contains(key) && !(*tree_)[key].is_null();
  }
  View at(const char* key) const {
    if (!has(key))
      throw Error(ErrorKind::kFormat,
                  fmt::format("[tokenizer] expected the key {}, got none ({})", key, where()));
    return {(*tree_)[key], file_, key_.empty() ? key : fmt::format("{}.{}", key_, key)};
  }
  View at(size_t index) const {
    return {(*tree_)[index], file_, fmt::format("{}[{}]", key_, index)};
  }
  size_t size() const {  // of an array
    if (!tree_->is_array()) wrong("an array");
    return tree_->size();
  }
  std::string text() const {
    if (!tree_->is_string()) wrong("a string");
    return tree_->get<std::string>();
  }
  std::string text(const char* key) const { return at(key).text(); }
  bool boolean(const char* key, bool fallback) const {
    if (!has(key)) return fallback;
    const View value = at(key);
    if (!value.tree().is_boolean()) value.wrong("true or false");
    return value.tree().get<bool>();
  }
  int32_t id() const {
    if (!tree_->is_number_integer() || *tree_ < 0 || *tree_ > INT32_MAX) wrong("a token id");
    return tree_->get<int32_t>();
  }
  [[noreturn]] void wrong(const std::string& expected) const {
    std::string got = tree_->dump();
    if (got.size() > 60) got = got.substr(0, 57) + "...";
    throw Error(ErrorKind::kFormat, fmt::format("[tokenizer] expected {}, got {} ({})", expected,
                                                replace_invalid_utf8(got), where()));
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("[tokenizer] expected a byte-level BPE tokenizer, got {} ({})", what, where()));
  }

 private:
  const Tree* tree_;
  std::string file_, key_;
};

void read_normalizer(const View& view, TokenizerSpec& spec) {
  const std::string type = view.text("type");
  static const std::map<std::string, NormalForm> kForms = {{"NFC", NormalForm::kNfc},
                                                           {"NFD", NormalForm::kNfd},
                                                           {"NFKC", NormalForm::kNfkc},
                                                           {"NFKD", NormalForm::kNfkd}};
  if (type == "Sequence") {
    const View list = view.at("normalizers");
    for (size_t i = 0; i < list.size(); ++i) read_normalizer(list.at(i), spec);
  } else if (const auto form = kForms.find(type); form != kForms.end()) {
    spec.normalizers.push_back(form->second);
  } else {
    view.unsupported(fmt::format("the normalizer {}", type));
  }
}

PreTokenizerStep read_split(const View& view) {
  static const std::map<std::string, SplitBehaviour> kBehaviours = {
      {"Isolated", SplitBehaviour::kIsolated},
      {"Removed", SplitBehaviour::kRemoved},
      {"MergedWithPrevious", SplitBehaviour::kMergedWithPrevious},
      {"MergedWithNext", SplitBehaviour::kMergedWithNext},
      {"Contiguous", SplitBehaviour::kContiguous}};
  const View pattern = view.at("pattern");
  PreTokenizerStep step;
  step.pattern =
      pattern.has("String") ? escape_regex(pattern.text("String")) : pattern.text("Regex");
  const auto behaviour = kBehaviours.find(view.text("behavior"));
  if (behaviour == kBehaviours.end()) view.at("behavior").wrong("a behaviour such as Isolated");
  step.behaviour = behaviour->second;
  step.invert = view.boolean("invert", false);
  return step;
}

// Appends the component's steps; `byte_level` says whether ByteLevel, which must come last, has
// been seen.
void read_pre_tokenizer(const View& view, TokenizerSpec& spec, bool& byte_level) {
  const std::string type = view.text("type");
  if (type == "Sequence") {
    const View list = view.at("pretokenizers");
    for (size_t i = 0; i < list.size(); ++i) read_pre_tokenizer(list.at(i), spec, byte_level);
    return;
  }
  if (byte_level) view.unsupported(fmt::format("the pre-tokenizer {} after ByteLevel", type));
  if (type == "Digits") {
    spec.steps.push_back(digits_step(view.boolean("individual_digits", false)));
  } else if (type == "Split") {
    spec.steps.push_back(read_split(view));
  } else if (type == "ByteLevel") {
    if (view.boolean("add_prefix_space", true)) spec.steps.push_back(prefix_space_step());
    if (view.boolean("use_regex", true)) spec.steps.push_back(gpt2_words_step());
    byte_level = true;
  } else {
    view.unsupported(fmt::format("the pre-tokenizer {}", type));
  }
}

bool has_byte_level_decoder(const View& decoder) {
  if (decoder.text("type") == "ByteLevel") return true;
  if (decoder.text("type") != "Sequence") return false;
  const View list = decoder.at("decoders");
  return list.size() == 1 && has_byte_level_decoder(list.at(size_t{0}));
}

void read_merges(const View& merges, TokenizerSpec& spec) {
  spec.merges.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const Tree& merge = merges.tree()[rank];
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      spec.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : std::string();
    const size_t space = text.find(' ');
    if (space == std::string::npos || space == 0 || space + 1 == text.size()) {
      merges.at(rank).wrong("two symbols: \"a b\" or [\"a\", \"b\"]");
    }
    spec.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
}

void read_added(const View& list, TokenizerSpec& spec) {
  for (size_t i = 0; i < list.size(); ++i) {
    const View view = list.at(i);
    AddedToken token;
    token.id = view.at("id").id();
    token.text = view.text("content");
    if (token.text.empty()) view.at("content").wrong("a text");
    token.special = view.boolean("special", false);
    token.lstrip = view.boolean("lstrip", false);
    token.rstrip = view.boolean("rstrip", false);
    token.single_word = view.boolean("single_word", false);
    token.normalized = view.boolean("normalized", !token.special);
    spec.added.push_back(std::move(token));
  }
}

// Brings the vocabulary and the added tokens into one list by id and checks that it has no gaps.
void place_tokens(const View& vocabulary, TokenizerSpec& spec) {
  if (!vocabulary.tree().is_object()) vocabulary.wrong("an object from token to id");
  std::map<int32_t, std::pair<std::string, bool>> by_id;
  auto place = [&](int32_t id, const std::string& text, bool in_model) {
    const auto [entry, is_new] = by_id.try_emplace(id, text, in_model);
    if (!is_new && entry->second.first != text) {
      throw Error(
          ErrorKind::kFormat,
          fmt::format("[tokenizer] expected one token for each id, got '{}' and '{}' for {} ({})",
                      entry->second.first, text, id, vocabulary.where()));
    }
  };
  for (const auto& [text, id] : vocabulary.tree().items()) {
    place(View(id, vocabulary.where(), text).id(), text, true);
  }
  for (const AddedToken& token : spec.added) place(token.id, token.text, false);
  int32_t expected = 0;
  for (auto& [id, token] : by_id) {
    if (id != expected) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("[tokenizer] expected a token with id {}, got a gap up to {} ({})",
                              expected, id, vocabulary.where()));
    }
    spec.tokens.push_back(token.first);
    spec.in_model.push_back(token.second ? 1 : 0);
    ++expected;
  }
}

void read_model(const View& model, TokenizerSpec& spec, const View& root) {
  if (model.has("type") && model.text("type") != "BPE") {
    model.unsupported(fmt::format("the model {}", model.text("type")));
  }
  if (model.boolean("byte_fallback", false)) model.unsupported("byte_fallback");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (model.has(key) && !model.text(key).empty()) model.at(key).unsupported(key);
  }
  if (root.has("added_tokens")) read_added(root.at("added_tokens"), spec);
  place_tokens(model.at("vocab"), spec);
  read_merges(model.at("merges"), spec);
  spec.ignore_merges = model.boolean("ignore_merges", false);
  spec.fuse_unknown = model.boolean("fuse_unk", false);
  if (model.has("unk_token")) {
    const std::string text = model.text("unk_token");
    const Tree& vocabulary = model.tree()["vocab"];
    if (!vocabulary.contains(text)) model.at("unk_token").wrong("a token of the vocabulary");
    spec.unknown = vocabulary[text].get<int32_t>();
  }
}

// The id of a special token that the configuration names ("bos_token"), -1 where it names none.
int32_t named_token(const std::vector<View>& configs, const char* key, TokenizerSpec& spec) {
  for (const View& config : configs) {
    if (!config.has(key)) continue;
    const View value = config.at(key);
    const std::string text = value.tree().is_object() ? value.text("content") : value.text();
    for (size_t id = 0; id < spec.tokens.size(); ++id) {
      if (spec.tokens[id] != text) continue;
      // transformers makes such a token special even where tokenizer.json does not list it.
      bool listed = false;
      for (AddedToken& token : spec.added) {
        if (token.id != static_cast<int32_t>(id)) continue;
        listed = token.special = true;
      }
      if (!listed)
        spec.added.push_back({static_cast<int32_t>(id), text, true, false, false, false, false});
      return static_cast<int32_t>(id);
    }
    value.wrong("a token of tokenizer.json");
  }
  return -1;
}

// Whether the post-processor puts `bos` before a single text.
bool template_adds(const View& processor, const std::string& bos) {
  const std::string type = processor.text("type");
  if (type == "Sequence") {
    const View list = processor.at("processors");
    for (size_t i = 0; i < list.size(); ++i) {
      if (template_adds(list.at(i), bos)) return true;
    }
  }
  if (type != "TemplateProcessing") return false;
  const View single = processor.at("single");
  if (single.size() == 0 || !single.at(size_t{0}).has("SpecialToken")) return false;
  return single.at(size_t{0}).at("SpecialToken").text("id") == bos;
}

// The chat template: a string, or a list of named ones, of which "default" counts.
std::string read_chat_template(const View& value) {
  if (value.tree().is_string()) return value.text();
  for (size_t i = 0; i < value.size(); ++i) {
    if (value.at(i).text("name") == "default") return value.at(i).text("template");
  }
  return {};
}

void read_config(const Path& folder, const View& root, TokenizerSpec& spec) {
  std::vector<Tree> trees;
  std::vector<View> configs;
  trees.reserve(2);
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    if (!std::filesystem::exists(folder / name)) continue;
    trees.push_back(read_tree(folder / name));
    configs.emplace_back(trees.back(), (folder / name).string());
  }
  spec.bos = named_token(configs, "bos_token", spec);
  spec.eos = named_token(configs, "eos_token", spec);
  if (spec.bos >= 0 && root.has("post_processor")) {
    spec.adds_bos =
        template_adds(root.at("post_processor"), spec.tokens[static_cast<size_t>(spec.bos)]);
  }
  for (const View& config : configs) {
    spec.adds_bos = config.boolean("add_bos_token", spec.adds_bos);
    if (config.has("chat_template"))
      spec.chat_template = read_chat_template(config.at("chat_template"));
  }
  // Recent versions of transformers store the template beside the configuration.
  const Path jinja = folder / "chat_template.jinja";
  if (std::filesystem::exists(jinja)) spec.chat_template = read_file(jinja);
}

}  // namespace

TokenizerSpec tokenizer_spec_of_folder(const Path& folder) {
  const Path path = folder / "tokenizer.json";
  if (!std::filesystem::exists(path)) {
    throw Error(
        ErrorKind::kFile, fmt::format("[tokenizer] expected a file, got none ({})", path.string()),
        "Name a folder that holds tokenizer.json, as transformers' save_pretrained writes it.");
  }
  const Tree tree = read_tree(path);
  const View root(tree, path.string());
  TokenizerSpec spec;
  spec.where = path.string();
  if (root.has("normalizer")) read_normalizer(root.at("normalizer"), spec);
  bool byte_level = false;
  if (root.has("pre_tokenizer")) read_pre_tokenizer(root.at("pre_tokenizer"), spec, byte_level);
  if (!byte_level) root.unsupported("no pre-tokenizer ByteLevel");
  if (!has_byte_level_decoder(root.at("decoder"))) {
    root.at("decoder").unsupported(fmt::format("the decoder {}", root.at("decoder").text("type")));
  }
  read_model(root.at("model"), spec, root);
  read_config(folder, root, spec);
  return spec;
}

}  // namespace ilora
