#include "model/config.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "model/families/common.h"

namespace ilora {
namespace {

// What holds of every configuration that a family has read.
void finish(ModelConfig& c, const ModelFamily& family, FileKind kind, const std::string& where) {
  require_sizes(c, where);
  ILORA_CHECK(static_cast<int64_t>(c.blocks.size()) == c.layers, "{} blocks for {} layers",
              c.blocks.size(), c.layers);
  for (const BlockConfig& block : c.blocks)
    ILORA_CHECK(block.rotary < static_cast<int>(c.rotary.size()), "rotary {}", block.rotary);
  c.names = family.names;
  c.maps = family.maps;
  const bool interleaved = kind == FileKind::kGguf && c.names.interleaved_in_gguf;
  for (int64_t l = 0; l < c.layers; ++l) {
    if (c.block(l).rotary < 0) continue;
    const RotarySpec& spec = c.rotary[static_cast<size_t>(c.block(l).rotary)];
    if (!(spec.base > 0) || !std::isfinite(spec.base)) {
      throw Error(ErrorKind::kFormat, fmt::format("[model] expected a positive rope base, got {} "
                                                  "({})",
                                                  spec.base, where));
    }
    const int64_t head_dim = c.head_dim_of(l);
    if (spec.dims == head_dim) continue;
    const bool fits = spec.dims > 0 && spec.dims < head_dim && spec.dims % 2 == 0;
    if (!family.partial_rotary || interleaved || !fits) {
      refuse(where, fmt::format("a rotary embedding over a part of each head ({} of {} columns)",
                                spec.dims, head_dim));
    }
  }
}

constexpr const char* kText = "text_config";

bool is_one_of_several(const Json& json) {
  return json.is_object() && json.contains(kText) && json[kText].is_object();
}

// The text model's keys in a folder of several models; else all. What belongs to the whole folder is
// among them.
Json text_model(const Json& whole, const std::string& where) {
  if (!is_one_of_several(whole)) return whole;
  Json text = whole[kText];
  if (whole.contains("quantization_config"))
    text["quantization_config"] = whole["quantization_config"];
  constexpr const char* kTied = "tie_word_embeddings";  // in both transformers writes defaults
  if (whole.contains(kTied))
    text[kTied] = text.value(kTied, Json()) == true || whole[kTied] == true;
  if (!text.contains("model_type")) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("[model] a text_config without a model_type is not supported ({})", where),
        "Save the model again with a current transformers, which writes it.");
  }
  return text;
}

}  // namespace

bool ModelConfig::post_norms() const {
  return std::ranges::any_of(blocks, [](const BlockConfig& b) { return b.post_norms; });
}
bool ModelConfig::head_norms() const {
  return std::ranges::any_of(blocks,
                             [](const BlockConfig& b) { return b.head_norm != HeadNorm::kNone; });
}

bool ModelConfig::value_norms() const {
  return std::ranges::any_of(blocks, &BlockConfig::value_norm);
}

bool ModelConfig::has(int64_t l, Module module) const {
  if (!has_module(maps, module)) return false;
  return module != Module::kValue || l >= std::ssize(blocks) || !block(l).keys_as_values;
}
int64_t ModelConfig::head_dim_of(int64_t l) const {
  return l < std::ssize(blocks) && block(l).head_dim > 0 ? block(l).head_dim : head_dim;
}
int64_t ModelConfig::kv_heads_of(int64_t l) const {
  return l < std::ssize(blocks) && block(l).kv_heads > 0 ? block(l).kv_heads : kv_heads;
}
int64_t ModelConfig::query_width() const {
  int64_t widest = 0;
  for (int64_t l = 0; l < layers; ++l) widest = std::max(widest, query_width(l));
  return widest;
}
int64_t ModelConfig::kv_width() const {
  int64_t widest = 0;
  for (int64_t l = 0; l < layers; ++l) widest = std::max(widest, kv_width(l));
  return widest;
}
bool ModelConfig::equal_heads() const {
  return std::ranges::all_of(blocks, [&](const BlockConfig& b) {
    return (b.head_dim == 0 || b.head_dim == head_dim) &&
           (b.kv_heads == 0 || b.kv_heads == kv_heads);
  });
}
int64_t ModelConfig::attention_input_parameters(int64_t l) const {
  const bool joined = maps.joined_attention;
  return width * (query_width(l) + (joined || has(l, Module::kValue) ? 2 : 1) * kv_width(l));
}
int64_t ModelConfig::gemm_parameters(int64_t l) const {
  return attention_input_parameters(l) +
         width * (query_width(l) + (maps.gated ? 3 : 2) * feed_forward);
}

std::array<int64_t, 2> module_shape(const ModelConfig& config, int64_t l, Module module) {
  switch (module) {
    case Module::kQuery:
      return {config.width, config.query_width(l)};
    case Module::kKey:
    case Module::kValue:
      return {config.width, config.kv_width(l)};
    case Module::kOutput:
      return {config.query_width(l), config.width};
    case Module::kGate:
    case Module::kUp:
      return {config.width, config.feed_forward};
    case Module::kDown:
      return {config.feed_forward, config.width};
    case Module::kQueryKeyValue:
      return {config.width, config.query_width(l) + 2 * config.kv_width(l)};
    case Module::kGateUp:
      return {config.width, 2 * config.feed_forward};
  }
  return {0, 0};
}

ModelConfig config_from_gguf(const GgufFile& file, ModelFamilies families) {
  const std::string architecture = file.text("general.architecture");
  const ModelFamily& family = find_family(families, FileKind::kGguf, architecture, file.name());
  ModelConfig config;
  config.name = file.text("general.name", "");
  family.from_gguf(GgufKeys(file, architecture), config);
  finish(config, family, FileKind::kGguf, file.name());
  return config;
}

ModelConfig config_from_folder(const std::filesystem::path& folder, ModelFamilies families) {
  const std::filesystem::path path = folder / "config.json";
  const Json whole = read_json(path);
  const Json json = text_model(whole, path.string());
  const FolderKeys keys(json, path.string());
  const ModelFamily& family =
      find_family(families, FileKind::kFolder, keys.text("model_type"), keys.where());
  ModelConfig config;
  config.name = folder.filename().string();
  config.one_of_several = is_one_of_several(whole);
  family.from_folder(keys, config);
  finish(config, family, FileKind::kFolder, keys.where());
  if (config.one_of_several) config.names.block.folder = "model.language_model.layers";
  return config;
}

}  // namespace ilora
