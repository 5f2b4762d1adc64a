#include "model/weights.h"

#include <fmt/ranges.h>
#include <complex>

#include "base/error.h"
#include "base/parallel.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

namespace ilora {
namespace {

// A stored tensor together with the order of its rows: what a base weight is before it is expanded.
struct WeightView {
  const StoredTensor* stored = nullptr;
  // Llama-family GGUF files interleave each head's rotary pairs in the rows of q and k: row (h,
  // half, j) of Hugging Face's order is the file's row (h, j, half). 0: rows are in order.
  int64_t permuted_head_dim = 0;

  int64_t source_row(int64_t row) const {
    if (permuted_head_dim == 0) return row;
    const int64_t head = row / permuted_head_dim, i = row % permuted_head_dim,
                  half = permuted_head_dim / 2;
    return head * permuted_head_dim + 2 * (i % half) + i / half;
  }
};

template <class T>
void widen(T* out, const float* in, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(in[i]);
}
void widen(BFloat16* out, const float* in, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = to_bfloat16(in[i]);
}

void store_row(Tensor out, const float* values) {
  const int64_t n = out.size();
  switch (out.dtype) {
    case DType::kF32:
      std::copy_n(values, n, out.ptr<float>());
      return;
    case DType::kBF16:
      widen(out.ptr<BFloat16>(), values, n);
      return;
    case DType::kF64:
      widen(out.ptr<double>(), values, n);
      return;
    case DType::kC128:
      widen(out.ptr<std::complex<double>>(), values, n);
      return;
    default:
      ILORA_CHECK(false, "weights as {}", out.describe());
  }
}

// Expands a weight, a matrix or a vector, into `out`.
void expand(Tensor out, const WeightView& view) {
  const StoredTensor& stored = *view.stored;
  const int64_t columns = stored.row_length();
  const Tensor rows = out.reshaped({out.size() / columns, columns});
  constexpr int64_t kRowsPerChunk = 64;
  parallel_for(rows.shape[0], kRowsPerChunk, [&](int64_t begin, int64_t end) {
    std::vector<float> values(static_cast<size_t>(columns));
    for (int64_t r = begin; r < end; ++r) {
      const int64_t source = view.source_row(r);
      expand_rows(values.data(), stored, source, source + 1);
      store_row(rows.rows(r, r + 1), values.data());
    }
  });
}

constexpr std::array<const char*, kModules> kGgufNames = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

}  // namespace

ModelFiles::ModelFiles(const std::filesystem::path& path) : path_(path) {
  if (!std::filesystem::exists(path)) {
    throw Error(ErrorKind::kFile,
                fmt::format("[model] there is no file or folder {}", path.string()),
                "Give a GGUF file or a Hugging Face folder with config.json and model.safetensors; "
                "scripts/model.sh obtains a small model.");
  }
  if (std::filesystem::is_directory(path)) {
    config_ = config_from_folder(path);
    folder_ = std::make_unique<TensorFolder>(path);
  } else {
    gguf_ = std::make_unique<GgufFile>(path);
    config_ = config_from_gguf(*gguf_);
  }
}
ModelFiles::~ModelFiles() = default;
ModelFiles::ModelFiles(ModelFiles&&) noexcept = default;
ModelFiles& ModelFiles::operator=(ModelFiles&&) noexcept = default;

Tensor Weights::own(DType dtype, std::initializer_list<int64_t> dims) {
  buffers_.emplace_back(dtype, dims);
  bytes_ += buffers_.back().view().bytes();
  return buffers_.back().view();
}

Weights::Weights(const ModelFiles& files, DType state, DType gemm) {
  const ModelConfig& c = files.config();
  const GgufFile* gguf = files.gguf();
  const auto load = [&](const std::string& gguf_name, const std::string& hf_name, DType type,
                        std::initializer_list<int64_t> dims, int64_t permuted_head_dim = 0) {
    const StoredTensor& stored =
        gguf != nullptr ? gguf->tensor(gguf_name) : files.folder_->tensor(hf_name);
    if (!std::equal(dims.begin(), dims.end(), stored.shape.begin(), stored.shape.end())) {
      const std::vector<int64_t> expected(dims);
      throw Error(
          ErrorKind::kFormat,
          fmt::format("[model] expected shape ({}) for {}, got {} ({})", fmt::join(expected, ", "),
                      stored.name, stored.describe(), files.path().string()),
          "The file's configuration and its tensors do not fit together.");
    }
    const Tensor tensor = own(type, dims);
    expand(tensor, {&stored, gguf != nullptr ? permuted_head_dim : 0});
    return tensor;
  };

  embedding_ =
      load("token_embd.weight", "model.embed_tokens.weight", gemm, {c.vocabulary, c.width});
  for (int64_t l = 0; l < c.layers; ++l) {
    const std::string blk = fmt::format("blk.{}.", l), hf = fmt::format("model.layers.{}.", l);
    LayerWeights& layer = layers_.emplace_back();
    layer.attention_norm =
        load(blk + "attn_norm.weight", hf + "input_layernorm.weight", state, {c.width});
    layer.feed_forward_norm =
        load(blk + "ffn_norm.weight", hf + "post_attention_layernorm.weight", state, {c.width});
    for (const Module m : kAllModules) {
      const auto [in, out] = module_shape(c, m);
      const bool rotary = m == Module::kQuery || m == Module::kKey;
      const auto i = static_cast<size_t>(m);
      layer.linear[i] = load(fmt::format("{}{}.weight", blk, kGgufNames[i]),
                             fmt::format("{}{}.{}.weight", hf, module_parent(m), module_name(m)),
                             gemm, {out, in}, rotary ? c.head_dim : 0);
    }
  }
  final_norm_ = load("output_norm.weight", "model.norm.weight", state, {c.width});
  head_ = c.tied_embeddings
              ? embedding_
              : load("output.weight", "lm_head.weight", gemm, {c.vocabulary, c.width});
}

}  // namespace ilora
