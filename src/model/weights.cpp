#include "model/weights.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <complex>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "tensor/quant.h"

namespace ilora {
namespace {

// GGUF files of Llama interleave each head's rotary pairs: row (h, half, j) of Hugging Face's
// order is the file's row (h, j, half).
std::vector<int32_t> interleaved_rows(int64_t count, int64_t head_dim) {
  std::vector<int32_t> rows(static_cast<size_t>(count));
  for (int64_t row = 0; row < count; ++row) {
    const int64_t i = row % head_dim, half = head_dim / 2;
    rows[static_cast<size_t>(row)] = static_cast<int32_t>(row - i + 2 * (i % half) + i / half);
  }
  return rows;
}

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
void expand(Tensor out, const StoredTensor& stored, std::span<const int32_t> map) {
  const int64_t columns = stored.row_length();
  const Tensor rows = out.reshaped({out.size() / columns, columns});
  constexpr int64_t kRowsPerChunk = 64;
  parallel_for(rows.shape[0], kRowsPerChunk, [&](int64_t begin, int64_t end) {
    std::vector<float> values(static_cast<size_t>(columns));
    for (int64_t r = begin; r < end; ++r) {
      const int64_t source = map.empty() ? r : map[static_cast<size_t>(r)];
      expand_rows(values.data(), stored, source, source + 1);
      store_row(rows.rows(r, r + 1), values.data());
    }
  });
}

// The stored elements as a tensor. Nobody writes weights, and the file is mapped read-only.
Tensor stored_view(const StoredTensor& stored) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): a Tensor has one kind of pointer
  auto* data = const_cast<std::byte*>(stored.bytes.data());
  return {data, stored.dtype, {stored.shape[0], stored.shape[1]}};
}

bool is_aligned(const StoredTensor& stored) {  // of a type that products take
  const auto address = reinterpret_cast<uintptr_t>(stored.bytes.data());
  return address % static_cast<uintptr_t>(dtype_bytes(stored.dtype, 1)) == 0;
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
    for (const StoredTensor& tensor : folder_->tensors())
      config_.check_bias(tensor.name, path.string());
  } else {
    gguf_ = std::make_unique<GgufFile>(path);
    config_ = config_from_gguf(*gguf_);
  }
}
ModelFiles::~ModelFiles() = default;
ModelFiles::ModelFiles(ModelFiles&&) noexcept = default;
ModelFiles& ModelFiles::operator=(ModelFiles&&) noexcept = default;

std::vector<std::filesystem::path> ModelFiles::weight_files() const {
  return folder_ != nullptr ? folder_->files() : std::vector{path_};
}

const StoredTensor& Weights::find(const ModelFiles& files, const std::string& gguf_name,
                                  const std::string& hf_name,
                                  std::initializer_list<int64_t> dims) const {
  const GgufFile* gguf = files.gguf();
  const StoredTensor& stored =
      gguf != nullptr ? gguf->tensor(gguf_name) : files.folder_->tensor(hf_name);
  if (std::equal(dims.begin(), dims.end(), stored.shape.begin(), stored.shape.end())) return stored;
  const std::vector<int64_t> expected(dims);
  throw Error(
      ErrorKind::kFormat,
      fmt::format("[model] expected shape ({}) for {}, got {} ({})", fmt::join(expected, ", "),
                  stored.name, stored.describe(), files.path().string()),
      "The file's configuration and its tensors do not fit together.");
}

Tensor Weights::load(const StoredTensor& stored, DType type, std::span<const int32_t> rows) {
  const bool vector = stored.shape.size() == 1;
  sizes_.owned_bytes += dtype_bytes(type, stored.size());
  if (!loads_) {
    return vector ? Tensor(nullptr, type, {stored.shape[0]})
                  : Tensor(nullptr, type, {stored.shape[0], stored.shape[1]});
  }
  Buffer& buffer =
      vector ? buffers_.emplace_back(type, std::initializer_list<int64_t>{stored.shape[0]})
             : buffers_.emplace_back(
                   type, std::initializer_list<int64_t>{stored.shape[0], stored.shape[1]});
  expand(buffer.view(), stored, rows);
  release_pages(stored.bytes);
  return buffer.view();
}

