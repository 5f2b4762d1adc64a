// Matrix products of the fast table, by matmul primitives of oneDNN 2.6 (Debian 12) or 3 (Debian
// 13).
//
// A primitive costs 0.1 to 0.9 ms to make, so they are kept in a map of our own (oneDNN's cache is
// off: its keys hold more than we need and its size is not ours to see). Measured with oneDNN 2.6.3
// on two Ice Lake cores:
//  - dense f32 operands, transposed or not, run "brg:avx512_core", and give the same bits on any
//  number of threads but for long sums (run() below);
//  - a row stride larger than the width, bf16 operands, or a CPU without AVX-512 get "gemm:jit":
//  about as fast in f32,
//    but it splits sums by the number of threads. With AMX, bf16 operands get "brg:…amx", which
//    chooses the blocks of a sum by the number of threads, from 1,024 terms on. Both are cut into
//    tiles by shape alone, and each tile runs on one thread (tests/unit/kernels/cpu_test.cpp
//    compares the bits);
//  - bf16 without bf16 instructions runs at a third of the f32 rate, so operands are expanded to
//  f32 in blocks.
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <string_view>
#include <unordered_map>

#include "base/parallel.h"
#include "base/random.h"
#include "kernels/cpu/cpu.h"

namespace ilora::cpu {
namespace {

constexpr size_t kMaxPrimitives = 512;  // about 120 KiB each at most
constexpr int64_t kExpandBlock = 2048;  // rows, columns, depth of the blocks expanded to f32

// A matrix as oneDNN sees it.
struct Operand {
  void* data;
  DType dtype;
  int64_t rows, columns, row_stride, column_stride;

