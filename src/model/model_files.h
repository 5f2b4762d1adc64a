// A model on disk: one GGUF file, or a Hugging Face folder. Opening it reads the configuration and
// finds every tensor, so that a file that does not fit is refused before anything is loaded.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <vector>

#include "formats/stored_tensor.h"
#include "model/config.h"
#include "model/families/family.h"

namespace ilora {

class TensorFolder;

struct NormTensors {
  const StoredTensor* weight = nullptr;  // (D)
  const StoredTensor* bias = nullptr;    // (D)
};

struct BlockTensors {  // null: the block has none
  NormTensors attention_norm, feed_forward_norm;
  NormTensors attention_post_norm, feed_forward_post_norm;
  const StoredTensor* query_norm = nullptr;               // (Dh), or (H*Dh)
  const StoredTensor* key_norm = nullptr;                 // (Dh), or (K*Dh)
  const StoredTensor* output_scale = nullptr;             // (1)
  std::array<const StoredTensor*, kModules> weight = {};  // (out,in), by Module
  std::array<const StoredTensor*, kModules> bias = {};    // (out)
};

struct ModelTensors {
  const StoredTensor* embedding = nullptr;  // (V,D)
  NormTensors final_norm;
  const StoredTensor* head = nullptr;  // (V,D); the embedding where tied
  std::vector<BlockTensors> blocks;    // L
};

class ModelFiles {
 public:
  // Throws Error naming the file and: the key that it cannot read or compute (kUnsupported), the
  // tensor that is missing or whose shape does not fit the configuration (kFormat), the tensor that
  // the configuration has no place for (kUnsupported): left out, it would change what is computed.
  explicit ModelFiles(const std::filesystem::path& path, ModelFamilies families = model_families());
  ~ModelFiles();
  ModelFiles(ModelFiles&&) noexcept;
  ModelFiles& operator=(ModelFiles&&) noexcept;

  const std::filesystem::path& path() const { return path_; }
  FileKind kind() const { return gguf_ != nullptr ? FileKind::kGguf : FileKind::kFolder; }
  const ModelConfig& config() const { return config_; }
  const ModelTensors& tensors() const { return tensors_; }
  const GgufFile* gguf() const { return gguf_.get(); }      // null for a folder
  std::vector<std::filesystem::path> weight_files() const;  // those that hold the weights
  // What of a folder of several models in one was left out, by the beginnings of names and with
  // their numbers of tensors; as a rule nothing.
  const std::string& left_out() const { return left_out_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<GgufFile> gguf_;
  std::unique_ptr<TensorFolder> folder_;
  ModelConfig config_;
  std::string left_out_;
  ModelTensors tensors_;  // what they point to belongs to gguf_ or folder_
};

}  // namespace ilora
