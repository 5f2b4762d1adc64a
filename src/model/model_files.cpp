#include "model/model_files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_set>

#include "base/error.h"
#include "formats/check.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/block.h"

namespace ilora {
namespace {

// Takes a model's tensors out of its file one by one, and says what is left over.
template <class File>
class TensorFinder {
 public:
  TensorFinder(const File& file, FileKind kind, const ModelConfig& config)
      : file_(file), kind_(kind), names_(config.names), place_(place_in(file, kind, config)) {}

  const StoredTensor* take(const std::string& name, std::initializer_list<int64_t> dims) {
    const StoredTensor& stored = file_.tensor(in_file(name));
    taken_.insert(&stored);
    if (std::equal(dims.begin(), dims.end(), stored.shape.begin(), stored.shape.end()))
      return &stored;
    const std::vector<int64_t> expected(dims);
    throw Error(
        ErrorKind::kFormat,
        fmt::format("[model] expected shape ({}) for {}, got {} ({})", fmt::join(expected, ", "),
                    stored.name, stored.describe(), file_.name()),
        "The file's configuration and its tensors do not fit together.");
  }
  NormTensors take_norm(const std::string& name, const ModelConfig& config) {
    NormTensors norm;
    norm.weight = take(name + ".weight", {config.width});
    if (config.norm_bias) norm.bias = take(name + ".bias", {config.width});
    return norm;
  }
  bool contains(const std::string& name) const {
    return file_.find_tensor(in_file(name)) != nullptr;
  }

  // Returns what belongs to other models of the folder, by the beginnings of names.
  std::string refuse_others() const {
    std::map<std::string, int64_t> others;
    for (const StoredTensor& stored : file_.tensors()) {
      if (taken_.contains(&stored) || names_.passes_over(kind_, stored.name)) continue;
      if (place_.one_of_several && !stored.name.starts_with(place_.body)) {
        std::string_view name = stored.name;
        if (name.starts_with(kBody)) name.remove_prefix(kBody.size());
        ++others[std::string(name.substr(0, name.find('.')))];
        continue;
      }
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("[model] the tensor {} is not supported ({})", printable(stored.name),
                              file_.name()),
                  "The model's configuration has no place for it, and without it another model "
                  "would be computed.");
    }
    std::vector<std::string> said;
    for (const auto& other : others)
      said.push_back(fmt::format("{} ({})", printable(other.first), other.second));
    return fmt::format("{}", fmt::join(said, ", "));
  }

 private:
  // Names of a model alone; as transformers calls those of one of several.
  static constexpr std::string_view kBody = "model.", kText = "model.language_model.";

  // What stands in the place of "model." and before the head's name.
  struct Place {
    std::string_view body = kBody, head;
    bool one_of_several = false;  // beside it there are other models
  };

  // Folders call the same tensors by other beginnings where the text model is one of several, or was
  // saved without its head.
  static Place place_in(const File& file, FileKind kind, const ModelConfig& config) {
    static constexpr Place kPlaces[] = {
        {kBody, ""}, {"language_model.model.", "language_model."}, {kText, ""}, {"", ""}};
    std::string_view embedding = config.names.embedding.folder;
    if (kind == FileKind::kFolder && embedding.starts_with(kBody)) {
      embedding.remove_prefix(kBody.size());
      for (Place place : kPlaces) {
        if (file.find_tensor(fmt::format("{}{}.weight", place.body, embedding)) == nullptr)
          continue;
        place.one_of_several = config.one_of_several;
        return place;
      }
    }
    return {};
  }

  std::string in_file(const std::string& name) const {
    if (kind_ == FileKind::kGguf) return name;
    for (const std::string_view body : {kText, kBody}) {
      if (name.starts_with(body)) return std::string(place_.body) + name.substr(body.size());
    }
    return std::string(place_.head) + name;
  }

