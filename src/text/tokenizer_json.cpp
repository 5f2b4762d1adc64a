// Reads tokenizer.json, the format of Hugging Face's `tokenizers` library.
#include <map>

#include "text/json_view.h"
#include "text/pieces.h"
#include "text/tokenizer_spec.h"

namespace ilora {
namespace {

// Reads one component of the normalizer.
void read_normalizer(const JsonView& view, TokenizerSpec& spec) {
  static const std::map<std::string, NormalForm> kForms = {{"NFC", NormalForm::kNfc},
                                                           {"NFD", NormalForm::kNfd},
                                                           {"NFKC", NormalForm::kNfkc},
                                                           {"NFKD", NormalForm::kNfkd}};
  using Kind = NormalizerStep::Kind;
  const std::string type = view.text("type");
  if (type == "Sequence") {
    const JsonView list = view.at("normalizers");
    for (size_t i = 0; i < list.size(); ++i) read_normalizer(list.at(i), spec);
  } else if (const auto form = kForms.find(type); form != kForms.end()) {
    spec.normalizers.push_back({Kind::kForm, form->second, {}, {}});
  } else if (type == "Prepend") {
    spec.normalizers.push_back({Kind::kPrepend, {}, view.text("prepend"), {}});
  } else if (type == "Replace" && view.at("pattern").has("String")) {
    const std::string what = view.at("pattern").text("String");
    if (what.empty()) view.at("pattern").wrong("a text to replace");
    spec.normalizers.push_back({Kind::kReplace, {}, what, view.text("content")});
  } else {
    view.unsupported(fmt::format("the normalizer {}", type));
  }
}

PreTokenizerStep read_split(const JsonView& view) {
  static const std::map<std::string, SplitBehaviour> kBehaviours = {
      {"Isolated", SplitBehaviour::kIsolated},
      {"Removed", SplitBehaviour::kRemoved},
      {"MergedWithPrevious", SplitBehaviour::kMergedWithPrevious},
      {"MergedWithNext", SplitBehaviour::kMergedWithNext},
      {"Contiguous", SplitBehaviour::kContiguous}};
  const JsonView pattern = view.at("pattern");
  PreTokenizerStep step;
  step.pattern =
      pattern.has("String") ? escape_regex(pattern.text("String")) : pattern.text("Regex");
  const auto behaviour = kBehaviours.find(view.text("behavior"));
  if (behaviour == kBehaviours.end()) view.at("behavior").wrong("a behaviour such as Isolated");
  step.behaviour = behaviour->second;
  step.invert = view.boolean("invert", false);
  return step;
}

// A space becomes the mark, which is also put before the text: as the model was trained, before
// every piece ("always"), or only where the whole text begins ("first").
void read_metaspace(const JsonView& view, TokenizerSpec& spec) {
  const std::string mark = view.text("replacement");
  const std::string scheme = view.has("prepend_scheme")               ? view.text("prepend_scheme")
                             : view.boolean("add_prefix_space", true) ? "always"
                                                                      : "never";
  PreTokenizerStep replace;
  replace.kind = PreTokenizerStep::Kind::kReplace;
  replace.text = " ";
  replace.by = mark;
  spec.steps.push_back(replace);
  if (scheme == "first" || scheme == "always") {
    spec.steps.push_back(prefix_step(mark));
    spec.steps.back().at_start = scheme == "first";
  } else if (scheme != "never") {
    view.at("prepend_scheme").wrong("first, always or never");
  }
  if (view.boolean("split", true)) {
    spec.steps.push_back(split_step(escape_regex(mark), SplitBehaviour::kMergedWithNext));
  }
}

// Appends the component's steps; `byte_level` says whether ByteLevel, which must come last, has
// been seen.
void read_pre_tokenizer(const JsonView& view, TokenizerSpec& spec, bool& byte_level) {
  const std::string type = view.text("type");
  if (type == "Sequence") {
    const JsonView list = view.at("pretokenizers");
    for (size_t i = 0; i < list.size(); ++i) read_pre_tokenizer(list.at(i), spec, byte_level);
    return;
  }
  if (byte_level) view.unsupported(fmt::format("the pre-tokenizer {} after ByteLevel", type));
  if (type == "Digits") {
    spec.steps.push_back(digits_step(view.boolean("individual_digits", false)));
  } else if (type == "Split") {
    spec.steps.push_back(read_split(view));
  } else if (type == "ByteLevel") {
    if (view.boolean("add_prefix_space", true)) spec.steps.push_back(prefix_step(" "));
    if (view.boolean("use_regex", true)) spec.steps.push_back(gpt2_words_step());
    byte_level = true;
  } else if (type == "Metaspace") {
    read_metaspace(view, spec);
  } else {
    view.unsupported(fmt::format("the pre-tokenizer {}", type));
  }
}

bool is_byte_level(const JsonView& decoder) {
  if (decoder.text("type") == "ByteLevel") return true;
  if (decoder.text("type") != "Sequence") return false;
  const JsonView list = decoder.at("decoders");
  return list.size() == 1 && is_byte_level(list.at(size_t{0}));
}

// The decoder of Llama 2 and Mistral: the mark becomes a space, bytes become characters, and the
// text's first space goes. Each part must be as there, because the Tokenizer does just that.
void read_piece_decoder(const JsonView& decoder, TokenizerSpec& spec) {
  if (decoder.text("type") != "Sequence") {
    decoder.unsupported(fmt::format("the decoder {}", decoder.text("type")));
  }
  const JsonView list = decoder.at("decoders");
  bool bytes = false, replaces = false;
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonView part = list.at(i);
    const std::string type = part.text("type");
    if (type == "ByteFallback") {
      bytes = true;
    } else if (type == "Replace" && part.text("content") == " " &&
               part.at("pattern").has("String") &&
               part.at("pattern").text("String") == kPieceSpace) {
      replaces = true;
    } else if (type == "Strip" && part.text("content") == " " && part.at("start").id() == 1 &&
               part.at("stop").id() == 0) {
      spec.strips_space = true;
    } else if (type != "Fuse") {
      part.unsupported(fmt::format("the decoder {}", part.tree().dump()));
    }
  }
  if (!bytes || !replaces) decoder.unsupported("a decoder without ByteFallback and Replace");
}

void read_merges(const JsonView& merges, TokenizerSpec& spec) {
  spec.merges.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto rank = static_cast<int32_t>(i);
    const JsonTree& merge = merges.tree()[i];
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      spec.merges.push_back({merge[0].get<std::string>(), merge[1].get<std::string>(), rank});
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : std::string();
    const size_t space = text.find(' ');
    if (space == std::string::npos || space == 0 || space + 1 == text.size()) {
      merges.at(i).wrong("two symbols: \"a b\" or [\"a\", \"b\"]");
    }
    spec.merges.push_back({text.substr(0, space), text.substr(space + 1), rank});
  }
}

