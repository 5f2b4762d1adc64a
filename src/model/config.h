// What a model is: the figures of its architecture, read from a GGUF file or a Hugging Face folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ilora {

class GgufFile;

// The Llama family: RMSNorm, rotary positions, grouped-query attention, SwiGLU; biases of queries,
// keys and values alone, where the model is a Qwen2.
struct ModelConfig {
  std::string name;          // as the file calls itself, for reports
  int64_t layers = 0;        // L
  int64_t width = 0;         // D
  int64_t heads = 0;         // H
  int64_t kv_heads = 0;      // K, divides H
  int64_t head_dim = 0;      // Dh
  int64_t feed_forward = 0;  // F
  int64_t vocabulary = 0;    // V
  int64_t context = 0;       // longest sequence the model was made for
  double rope_theta = 10000.0;
  double norm_epsilon = 1e-5;
  bool tied_embeddings = false;     // the output head is the embedding table
  std::vector<float> rope_factors;  // Dh/2 divisors of the rotary frequencies; empty: none
  bool qkv_bias = false;
  bool interleaved_in_gguf = true;  // how its GGUF files order the rows of q and k (weights.h)

  int64_t query_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }
  // Parameters of the base GEMMs of one layer (q, k, v, o, gate, up, down).
  int64_t layer_gemm_parameters() const {
    return width * (2 * query_width() + 2 * kv_width() + 3 * feed_forward);
  }
  // Throws Error(kUnsupported) for a bias that the model would leave out without a word.
  void check_bias(std::string_view tensor, const std::string& where) const;
};

// Throw Error(kFormat or kUnsupported) naming the file and the key.
ModelConfig config_from_gguf(const GgufFile& file);
ModelConfig config_from_folder(const std::filesystem::path& folder);

}  // namespace ilora