  explicit Operand(const Tensor& t)
      : data(t.data),
        dtype(t.dtype),
        rows(t.shape[0]),
        columns(t.shape[1]),
        row_stride(t.stride[0]),
        column_stride(t.stride[1]) {
    settle();
  }
  // The stride of a dimension of length 1 means nothing; fix it, so that equal products share a
  // primitive.
  void settle() {
    if (columns == 1) {
      column_stride = 1;
    } else if (rows == 1) {
      row_stride = column_stride == 1 ? columns : 1;
    }
  }
  bool transposed() const { return column_stride != 1; }
  Operand block(int64_t row, int64_t row_count, int64_t column, int64_t column_count) const {
    Operand part = *this;
    part.data =
        static_cast<char*>(data) + dtype_bytes(dtype, row * row_stride + column * column_stride);
    part.rows = row_count;
    part.columns = column_count;
    return part;
  }
};

struct Key {
  int64_t m, n, k, a[2], b[2], c;  // shape, strides
  uint32_t types, alpha, beta;
  int threads;  // 0: runs on the calling thread alone
  bool operator==(const Key&) const = default;
};

struct KeyHash {
  size_t operator()(const Key& key) const {
    uint64_t h = 0;
    for (const int64_t v : {key.m, key.n, key.k, key.a[0], key.a[1], key.b[0], key.b[1], key.c})
      h = hash_combine(h, static_cast<uint64_t>(v));
    h = hash_combine(h, (static_cast<uint64_t>(key.types) << 32) | key.alpha);
    return hash_combine(
        h, (static_cast<uint64_t>(key.beta) << 32) | static_cast<uint32_t>(key.threads));
  }
};

struct Primitive {
  dnnl::memory::desc a, b, c, workspace;
  dnnl::memory alpha;  // oneDNN 3 takes the factor with the operands; empty where it is 1
  dnnl::matmul run;    // empty where the product is cut into tiles
  size_t workspace_bytes = 0;
  std::string implementation;
  uint64_t used = 0;
};
using PrimitivePtr = std::shared_ptr<Primitive>;

const dnnl::engine& engine() {
  static const dnnl::engine e(dnnl::engine::kind::cpu, 0);
  return e;
}

dnnl::memory::desc describe(const Operand& x) {
  const auto type =
      x.dtype == DType::kF32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
  return {{x.rows, x.columns}, type, dnnl::memory::dims{x.row_stride, x.column_stride}};
}

// What oneDNN 2 and 3 say differently.
#if DNNL_VERSION_MAJOR >= 3
constexpr int kScaleArgument = DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC;

dnnl::memory scale_product(dnnl::primitive_attr& attributes, float alpha) {
  attributes.set_scales_mask(DNNL_ARG_SRC, 0);
  const dnnl::memory::desc one({1}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::a);
  dnnl::memory factor(one, engine());
  *static_cast<float*>(factor.get_data_handle()) = alpha;
  return factor;
}
dnnl::matmul::primitive_desc choose(const Primitive& p, const dnnl::primitive_attr& attributes) {
  return {engine(), p.a, p.b, p.c, attributes};
}
const_dnnl_memory_desc_t c_desc(const dnnl::memory::desc& desc) {
  return desc.get();
}
#else
constexpr int kScaleArgument = 0;  // never given

dnnl::memory scale_product(dnnl::primitive_attr& attributes, float alpha) {
  attributes.set_output_scales(0, {alpha});
  return {};
}
dnnl::matmul::primitive_desc choose(const Primitive& p, const dnnl::primitive_attr& attributes) {
  return {dnnl::matmul::desc(p.a, p.b, p.c), attributes, engine()};
}
const dnnl_memory_desc_t* c_desc(const dnnl::memory::desc& desc) {
  return &desc.data;
}
#endif

// oneDNN writes the code of a product without looking whether it was given the memory (2.6: signal 11
// under `ulimit -v`). A product takes up to a few MiB of addresses while it is made.
void require_room_for_code() {
  constexpr size_t kBytes = size_t{16} << 20;
  void* room = ::mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) throw std::bad_alloc();
  ::munmap(room, kBytes);
}

PrimitivePtr make_primitive(const Operand& c, const Operand& a, const Operand& b, float alpha,
                            float beta, bool one_thread) {
  auto p = std::make_shared<Primitive>();
  p->a = describe(a);
  p->b = describe(b);
  p->c = describe(c);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (alpha != 1.0f) p->alpha = scale_product(attributes, alpha);
  if (beta != 0.0f) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
  const dnnl::matmul::primitive_desc choice = choose(*p, attributes);
  p->implementation = choice.impl_info_str();
  p->workspace = choice.scratchpad_desc();
  p->workspace_bytes = p->workspace.get_size();
  const std::string_view name = p->implementation;
  const bool same_bits = name.starts_with("brg") && name.find("amx") == name.npos;
  if (one_thread || same_bits) p->run = dnnl::matmul(choice);
  return p;
}

// The map. A primitive that is thrown out while it runs lives on until it ends.
class Cache {
 public:
  PrimitivePtr get(const Operand& c, const Operand& a, const Operand& b, float alpha, float beta,
                   bool one_thread) {
    const Key key{c.rows,
                  c.columns,
                  a.columns,
                  {a.row_stride, a.column_stride},
                  {b.row_stride, b.column_stride},
                  c.row_stride,
                  static_cast<uint32_t>(a.dtype) * 256u + static_cast<uint32_t>(c.dtype),
                  std::bit_cast<uint32_t>(alpha),
                  std::bit_cast<uint32_t>(beta),
                  one_thread ? 0 : max_threads()};
    const std::lock_guard lock(mutex_);
    auto at = map_.find(key);
    if (at == map_.end()) {
      try {
        require_room_for_code();
        at = map_.emplace(key, make_primitive(c, a, b, alpha, beta, one_thread)).first;
      } catch (const dnnl::error& e) {
        if (e.status == dnnl_out_of_memory) throw std::bad_alloc();
        throw Error(ErrorKind::kUnsupported,
                    fmt::format("[gemm] oneDNN has no product of {} ({}, {}) by ({}, {}) to {}: {}",
                                dtype_name(a.dtype), a.rows, a.columns, b.rows, b.columns,
                                dtype_name(c.dtype), e.what()));
      }
    }
    PrimitivePtr found = at->second;
    found->used = ++clock_;
    if (map_.size() > kMaxPrimitives) drop_oldest();
    return found;
  }
  size_t size() {
    const std::lock_guard lock(mutex_);
    return map_.size();
  }

