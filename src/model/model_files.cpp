#include "model/model_files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
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
  TensorFinder(const File& file, FileKind kind, const TensorNames& names)
      : file_(file), kind_(kind), names_(names) {}

  const StoredTensor* take(const std::string& name, std::initializer_list<int64_t> dims) {
    const StoredTensor& stored = file_.tensor(name);
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
  bool contains(const std::string& name) const { return file_.find_tensor(name) != nullptr; }

  void refuse_others() const {
    for (const StoredTensor& stored : file_.tensors()) {
      if (taken_.contains(&stored) || names_.passes_over(kind_, stored.name)) continue;
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("[model] the tensor {} is not supported ({})", printable(stored.name),
                              file_.name()),
                  "The model's configuration has no place for it, and without it another model "
                  "would be computed.");
    }
  }

 private:
  const File& file_;
  FileKind kind_;
  const TensorNames& names_;
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
  const auto norm = [&](const TensorName& name, int64_t width) {
    return finder.take(names.in_block(kind, l, name) + ".weight", {width});
  };
  BlockTensors found;
  if (block.pre_norms) {
    found.attention_norm = norm(names.attention_norm, c.width);
    found.feed_forward_norm = norm(names.feed_forward_norm, c.width);
  }
  if (block.post_norms) {
    found.attention_post_norm = norm(names.attention_post_norm, c.width);
    found.feed_forward_post_norm = norm(names.feed_forward_post_norm, c.width);
  }
  if (block.head_norm != HeadNorm::kNone) {
    const bool head = block.head_norm == HeadNorm::kHead;
    found.query_norm = norm(names.query_norm, head ? c.head_dim : c.query_width());
    found.key_norm = norm(names.key_norm, head ? c.head_dim : c.kv_width());
  }
  for (const Module m : kAllModules) {
    if (!c.has(m)) continue;
    const auto i = static_cast<size_t>(m);
    const auto [in, out] = module_shape(c, m);
    const std::string name = names.linear_in_block(kind, l, m);
    found.weight[i] = finder.take(name + ".weight", {out, in});
    if (block.bias[i]) found.bias[i] = finder.take(name + ".bias", {out});
  }
  return found;
}

template <class File>
ModelTensors find_tensors(const File& file, FileKind kind, const ModelConfig& c) {
  const TensorNames& names = c.names;
  TensorFinder finder(file, kind, names);
  const auto whole = [&](const TensorName& name) { return std::string(name.in(kind)) + ".weight"; };

  ModelTensors tensors;
  tensors.embedding = finder.take(whole(names.embedding), {c.vocabulary, c.width});
  tensors.final_norm = finder.take(whole(names.final_norm), {c.width});
  // A head of its own wins over a configuration that says it is tied, as in transformers.
  tensors.head = tensors.embedding;
  if (!c.tied_embeddings || finder.contains(whole(names.head))) {
    const StoredTensor* head = finder.take(whole(names.head), {c.vocabulary, c.width});
    if (!c.tied_embeddings || !equal(*head, *tensors.embedding)) tensors.head = head;
  }
  for (int64_t l = 0; l < c.layers; ++l) tensors.blocks.push_back(find_block(finder, kind, c, l));
  finder.refuse_others();
  return tensors;
}

}  // namespace

ModelFiles::ModelFiles(const std::filesystem::path& path, ModelFamilies families) : path_(path) {
  if (!std::filesystem::exists(path)) {
    throw Error(ErrorKind::kFile,
                fmt::format("[model] there is no file or folder {}", path.string()),
                "Give a GGUF file or a Hugging Face folder with config.json and model.safetensors; "
                "scripts/model.sh obtains a small model.");
  }
  if (std::filesystem::is_directory(path)) {
    config_ = config_from_folder(path, families);
    require_computable(config_, (path / "config.json").string());
    folder_ = std::make_unique<TensorFolder>(path);
    tensors_ = find_tensors(*folder_, FileKind::kFolder, config_);
  } else {
    gguf_ = std::make_unique<GgufFile>(path);
    config_ = config_from_gguf(*gguf_, families);
    require_computable(config_, path.string());
    tensors_ = find_tensors(*gguf_, FileKind::kGguf, config_);
  }
}
ModelFiles::~ModelFiles() = default;
ModelFiles::ModelFiles(ModelFiles&&) noexcept = default;
ModelFiles& ModelFiles::operator=(ModelFiles&&) noexcept = default;

std::vector<std::filesystem::path> ModelFiles::weight_files() const {
  return folder_ != nullptr ? folder_->files() : std::vector{path_};
}

}  // namespace ilora