void read_added(const JsonView& list, TokenizerSpec& spec) {
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonView view = list.at(i);
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
void place_tokens(const JsonView& vocabulary, TokenizerSpec& spec) {
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
    place(JsonView(id, vocabulary.where(), text).id(), text, true);
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

void read_model(const JsonView& model, const JsonView& root, TokenizerSpec& spec) {
  if (model.has("type") && model.text("type") != "BPE") {
    model.unsupported(fmt::format("the model {}", model.text("type")));
  }
  const bool pieces = spec.alphabet == Alphabet::kPieces;
  if (model.boolean("byte_fallback", false) != pieces) {
    model.unsupported(pieces ? "a decoder of pieces without byte_fallback" : "byte_fallback");
  }
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
    const JsonTree& vocabulary = model.tree()["vocab"];
    if (!vocabulary.contains(text)) model.at("unk_token").wrong("a token of the vocabulary");
    spec.unknown = vocabulary[text].get<int32_t>();
  }
}

// The special token that the post-processor puts before a single text, empty where it puts none.
std::string starts_of(const JsonView& processor) {
  const std::string type = processor.text("type");
  if (type == "Sequence") {
    const JsonView list = processor.at("processors");
    for (size_t i = 0; i < list.size(); ++i) {
      if (std::string text = starts_of(list.at(i)); !text.empty()) return text;
    }
  }
  if (type != "TemplateProcessing") return {};
  const JsonView single = processor.at("single");
  if (single.size() == 0 || !single.at(size_t{0}).has("SpecialToken")) return {};
  return single.at(size_t{0}).at("SpecialToken").text("id");
}

}  // namespace

TokenizerSpec tokenizer_spec_of_json(const std::filesystem::path& path, std::string& starts_with) {
  const JsonTree tree = read_json_tree(path);
  const JsonView root(tree, path.string());
  TokenizerSpec spec;
  spec.where = path.string();
  if (root.has("normalizer")) read_normalizer(root.at("normalizer"), spec);
  bool byte_level = false;
  if (root.has("pre_tokenizer")) read_pre_tokenizer(root.at("pre_tokenizer"), spec, byte_level);
  const JsonView decoder = root.at("decoder");
  if (is_byte_level(decoder)) {
    if (!byte_level) root.unsupported("no pre-tokenizer ByteLevel");
  } else {
    if (byte_level) decoder.unsupported(fmt::format("the decoder {}", decoder.text("type")));
    spec.alphabet = Alphabet::kPieces;
    read_piece_decoder(decoder, spec);
  }
  read_model(root.at("model"), root, spec);
  starts_with = root.has("post_processor") ? starts_of(root.at("post_processor")) : "";
  return spec;
}

}  // namespace ilora