  const File& file_;
  FileKind kind_;
  const TensorNames& names_;
  Place place_;
  std::unordered_set<const StoredTensor*> taken_;
};

bool equal(const StoredTensor& a, const StoredTensor& b) {
  return a.dtype == b.dtype && a.bytes.size() == b.bytes.size() &&
         std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
}

template <class File>
BlockTensors find_block(TensorFinder<File>& finder, FileKind kind, const ModelConfig& c,
                        int64_t l) {
  const TensorNames& names = c.names;
  const BlockConfig& block = c.block(l);
  const auto head_norm = [&](const TensorName& name, int64_t width) {
    return finder.take(names.in_block(kind, l, name) + ".weight", {width});
  };
  const auto norm = [&](const TensorName& name) {
    return finder.take_norm(names.in_block(kind, l, name), c);
  };
  BlockTensors found;
  if (block.pre_norms) {
    found.attention_norm = norm(names.attention_norm);
    if (!block.parallel) found.feed_forward_norm = norm(names.feed_forward_norm);
  }
  if (block.post_norms) {
    found.attention_post_norm = norm(names.attention_post_norm);
    found.feed_forward_post_norm = norm(names.feed_forward_post_norm);
  }
  if (block.head_norm != HeadNorm::kNone) {
    const bool head = block.head_norm == HeadNorm::kHead;
    found.query_norm = head_norm(names.query_norm, head ? c.head_dim_of(l) : c.query_width(l));
    found.key_norm = head_norm(names.key_norm, head ? c.head_dim_of(l) : c.kv_width(l));
  }
  const std::string scale =
      names.in_block(kind, l, names.output_scale) + (kind == FileKind::kGguf ? ".weight" : "");
  if (finder.contains(scale)) found.output_scale = finder.take(scale, {1});
  for (const Module m : kAllModules) {
    if (!c.has(l, m)) continue;
    const auto i = static_cast<size_t>(m);
    const auto [in, out] = module_shape(c, l, m);
    const std::string name = names.linear_in_block(kind, l, m);
    found.weight[i] = finder.take(name + ".weight", {out, in});
    if (block.bias[i]) found.bias[i] = finder.take(name + ".bias", {out});
  }
  return found;
}

template <class File>
ModelTensors find_tensors(const File& file, FileKind kind, const ModelConfig& c,
                          std::string& left_out) {
  const TensorNames& names = c.names;
  TensorFinder finder(file, kind, c);
  const auto whole = [&](const TensorName& name) { return std::string(name.in(kind)) + ".weight"; };

  ModelTensors tensors;
  tensors.embedding = finder.take(whole(names.embedding), {c.vocabulary, c.width});
  tensors.final_norm = finder.take_norm(std::string(names.final_norm.in(kind)), c);
  // A head of its own wins over a configuration that says it is tied, as in transformers.
  tensors.head = tensors.embedding;
  if (!c.tied_embeddings || finder.contains(whole(names.head))) {
    const StoredTensor* head = finder.take(whole(names.head), {c.vocabulary, c.width});
    if (!c.tied_embeddings || !equal(*head, *tensors.embedding)) tensors.head = head;
  }
  for (int64_t l = 0; l < c.layers; ++l) tensors.blocks.push_back(find_block(finder, kind, c, l));
  left_out = finder.refuse_others();
  return tensors;
}

}  // namespace

ModelFiles::ModelFiles(const std::filesystem::path& path, ModelFamilies families) : path_(path) {
  if (!std::filesystem::exists(path)) {
    throw Error(ErrorKind::kFile,
                fmt::format("[model] there is no file or folder {}", path.string()),
                "Give a GGUF file or a Hugging Face folder with config.json and model.safetensors. "
                "Nothing is downloaded by a name on the hub or an address; scripts/model.sh "
                "obtains a small model.");
  }
  if (std::filesystem::is_directory(path / "checkpoints") &&
      !std::filesystem::exists(path / "config.json"))
    throw Error(ErrorKind::kFile, fmt::format("[model] {} is a run, and no model", path.string()),
                "Name the run where the command asks for one (--run), and its model here.");
  if (path.extension() == ".safetensors" && std::filesystem::is_regular_file(path))
    throw Error(ErrorKind::kFile, fmt::format("[model] {} is one file of a model", path.string()),
                "Name its folder, which has config.json and a tokenizer as well.");
  if (std::filesystem::is_directory(path)) {
    config_ = config_from_folder(path, families);
    require_computable(config_, (path / "config.json").string());
    folder_ = std::make_unique<TensorFolder>(path);
    tensors_ = find_tensors(*folder_, FileKind::kFolder, config_, left_out_);
  } else {
    gguf_ = std::make_unique<GgufFile>(path);
    config_ = config_from_gguf(*gguf_, families);
    require_computable(config_, path.string());
    tensors_ = find_tensors(*gguf_, FileKind::kGguf, config_, left_out_);
  }
}
ModelFiles::~ModelFiles() = default;
ModelFiles::ModelFiles(ModelFiles&&) noexcept = default;
ModelFiles& ModelFiles::operator=(ModelFiles&&) noexcept = default;

std::vector<std::filesystem::path> ModelFiles::weight_files() const {
  return folder_ != nullptr ? folder_->files() : gguf_->files();
}

}  // namespace ilora