 private:
  void drop_oldest() {
    map_.erase(std::min_element(map_.begin(), map_.end(), [](const auto& x, const auto& y) {
      return x.second->used < y.second->used;
    }));
  }

  std::mutex mutex_;
  std::unordered_map<Key, PrimitivePtr, KeyHash> map_;
  uint64_t clock_ = 0;
};

Cache& cache() {
  static Cache* const c = [] {
    limit_targets();
    dnnl::set_primitive_cache_capacity(0);
    return new Cache;  // never destroyed: OpenMP's threads may outlive static objects
  }();
  return *c;
}

// oneDNN's C functions, because its C++ objects would allocate in our code at every call.
class Argument {
 public:
  Argument(const dnnl::memory::desc& desc, void* data) {
    const dnnl_status_t status = dnnl_memory_create(&memory_, c_desc(desc), engine().get(), data);
    if (status != dnnl_success) throw std::bad_alloc();
  }
  ~Argument() { dnnl_memory_destroy(memory_); }
  Argument(const Argument&) = delete;
  Argument& operator=(const Argument&) = delete;
  dnnl_memory_t get() const { return memory_; }

 private:
  dnnl_memory_t memory_ = nullptr;
};

void execute(const Primitive& p, const Operand& c, const Operand& a, const Operand& b) {
  thread_local const dnnl::stream stream(engine());
  void* workspace = p.workspace_bytes > 0 ? scratch(Slot::kOneDnn, p.workspace_bytes) : nullptr;
  const Argument ma(p.a, a.data), mb(p.b, b.data), mc(p.c, c.data), mw(p.workspace, workspace);
  dnnl_exec_arg_t arguments[5] = {
      {DNNL_ARG_SRC, ma.get()}, {DNNL_ARG_WEIGHTS, mb.get()}, {DNNL_ARG_DST, mc.get()}};
  int count = 3;
  if (p.workspace_bytes > 0) arguments[count++] = {DNNL_ARG_SCRATCHPAD, mw.get()};
  if (p.alpha) arguments[count++] = {kScaleArgument, p.alpha.get()};
  const dnnl_status_t status = dnnl_primitive_execute(p.run.get(), stream.get(), count, arguments);
  ILORA_CHECK(status == dnnl_success, "oneDNN's matmul returned {}", static_cast<int>(status));
}

// oneDNN 3.7 takes a single row of `a` and a single column of `c` for dense, whatever their stride:
// here their elements come together, and those of `c` go apart again at the end.
class Dense {
 public:
  Dense(const Operand& from_c, const Operand& from_a, float beta) : a(from_a), c(from_c), to_(c) {
    if (a.rows == 1 && a.columns > 1 && a.column_stride != 1) {
      a.data = scratch(Slot::kGemmRow, static_cast<size_t>(dtype_bytes(a.dtype, a.columns)));
      a.column_stride = 1;
      a.settle();
      convert_rows(a.data, a.dtype, 1, from_a.data, a.dtype, from_a.column_stride, a.columns, 1);
    }
    if (c.columns == 1 && c.rows > 1 && c.row_stride != 1) {
      c.data = scratch(Slot::kGemmColumn, static_cast<size_t>(dtype_bytes(c.dtype, c.rows)));
      c.row_stride = 1;
      if (beta != 0.0f)
        convert_rows(c.data, c.dtype, 1, to_.data, c.dtype, to_.row_stride, c.rows, 1);
    }
  }
  ~Dense() {
    if (c.data != to_.data)
      convert_rows(to_.data, c.dtype, to_.row_stride, c.data, c.dtype, 1, c.rows, 1);
  }
  Dense(const Dense&) = delete;
  Dense& operator=(const Dense&) = delete;

  Operand a, c;

 private:
  Operand to_;
};

// Tiles by shape alone: at least eight of them where each is still worth a thread.
struct Tiles {
  int64_t rows, columns;

