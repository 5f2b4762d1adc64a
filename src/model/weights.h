// The frozen base weights of a model's files: either expanded once to the type that the GEMMs read,
// or left as the (mapped) file stores them and expanded one matrix at a time where they are used.
// Hugging Face's [out,in] order, once: forward reads the transposed view, backward the plain one.
#pragma once

#include <array>
#include <deque>
#include <span>
#include <vector>

#include "kernels/byte_matrix.h"
#include "model/model_files.h"
#include "tensor/tensor.h"

namespace ilora {

enum class WeightStorage : uint8_t {
  kExpanded,  // as G, in memory of our own
  kStored,    // as in the file: a Q4 base takes less than a third of a bf16 one
};

// How products read the base's matrices.
struct ProductForm {
  DType gemm;  // G
  // Bytes for every gradient of an input and for the forward of the maps that end feed-forwards:
  // where rounding to bytes costs a gradient least (docs/numerics.md).
  bool bytes = false;

  // NOLINTNEXTLINE(google-explicit-constructor): a type alone is a form
  constexpr ProductForm(DType g, bool as_bytes = false) : gemm(g), bytes(as_bytes) {}
};

// A matrix of the base: G, or what Kernels::expand makes G of.
struct WeightView {
  Tensor stored;  // (out,in)
  // Per row the stored row that holds it; empty: in order. GGUF files of Llama interleave each
  // head's rotary pairs in the rows of q and k.
  std::span<const int32_t> rows;
  // The same matrix as the file holds it and its rows, where the file's type is one of blocks
  // (tensor/quant_integers.h): what generation multiplies. Else none.
  Tensor blocks;
  std::span<const int32_t> block_rows;
  // The same matrix (out,in) and its transpose (in,out) as bytes, for forward and for the gradient
  // of its input; null where these read G.
  const ByteMatrix* bytes = nullptr;
  const ByteMatrix* transposed_bytes = nullptr;
};

// A norm's vectors (D) T; the bias none but where the model's norms have one.
struct NormWeights {
  Tensor weight, bias;
};

struct LayerWeights {
  // None but where the block has them.
  NormWeights attention_norm, feed_forward_norm;
  NormWeights attention_post_norm, feed_forward_post_norm;
  // T
  Tensor query_norm, key_norm;              // (Dh), or (H*Dh) and (K*Dh)
  Tensor value_norm;                        // (Dh) of ones, where values have a norm
  std::array<WeightView, kModules> linear;  // (out,in), by Module
  std::array<Tensor, kModules> bias;        // (out) T; none but where the model has one
  double output_scale = 1;                  // of what the block gives
};

// What weights take.
struct WeightSizes {
  int64_t owned_bytes = 0;       // memory of our own
  int64_t mapped_bytes = 0;      // pages of the file
  int64_t scratch_elements = 0;  // of the largest piece that is expanded at a time
};

class Weights {
 public:
  // For products of that form; norms and biases are loaded as T = `state`. `files` outlives the
  // weights: their matrices stay mapped, though with kExpanded generation alone reads them.
  Weights(const ModelFiles& files, DType state, ProductForm form,
          WeightStorage storage = WeightStorage::kExpanded);
  Weights(const Weights&) = delete;  // views of row_map_
  // The sizes alone, by the same list; nothing is loaded.
  static WeightSizes measure(const ModelFiles& files, DType state, ProductForm form,
                             WeightStorage storage);

  DType gemm_type() const { return form_.gemm; }
  const LayerWeights& layer(int64_t l) const { return layers_[static_cast<size_t>(l)]; }
  const WeightView& embedding() const { return embedding_; }  // (V,D)
  const NormWeights& final_norm() const { return final_norm_; }
  const WeightView& head() const { return head_; }  // (V,D); the embedding where tied
  // Whether a matrix must go through Kernels::expand before a product.
  bool needs_expanding(const WeightView& view) const {
    return view.stored.dtype != form_.gemm || !view.rows.empty();
  }
  // Whether all matrices that are multiplied are there in blocks.
  bool has_blocks() const;
  // The head is expanded so many rows at a time.
  static constexpr int64_t kHeadRows = 4096;
  // Elements of the largest piece that is expanded at a time; 0: none.
  int64_t scratch_elements() const { return sizes_.scratch_elements; }
  // What the weights occupy: memory of our own, and pages of the file.
  int64_t bytes() const { return sizes_.owned_bytes + sizes_.mapped_bytes; }
  const WeightSizes& sizes() const { return sizes_; }

 private:
  Weights(const ModelFiles& files, DType state, ProductForm form, WeightStorage storage,
          bool loads);
  Tensor own(DType type, std::initializer_list<int64_t> dims);
  Tensor ones(DType type, int64_t count);
  Tensor vector(const StoredTensor& stored, DType type, std::span<const int32_t> rows,
                double offset);
  WeightView matrix(const StoredTensor& stored, std::span<const int32_t> rows,
                    WeightStorage storage);
  WeightView product_operand(const StoredTensor& stored, std::span<const int32_t> rows,
                             WeightStorage storage);
  WeightView linear_map(Module module, const StoredTensor& stored, std::span<const int32_t> rows);
  const ByteMatrix* own_bytes(Tensor w);
  void count_scratch();

  ProductForm form_;
  bool loads_;
  WeightStorage storage_;
  std::vector<int32_t> row_map_;  // of q's rows in GGUF files; k's is its beginning
  std::vector<Buffer> buffers_;
  std::deque<ByteMatrix> byte_matrices_;  // views point to them
  std::vector<LayerWeights> layers_;
  WeightView embedding_, head_;
  NormWeights final_norm_;
  WeightSizes sizes_;
};

}  // namespace ilora