WeightView Weights::matrix(const StoredTensor& stored, std::span<const int32_t> rows) {
  const bool as_it_stands = stored.dtype != gemm_ || is_aligned(stored);
  if (storage_ == WeightStorage::kExpanded || !as_it_stands || !is_expandable(stored.dtype))
    return {load(stored, gemm_, rows), {}};
  sizes_.mapped_bytes += static_cast<int64_t>(stored.bytes.size());
  return {stored_view(stored), rows};
}

Weights::Weights(const ModelFiles& files, DType state, DType gemm, WeightStorage storage)
    : Weights(files, state, gemm, storage, true) {}

WeightSizes Weights::measure(const ModelFiles& files, DType state, DType gemm,
                             WeightStorage storage) {
  return Weights(files, state, gemm, storage, false).sizes_;
}

Weights::Weights(const ModelFiles& files, DType state, DType gemm, WeightStorage storage,
                 bool loads)
    : gemm_(gemm), loads_(loads), storage_(storage) {
  const ModelConfig& c = files.config();
  if (files.gguf() != nullptr && c.interleaved_in_gguf)
    row_map_ = interleaved_rows(c.query_width(), c.head_dim);
  embedding_ = matrix(
      find(files, "token_embd.weight", "model.embed_tokens.weight", {c.vocabulary, c.width}));
  for (int64_t l = 0; l < c.layers; ++l) {
    const std::string blk = fmt::format("blk.{}.", l), hf = fmt::format("model.layers.{}.", l);
    LayerWeights& layer = layers_.emplace_back();
    layer.attention_norm = load(
        find(files, blk + "attn_norm.weight", hf + "input_layernorm.weight", {c.width}), state);
    layer.feed_forward_norm = load(
        find(files, blk + "ffn_norm.weight", hf + "post_attention_layernorm.weight", {c.width}),
        state);
    for (const Module m : kAllModules) {
      const auto [in, out] = module_shape(c, m);
      const auto i = static_cast<size_t>(m);
      std::span<const int32_t> rows;
      if (!row_map_.empty() && (m == Module::kQuery || m == Module::kKey))
        rows = std::span(row_map_).first(static_cast<size_t>(out));
      layer.linear[i] = matrix(
          find(files, fmt::format("{}{}.weight", blk, kGgufNames[i]),
               fmt::format("{}{}.{}.weight", hf, module_parent(m), module_name(m)), {out, in}),
          rows);
      if (c.qkv_bias && (m == Module::kQuery || m == Module::kKey || m == Module::kValue)) {
        layer.bias[i] =
            load(find(files, fmt::format("{}{}.bias", blk, kGgufNames[i]),
                      fmt::format("{}{}.{}.bias", hf, module_parent(m), module_name(m)), {out}),
                 state);
      }
    }
  }
  final_norm_ = load(find(files, "output_norm.weight", "model.norm.weight", {c.width}), state);
  head_ = c.tied_embeddings
              ? embedding_
              : matrix(find(files, "output.weight", "lm_head.weight", {c.vocabulary, c.width}));
  count_scratch();
}

void Weights::count_scratch() {
  int64_t& most = sizes_.scratch_elements;
  for (const LayerWeights& layer : layers_) {
    for (const WeightView& view : layer.linear) {
      if (needs_expanding(view)) most = std::max(most, view.stored.size());
    }
  }
  if (needs_expanding(head_)) {
    const int64_t rows = std::min(kHeadRows, head_.stored.shape[0]);
    most = std::max(most, rows * head_.stored.shape[1]);
  }
}

}  // namespace ilora