  explicit Tiles(const Operand& c, int64_t depth)
      : rows(std::min<int64_t>(c.rows, 256)), columns(std::min<int64_t>(c.columns, 768)) {
    constexpr int64_t kWorth = 1 << 20;  // multiply-adds
    const auto count = [&] {
      return ((c.rows + rows - 1) / rows) * ((c.columns + columns - 1) / columns);
    };
    while (count() < 8 && rows * columns * depth > 2 * kWorth) {
      int64_t& larger = columns >= rows ? columns : rows;
      if (larger < 32) break;
      larger = (larger / 2 + 15) / 16 * 16;
    }
  }
};

void run_tiles(const Operand& c, const Operand& a, const Operand& b, float alpha, float beta) {
  const int64_t depth = a.columns;
  const Tiles tile(c, depth);
  const int64_t across = (c.columns + tile.columns - 1) / tile.columns;
  const int64_t count = (c.rows + tile.rows - 1) / tile.rows * across;
  const auto body = [&](int64_t begin, int64_t) {
    const int64_t row = begin / across * tile.rows, column = begin % across * tile.columns;
    const int64_t rows = std::min(tile.rows, c.rows - row),
                  columns = std::min(tile.columns, c.columns - column);
    const Operand pb = b.block(0, depth, column, columns);
    const Dense dense(c.block(row, rows, column, columns), a.block(row, rows, 0, depth), beta);
    execute(*cache().get(dense.c, dense.a, pb, alpha, beta, true), dense.c, dense.a, pb);
  };
  if (count > 1) {
    parallel_for(count, 1, body);
    return;
  }
  const ScopedThreads one(1);  // alone, it would start threads of its own
  body(0, 1);
}

void run_whole(const Operand& c, const Operand& a, const Operand& b, float alpha, float beta) {
  const Dense dense(c, a, beta);
  const PrimitivePtr p = cache().get(dense.c, dense.a, b, alpha, beta, false);
  if (p->run) {
    execute(*p, dense.c, dense.a, b);
  } else {
    run_tiles(dense.c, dense.a, b, alpha, beta);
  }
}

// Behind a transposed `a` oneDNN's own code splits long sums by the number of threads too, as the
// gradients of LoRA have them: from 2,048 terms on with AVX-512, from 1,025 on with AMX. They are
// cut here, by their length alone.
void run(const Operand& c, const Operand& a, const Operand& b, float alpha, float beta) {
  constexpr int64_t kMostTerms = 1024;
  const int64_t depth = a.columns;
  if (!a.transposed() || depth <= kMostTerms || c.dtype != DType::kF32)
    return run_whole(c, a, b, alpha, beta);
  for (int64_t d = 0; d < depth; d += kMostTerms) {
    const int64_t terms = std::min(kMostTerms, depth - d);
    run_whole(c, a.block(0, a.rows, d, terms), b.block(d, terms, 0, b.columns), alpha,
              d == 0 ? beta : 1.0f);
  }
}

// `x` as dense f32 of the same orientation at the start of `slot`; its values only where `fill` is
// set.
Operand as_f32(const Operand& x, Slot slot, bool fill = true) {
  const int64_t rows = x.transposed() ? x.columns : x.rows,
                width = x.transposed() ? x.rows : x.columns;
  const int64_t stride = x.transposed() ? x.column_stride : x.row_stride;
  Operand y = x;
  y.data = scratch_floats(slot, static_cast<size_t>(rows * width));
  y.dtype = DType::kF32;
  (x.transposed() ? y.column_stride : y.row_stride) = width;
  y.settle();
  if (fill) convert_rows(y.data, DType::kF32, width, x.data, x.dtype, stride, rows, width);
  return y;
}

// Products with an operand or result that is not f32, block by block through f32.
void run_expanded(const Operand& c, const Operand& a, const Operand& b, float alpha, float beta) {
  const int64_t depth = a.columns;
  const bool expand_ab = a.dtype != DType::kF32, expand_c = c.dtype != DType::kF32;
  for (int64_t i = 0; i < c.rows; i += kExpandBlock) {
    const int64_t rows = std::min(kExpandBlock, c.rows - i);
    for (int64_t j = 0; j < c.columns; j += kExpandBlock) {
      const int64_t columns = std::min(kExpandBlock, c.columns - j);
      const Operand part_c = c.block(i, rows, j, columns);
      Operand out = part_c;
      if (expand_c) out = as_f32(part_c, Slot::kGemmC, beta != 0);
      for (int64_t l = 0; l < depth; l += kExpandBlock) {
        const int64_t steps = std::min(kExpandBlock, depth - l);
        Operand pa = a.block(i, rows, l, steps), pb = b.block(l, steps, j, columns);
        // With the depth in one block, a is expanded once for all the columns.
        if (expand_ab) pa = as_f32(pa, Slot::kGemmA, depth > kExpandBlock || j == 0);
        if (expand_ab) pb = as_f32(pb, Slot::kGemmB);
        run(out, pa, pb, alpha, l > 0 ? 1.0f : beta);
      }
      if (expand_c) {
        convert_rows(part_c.data, part_c.dtype, part_c.row_stride, out.data, DType::kF32,
                     out.row_stride, rows, columns);
      }
    }
  }
}

bool native_bf16() {
  static const bool native = cpu_features().bf16_native;
  return native;
}

}  // namespace

