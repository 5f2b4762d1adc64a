#include "model/config.h"

#include <algorithm>

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
  const bool interleaved = kind == FileKind::kGguf && c.names.interleaved_in_gguf;
  for (const RotarySpec& spec : c.rotary) {
    if (!(spec.base > 0)) {
      throw Error(ErrorKind::kFormat, fmt::format("[model] expected a positive rope base, got {} "
                                                  "({})",
                                                  spec.base, where));
    }
    if (spec.dims == c.head_dim) continue;
    const bool fits = spec.dims > 0 && spec.dims < c.head_dim && spec.dims % 2 == 0;
    if (!family.partial_rotary || interleaved || !fits) {
      refuse(where, fmt::format("a rotary embedding over a part of each head ({} of {} columns)",
                                spec.dims, c.head_dim));
    }
  }
}

}  // namespace

bool ModelConfig::post_norms() const {
  return std::ranges::any_of(blocks, [](const BlockConfig& b) { return b.post_norms; });
}
bool ModelConfig::head_norms() const {
  return std::ranges::any_of(blocks,
                             [](const BlockConfig& b) { return b.head_norm != HeadNorm::kNone; });
}

std::array<int64_t, 2> module_shape(const ModelConfig& config, Module module) {
  switch (module) {
    case Module::kQuery:
      return {config.width, config.query_width()};
    case Module::kKey:
    case Module::kValue:
      return {config.width, config.kv_width()};
    case Module::kOutput:
      return {config.query_width(), config.width};
    case Module::kGate:
    case Module::kUp:
      return {config.width, config.feed_forward};
    case Module::kDown:
      return {config.feed_forward, config.width};
    case Module::kQueryKeyValue:
      return {config.width, config.query_width() + 2 * config.kv_width()};
    case Module::kGateUp:
      return {config.width, 2 * config.feed_forward};
  }
  return {0, 0};
}

ModelConfig config_from_gguf(const GgufFile& file, ModelFamilies families) {
  const std::string architecture = file.text("general.architecture");
  const ModelFamily& family = find_family(families, FileKind::kGguf, architecture, file.name());
  if (file.integer("split.count", 0) > 1) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("[model] {} is one of {} parts", file.name(), file.integer("split.count")),
        "Join them: llama-gguf-split --merge FIRST-PART WHOLE.gguf.");
  }
  ModelConfig config;
  config.name = file.text("general.name", "");
  family.from_gguf(GgufKeys(file, architecture), config);
  finish(config, family, FileKind::kGguf, file.name());
  return config;
}

ModelConfig config_from_folder(const std::filesystem::path& folder, ModelFamilies families) {
  const std::filesystem::path path = folder / "config.json";
  const Json json = read_json(path);
  const FolderKeys keys(json, path.string());
  const ModelFamily& family =
      find_family(families, FileKind::kFolder, keys.text("model_type"), keys.where());
  ModelConfig config;
  config.name = folder.filename().string();
  family.from_folder(keys, config);
  finish(config, family, FileKind::kFolder, keys.where());
  return config;
}

}  // namespace ilora
