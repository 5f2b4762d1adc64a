#include "model/weights.h"

#include <algorithm>
#include <complex>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "model/row_order.h"
#include "tensor/quant_integers.h"

namespace ilora {
namespace {

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

// out (out,in) = a stored matrix, its rows in the map's order.
void expand(Tensor out, const StoredTensor& stored, std::span<const int32_t> map) {
  constexpr int64_t kRowsPerChunk = 64;
  parallel_for(out.shape[0], kRowsPerChunk, [&](int64_t begin, int64_t end) {
    std::vector<float> values(static_cast<size_t>(out.shape[1]));
    for (int64_t r = begin; r < end; ++r) {
      const int64_t source = map.empty() ? r : map[static_cast<size_t>(r)];
      expand_finite_rows(values.data(), stored, source, source + 1);
      store_row(out.rows(r, r + 1), values.data());
    }
  });
}

double figure(const StoredTensor& stored) {
  float value = 0;
  expand_finite_rows(&value, stored, 0, 1);
  return static_cast<double>(value);
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

}  // namespace

// Memory of our own; only counted where nothing is loaded.
Tensor Weights::own(DType type, std::initializer_list<int64_t> dims) {
  const Tensor counted(nullptr, type, dims);
  sizes_.owned_bytes += counted.bytes();
  return loads_ ? buffers_.emplace_back(type, dims).view() : counted;
}

// What the kernels of norms read where a norm has no weights.
Tensor Weights::ones(DType type, int64_t count) {
  const Tensor out = own(type, {count});
  if (loads_) store_row(out, std::vector<float>(static_cast<size_t>(count), 1.0f).data());
  return out;
}

// A norm's weights plus `offset`, or a bias with its elements in the order of `rows`.
Tensor Weights::vector(const StoredTensor& stored, DType type, std::span<const int32_t> rows,
                       double offset) {
  const Tensor out = own(type, {stored.shape[0]});
  if (!loads_) return out;
  std::vector<float> in_file(static_cast<size_t>(out.size()));
  expand_finite_rows(in_file.data(), stored, 0, 1);
  std::vector<float> values = in_file;
  for (size_t i = 0; i < rows.size(); ++i) values[i] = in_file[static_cast<size_t>(rows[i])];
  if (offset != 0) {
    for (float& value : values) value += static_cast<float>(offset);
  }
  store_row(out, values.data());
  release_pages(stored.bytes);
  return out;
}

WeightView Weights::matrix(const StoredTensor& stored, std::span<const int32_t> rows,
                           WeightStorage storage) {
  WeightView view = product_operand(stored, rows, storage);
  if (loads_ && has_integers(stored.dtype)) {
    view.blocks = stored_view(stored);
    view.block_rows = rows;
  }
  return view;
}

// As products of a training step read it.
WeightView Weights::product_operand(const StoredTensor& stored, std::span<const int32_t> rows,
                                    WeightStorage storage) {
  const bool as_it_stands = stored.dtype != form_.gemm || is_aligned(stored);
  if (storage == WeightStorage::kStored && as_it_stands && is_expandable(stored.dtype)) {
    sizes_.mapped_bytes += static_cast<int64_t>(stored.bytes.size());
    return {stored_view(stored), rows, {}, {}};
  }
  const Tensor out = own(form_.gemm, {stored.shape[0], stored.shape[1]});
  if (loads_) {
    expand(out, stored, rows);
    release_pages(stored.bytes);
  }
  return {out, {}, {}, {}};
}

// The bytes of w (out,in), which is only counted where nothing is loaded.
const ByteMatrix* Weights::own_bytes(Tensor w) {
  sizes_.owned_bytes += ByteMatrix::bytes(w.shape[0], w.shape[1]);
  return loads_ ? &byte_matrices_.emplace_back(w) : nullptr;
}

// A block's matrix, with its bytes where the form asks for them.
WeightView Weights::linear_map(Module module, const StoredTensor& stored,
                               std::span<const int32_t> rows) {
  if (!form_.bytes) return matrix(stored, rows, storage_);
  const bool bytes_alone = module == Module::kDown;  // no product reads its G
  WeightView view = matrix(stored, rows, bytes_alone ? WeightStorage::kStored : storage_);
  const Buffer values = loads_ ? Buffer(DType::kF32, {stored.shape[0], stored.shape[1]}) : Buffer();
  const Tensor w =
      loads_ ? values.view() : Tensor(nullptr, DType::kF32, {stored.shape[0], stored.shape[1]});
  if (loads_) expand(w, stored, rows);
  if (bytes_alone) view.bytes = own_bytes(w);
  view.transposed_bytes = own_bytes(w.transposed());
  return view;
}

Weights::Weights(const ModelFiles& files, DType state, ProductForm form, WeightStorage storage)
    : Weights(files, state, form, storage, true) {}

WeightSizes Weights::measure(const ModelFiles& files, DType state, ProductForm form,
                             WeightStorage storage) {
  return Weights(files, state, form, storage, false).sizes_;
}

Weights::Weights(const ModelFiles& files, DType state, ProductForm form, WeightStorage storage,
                 bool loads)
    : form_(form), loads_(loads), storage_(storage) {
  const ModelConfig& c = files.config();
  const ModelTensors& tensors = files.tensors();
  const bool gguf = files.kind() == FileKind::kGguf;
  ILORA_CHECK(c.equal_heads() || !c.names.interleaved_in_gguf, "rows of unequal heads");
  if (gguf && c.names.interleaved_in_gguf) row_map_ = interleaved_rows(c.query_width(), c.head_dim);
  const double norm_offset = gguf ? 0.0 : c.names.norm_offset_in_folder;
  const auto head_norm = [&](const StoredTensor* stored) {
    return stored != nullptr ? vector(*stored, state, {}, norm_offset) : Tensor();
  };
  const auto norm = [&](const NormTensors& stored) {
    NormWeights weights{head_norm(stored.weight), {}};
    if (stored.bias != nullptr) weights.bias = vector(*stored.bias, state, {}, 0.0);
    return weights;
  };
  embedding_ = matrix(*tensors.embedding, {}, storage_);
  for (int64_t l = 0; l < c.layers; ++l) {
    const BlockTensors& block = tensors.blocks[static_cast<size_t>(l)];
    LayerWeights& layer = layers_.emplace_back();
    layer.attention_norm = norm(block.attention_norm);
    layer.feed_forward_norm = norm(block.feed_forward_norm);
    layer.attention_post_norm = norm(block.attention_post_norm);
    layer.feed_forward_post_norm = norm(block.feed_forward_post_norm);
    layer.query_norm = head_norm(block.query_norm);
    layer.key_norm = head_norm(block.key_norm);
    if (c.block(l).value_norm) layer.value_norm = ones(state, c.head_dim_of(l));
    if (block.output_scale != nullptr) layer.output_scale = figure(*block.output_scale);
    for (const Module m : kAllModules) {
      if (!c.has(l, m)) continue;
      const auto i = static_cast<size_t>(m);
      std::span<const int32_t> rows;
      if (!row_map_.empty() && (m == Module::kQuery || m == Module::kKey))
        rows = std::span(row_map_).first(static_cast<size_t>(block.weight[i]->shape[0]));
      layer.linear[i] = linear_map(m, *block.weight[i], rows);
      if (block.bias[i] != nullptr) layer.bias[i] = vector(*block.bias[i], state, rows, 0.0);
    }
  }
  final_norm_ = norm(tensors.final_norm);
  head_ = tensors.head == tensors.embedding ? embedding_ : matrix(*tensors.head, {}, storage_);
  count_scratch();
}

bool Weights::has_blocks() const {
  const auto in_blocks = [](const WeightView& view) { return static_cast<bool>(view.blocks); };
  return in_blocks(head_) &&
         std::all_of(layers_.begin(), layers_.end(), [&](const LayerWeights& layer) {
           return std::all_of(
               layer.linear.begin(), layer.linear.end(),
               [&](const WeightView& view) { return !view.stored || in_blocks(view); });
         });
}

void Weights::count_scratch() {
  int64_t& most = sizes_.scratch_elements;
  for (const LayerWeights& layer : layers_) {
    for (const WeightView& view : layer.linear) {
      if (view.stored.size() > 0 && needs_expanding(view))
        most = std::max(most, view.stored.size());
    }
  }
  if (needs_expanding(head_)) {
    const int64_t rows = std::min(kHeadRows, head_.stored.shape[0]);
    most = std::max(most, rows * head_.stored.shape[1]);
  }
}

}  // namespace ilora
