// The frozen base weights: found in a model file, checked against the configuration, expanded to
// the type that the GEMMs read. Hugging Face's [out,in] order, once: forward reads the transposed
// view, backward the plain one.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"
#include "tensor/tensor.h"

namespace ilora {

class GgufFile;
class TensorFolder;
struct StoredTensor;

// A model on disk: one GGUF file, or a Hugging Face folder.
class ModelFiles {
 public:
  explicit ModelFiles(const std::filesystem::path& path);
  ~ModelFiles();
  ModelFiles(ModelFiles&&) noexcept;
  ModelFiles& operator=(ModelFiles&&) noexcept;

  const std::filesystem::path& path() const { return path_; }
  const ModelConfig& config() const { return config_; }
  const GgufFile* gguf() const { return gguf_.get(); }  // null for a folder

 private:
  friend class Weights;
  std::filesystem::path path_;
  std::unique_ptr<GgufFile> gguf_;
  std::unique_ptr<TensorFolder> folder_;
  ModelConfig config_;
};

struct LayerWeights {
  Tensor attention_norm;                // (D) T
  Tensor feed_forward_norm;             // (D) T
  std::array<Tensor, kModules> linear;  // (out,in) G, by Module
};

class Weights {
 public:
  // Loads every tensor as G = `gemm` (norms as T = `state`). Throws Error(kFormat) naming file and
  // tensor where one is missing or its shape does not fit the configuration.
  Weights(const ModelFiles& files, DType state, DType gemm);

  const LayerWeights& layer(int64_t l) const { return layers_[static_cast<size_t>(l)]; }
  Tensor embedding() const { return embedding_; }    // (V,D) G
  Tensor final_norm() const { return final_norm_; }  // (D) T
  Tensor head() const { return head_; }              // (V,D) G; the embedding where tied
  int64_t bytes() const { return bytes_; }

 private:
  Tensor own(DType dtype, std::initializer_list<int64_t> dims);

  std::vector<Buffer> buffers_;
  std::vector<LayerWeights> layers_;
  Tensor embedding_, final_norm_, head_;
  int64_t bytes_ = 0;
};

}  // namespace ilora