bool cap_onednn(OneDnnIsa isa) {
  if (isa == OneDnnIsa::kAll) return true;
  const auto cap = isa == OneDnnIsa::kAvx2 ? dnnl::cpu_isa::avx2 : dnnl::cpu_isa::sse41;
  return dnnl::set_max_cpu_isa(cap) == dnnl::status::success;
}

OneDnnOffer onednn_offer() {
  const auto offered = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto holds = [&](dnnl::cpu_isa isa) {
    return (offered & static_cast<unsigned>(isa)) == static_cast<unsigned>(isa);
  };
  return {holds(dnnl::cpu_isa::avx512_core), holds(dnnl::cpu_isa::avx512_core_amx)};
}

void gemm_with(Bf16Route route, Tensor c, Tensor a, Tensor b, float alpha, float beta) {
  const int64_t rows = c.shape[0], columns = c.shape[1], depth = a.shape[1];
  ILORA_CHECK(c.rank == 2 && a.rank == 2 && b.rank == 2 && a.shape[0] == rows &&
                  b.shape[0] == depth && b.shape[1] == columns && a.dtype == b.dtype &&
                  (c.stride[1] == 1 || columns == 1),
              "gemm of {} and {} into {}", a.describe(), b.describe(), c.describe());
  for (const Tensor& t : {a, b})
    ILORA_CHECK(t.stride[0] == 1 || t.stride[1] == 1, "gemm: no stride of {} is 1", t.describe());
  for (const Tensor& t : {c, a})
    ILORA_CHECK(t.dtype == DType::kF32 || t.dtype == DType::kBF16, "gemm of {}", t.describe());
  ILORA_CHECK(beta == 0.0f || beta == 1.0f, "gemm: beta {}", beta);
  if (rows == 0 || columns == 0) return;
  ILORA_CHECK(depth > 0, "gemm: {} has no columns", a.describe());
  const Operand oc(c), oa(a), ob(b);
  const bool all_f32 = a.dtype == DType::kF32 && c.dtype == DType::kF32;
  const bool onednn = route == Bf16Route::kOneDnn || (route == Bf16Route::kAuto && native_bf16());
  if (all_f32 || (onednn && a.dtype == DType::kBF16)) {
    run(oc, oa, ob, alpha, beta);
  } else {
    run_expanded(oc, oa, ob, alpha, beta);
  }
}

void install_gemm(Kernels& table, Bf16Products products) {
  if (products == Bf16Products::kNative) {
    table.gemm = [](Tensor c, Tensor a, Tensor b, float alpha, float beta) {
      gemm_with(Bf16Route::kAuto, c, a, b, alpha, beta);
    };
  } else {
    table.gemm = [](Tensor c, Tensor a, Tensor b, float alpha, float beta) {
      gemm_with(Bf16Route::kExpand, c, a, b, alpha, beta);
    };
  }
}

std::string gemm_implementation(Tensor c, Tensor a, Tensor b, float alpha, float beta) {
  return cache().get(Operand(c), Operand(a), Operand(b), alpha, beta, false)->implementation;
}

size_t gemm_primitives() {
  return cache().size();
}

}  // namespace ilora::cpu
