// Row operations of the fast table: embedding, norm, rotary positions, activations, dropout.
// Contracts: kernels.h.
//
// Compiled once per instruction set (Highway); a call is dispatched once, then cut into chunks of
// rows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rows.cpp"  // NOLINT
#include <hwy/foreach_target.h>
// foreach_target.h first
#include <hwy/highway.h>

#include <cmath>

#include "base/parallel.h"
#include "base/random.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

void convert_rows(void* y, DType y_type, int64_t y_stride, const void* x, DType x_type,
                  int64_t x_stride, int64_t rows, int64_t columns) {
  Tensor to(y, y_type, {rows, columns}), from(const_cast<void*>(x), x_type, {rows, columns});
  const bool copy = y_type == x_type;
  const auto bytes = static_cast<size_t>(dtype_bytes(x_type, columns));
  parallel_for(rows, rows_per_chunk(columns), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t r = begin; r < end; ++r) {
      const Row a(from, r * x_stride), b(to, r * y_stride);
      if (copy) {
        memcpy(b.data, a.data, bytes);
      } else if (a.bf16) {
        expand(static_cast<const BFloat16*>(a.data), static_cast<float*>(b.data), columns);
      } else {
        round_off(static_cast<const float*>(a.data), static_cast<BFloat16*>(b.data), columns);
      }
    }
  });
}

void embed(Tensor y, Tensor table, const int32_t* ids) {
  const int64_t width = y.shape[1];
  parallel_for(y.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      float* out = y.ptr<float>() + n * y.stride[0];
      ILORA_CHECK(ids[n] < table.shape[0], "embed: id {} of {}", ids[n], table.shape[0]);
      if (ids[n] < 0) {
        memset(out, 0, static_cast<size_t>(width) * sizeof(float));
        continue;
      }
      const Row row(table, ids[n] * table.stride[0]);
      const float* values = row.read(0, width, out);
      if (values != out) memcpy(out, values, static_cast<size_t>(width) * sizeof(float));
    }
  });
}

void add_row(Tensor y, const float* w) {
  const int64_t width = y.shape[1], step = lanes();
  parallel_for(y.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      float* out = y.ptr<float>() + n * y.stride[0];
      for (int64_t i = 0; i < width; i += step) {
        store(hn::Add(load(out + i, width - i), load(w + i, width - i)), out + i, width - i);
      }
    }
  });
}

HWY_INLINE float row_dot(const float* a, const float* b, int64_t n) {
  const DF d;
  const int64_t step = lanes();
  VF s0 = hn::Zero(d), s1 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * step <= n; i += 2 * step) {
    s0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), s0);
    s1 = hn::MulAdd(hn::LoadU(d, a + i + step), hn::LoadU(d, b + i + step), s1);
  }
  for (; i < n; i += step) s0 = hn::MulAdd(load(a + i, n - i), load(b + i, n - i), s0);
  return sum(hn::Add(s0, s1));
}

void rmsnorm(Tensor y, Tensor rstd, Tensor x, Tensor w, double eps) {
  const DF d;
  const int64_t width = x.shape[1], step = lanes();
  const float* weight = w.ptr<float>();
  parallel_for(x.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    HWY_ALIGN float buffer[kBlock];
    for (int64_t n = begin; n < end; ++n) {
      const float* in = x.ptr<float>() + n * x.stride[0];
      const double mean = static_cast<double>(row_dot(in, in, width)) / static_cast<double>(width);
      const auto r = static_cast<float>(1.0 / std::sqrt(mean + eps));
      rstd.ptr<float>()[n * rstd.stride[0]] = r;
      const Row row(y, n * y.stride[0]);
      for (int64_t i = 0; i < width; i += kBlock) {
        const int64_t count = HWY_MIN(kBlock, width - i);
        float* out = row.target(i, buffer);
        for (int64_t j = 0; j < count; j += step) {
          const VF v = hn::Mul(load(in + i + j, count - j), hn::Set(d, r));
          store(hn::Mul(v, load(weight + i + j, count - j)), out + j, count - j);
        }
        row.done(i, count, buffer);
      }
    }
  });
}

// dx += r (dy w) - r^3 x sum(dy w x) / D.
void rmsnorm_backward(Tensor dx, Tensor dy, Tensor x, Tensor w, Tensor rstd) {
  const DF d;
  const int64_t width = x.shape[1], step = lanes();
  const float* weight = w.ptr<float>();
  parallel_for(x.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      const float* in = x.ptr<float>() + n * x.stride[0];
      const float* grad = dy.ptr<float>() + n * dy.stride[0];
      float* out = dx.ptr<float>() + n * dx.stride[0];
      const float r = rstd.ptr<float>()[n * rstd.stride[0]];
      VF inner = hn::Zero(d);
      for (int64_t i = 0; i < width; i += step) {
        const VF gw = hn::Mul(load(grad + i, width - i), load(weight + i, width - i));
        inner = hn::MulAdd(gw, load(in + i, width - i), inner);
      }
      const VF factor = hn::Set(d, r * r * r * sum(inner) / static_cast<float>(width));
      const VF scale = hn::Set(d, r);
      for (int64_t i = 0; i < width; i += step) {
        const VF gw = hn::Mul(load(grad + i, width - i), load(weight + i, width - i));
        const VF v = hn::MulAdd(scale, gw, load(out + i, width - i));
        store(hn::NegMulAdd(factor, load(in + i, width - i), v), out + i, width - i);
      }
    }
  });
}

// One head: (a, b) turns to (a c - b s, b c + a s).
HWY_INLINE void rotate(const Row& y, const Row& x, const float* cos, const float* sin, float sign,
                       int64_t half) {
  const DF d;
  const int64_t step = lanes();
  HWY_ALIGN float in[2][kBlock];
  HWY_ALIGN float out[2][kBlock];
  for (int64_t i = 0; i < half; i += kBlock) {
    const int64_t count = HWY_MIN(kBlock, half - i);
    const float* a = x.read(i, count, in[0]);
    const float* b = x.read(half + i, count, in[1]);
    float* first = y.target(i, out[0]);
    float* second = y.target(half + i, out[1]);
    for (int64_t j = 0; j < count; j += step) {
      const int64_t m = count - j;
      const VF c = load(cos + i + j, m), s = hn::Mul(load(sin + i + j, m), hn::Set(d, sign));
      const VF va = load(a + j, m), vb = load(b + j, m);
      store(hn::NegMulAdd(vb, s, hn::Mul(va, c)), first + j, m);
      store(hn::MulAdd(va, s, hn::Mul(vb, c)), second + j, m);
    }
    y.done(i, count, out[0]);
    y.done(half + i, count, out[1]);
  }
}

void rope(Tensor y, Tensor x, Tensor cos, Tensor sin, const int32_t* positions, bool inverse) {
  const int64_t heads = x.shape[1], half = x.shape[2] / 2;
  parallel_for(
      x.shape[0], rows_per_chunk(heads * half * 2), [&](int64_t begin, int64_t end) HWY_ATTR {
        for (int64_t n = begin; n < end; ++n) {
          const int64_t p = positions[n];
          ILORA_CHECK(p >= 0 && p < cos.shape[0], "rope: position {} of {}", p, cos.shape[0]);
          const float* c = cos.ptr<float>() + p * cos.stride[0];
          const float* s = sin.ptr<float>() + p * sin.stride[0];
          for (int64_t h = 0; h < heads; ++h) {
            rotate(Row(y, n * y.stride[0] + h * y.stride[1]),
                   Row(x, n * x.stride[0] + h * x.stride[1]), c, s, inverse ? -1.0f : 1.0f, half);
          }
        }
      });
}

// Activations g s of gated layers: s, and the slope of g s.
struct Silu {  // s = sigmoid(g); the slope is s (1 + g (1 - s))
  static HWY_INLINE VF factor(VF g) { return sigmoid(g); }
  static HWY_INLINE VF slope(VF g, VF s) {
    const VF one = hn::Set(DF(), 1.0f);
    return hn::Mul(s, hn::MulAdd(g, hn::Sub(one, s), one));
  }
};
struct
    Gelu {  // s = sigmoid(z), z = 2 sqrt(2/pi) (g + 0.044715 g^3); the slope is s (1 + g (1 - s) z')
  static constexpr float kTwice = 1.5957691216057308f, kCubic = 0.044715f;
  static HWY_INLINE VF factor(VF g) {
    const DF d;
    const VF inner = hn::MulAdd(hn::Mul(g, g), hn::Set(d, kTwice * kCubic), hn::Set(d, kTwice));
    return sigmoid(hn::Mul(g, inner));
  }
  static HWY_INLINE VF slope(VF g, VF s) {
    const DF d;
    const VF one = hn::Set(d, 1.0f);
    const VF dz = hn::MulAdd(hn::Mul(g, g), hn::Set(d, 3.0f * kTwice * kCubic), hn::Set(d, kTwice));
    return hn::Mul(s, hn::MulAdd(hn::Mul(g, dz), hn::Sub(one, s), one));
  }
};

template <class Act, class G>
HWY_INLINE VF gated_at(const G* gate, const G* up, int64_t n) {
  const VF v = load(gate, n);
  return hn::Mul(hn::Mul(v, Act::factor(v)), load(up, n));
}

template <class Act, class Y, class G>
HWY_INLINE void gated_row(Y* y, const G* gate, const G* up, int64_t width) {
  const int64_t step = lanes();
  int64_t i = 0;
  for (; i + 2 * step <= width; i += 2 * step) {
    store_two(gated_at<Act>(gate + i, up + i, step),
              gated_at<Act>(gate + i + step, up + i + step, step), y + i);
  }
  for (; i < width; i += step) store(gated_at<Act>(gate + i, up + i, width - i), y + i, width - i);
}

template <class Act>
HWY_INLINE void gated(Tensor y, Tensor gate, Tensor up) {
  const int64_t width = gate.shape[1];
  parallel_for(gate.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      const Row row_y(y, n * y.stride[0]), row_g(gate, n * gate.stride[0]),
          row_u(up, n * up.stride[0]);
      row_y.typed([&](auto* out) HWY_ATTR {
        row_g.typed([&](auto* g) HWY_ATTR {
          gated_row<Act>(out, g, static_cast<decltype(g)>(row_u.data), width);
        });
      });
    }
  });
}

void swiglu(Tensor y, Tensor gate, Tensor up) {
  gated<Silu>(y, gate, up);
}
void geglu(Tensor y, Tensor gate, Tensor up) {
  gated<Gelu>(y, gate, up);
}

struct GatedGradient {
  VF gate, up;
};

template <class Act, class G>
HWY_INLINE GatedGradient gated_gradient_at(const float* dy, const G* gate, const G* up, int64_t n) {
  const VF v = load(gate, n), t = load(dy, n), s = Act::factor(v);
  const VF slope = Act::slope(v, s);
  return {hn::Mul(hn::Mul(t, load(up, n)), slope), hn::Mul(t, hn::Mul(v, s))};
}

template <class Act, class D, class G>
HWY_INLINE void gated_backward_row(D* dgate, D* dup, const float* dy, const G* gate, const G* up,
                                   int64_t width) {
  const int64_t step = lanes();
  int64_t i = 0;
  for (; i + 2 * step <= width; i += 2 * step) {
    const GatedGradient a = gated_gradient_at<Act>(dy + i, gate + i, up + i, step);
    const GatedGradient b =
        gated_gradient_at<Act>(dy + i + step, gate + i + step, up + i + step, step);
    store_two(a.gate, b.gate, dgate + i);
    store_two(a.up, b.up, dup + i);
  }
  for (; i < width; i += step) {
    const GatedGradient a = gated_gradient_at<Act>(dy + i, gate + i, up + i, width - i);
    store(a.gate, dgate + i, width - i);
    store(a.up, dup + i, width - i);
  }
}

template <class Act>
HWY_INLINE void gated_backward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up) {
  const int64_t width = gate.shape[1];
  parallel_for(gate.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      const Row row_dg(dgate, n * dgate.stride[0]), row_du(dup, n * dup.stride[0]);
      const Row row_g(gate, n * gate.stride[0]), row_u(up, n * up.stride[0]);
      const float* grad = dy.ptr<float>() + n * dy.stride[0];
      row_dg.typed([&](auto* dg) HWY_ATTR {
        row_g.typed([&](auto* g) HWY_ATTR {
          gated_backward_row<Act>(dg, static_cast<decltype(dg)>(row_du.data), grad, g,
                                  static_cast<decltype(g)>(row_u.data), width);
        });
      });
    }
  });
}

void swiglu_backward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up) {
  gated_backward<Silu>(dgate, dup, dy, gate, up);
}
void geglu_backward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up) {
  gated_backward<Gelu>(dgate, dup, dy, gate, up);
}

template <class Y, class X>
HWY_INLINE void gelu_row(Y* y, const X* x, int64_t width) {
  for (int64_t i = 0; i < width; i += lanes()) {
    const VF v = load(x + i, width - i);
    store(hn::Mul(v, Gelu::factor(v)), y + i, width - i);
  }
}
template <class D, class X>
HWY_INLINE void gelu_backward_row(D* dx, const float* dy, const X* x, int64_t width) {
  for (int64_t i = 0; i < width; i += lanes()) {
    const VF v = load(x + i, width - i);
    const VF slope = Gelu::slope(v, Gelu::factor(v));
    store(hn::Mul(load(dy + i, width - i), slope), dx + i, width - i);
  }
}

// y is the result of x, or, with a dy, the gradient of x.
void gelu(Tensor y, const Tensor* dy, Tensor x) {
  const int64_t width = x.shape[1];
  parallel_for(x.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      const Row row_y(y, n * y.stride[0]), row_x(x, n * x.stride[0]);
      const float* grad = dy == nullptr ? nullptr : dy->ptr<float>() + n * dy->stride[0];
      row_y.typed([&](auto* out) HWY_ATTR {
        row_x.typed([&](auto* in) HWY_ATTR {
          if (grad == nullptr) {
            gelu_row(out, in, width);
          } else {
            gelu_backward_row(out, grad, in, width);
          }
        });
      });
    }
  });
}

// The mask of dropout_keep(), written out so that the compiler can vectorise the hash.
void dropout(Tensor y, Tensor x, const uint64_t* row_keys, double p) {
  const int64_t width = x.shape[1];
  const auto threshold = static_cast<uint32_t>(std::ceil(p * 0x1p24));
  const auto factor = static_cast<float>(1.0 / (1.0 - p));
  parallel_for(x.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    HWY_ALIGN float in[kBlock];
    HWY_ALIGN float out[kBlock];
    for (int64_t n = begin; n < end; ++n) {
      const Row row_y(y, n * y.stride[0]), row_x(x, n * x.stride[0]);
      const uint64_t key = row_keys[n];
      for (int64_t i = 0; i < width; i += kBlock) {
        const int64_t count = HWY_MIN(kBlock, width - i);
        const float* values = row_x.read(i, count, in);
        for (int64_t j = 0; j < count; ++j) {
          const uint64_t hash = hash_combine(key, static_cast<uint64_t>(i + j));
          out[j] = static_cast<uint32_t>(hash >> 40) >= threshold ? values[j] * factor : 0.0f;
        }
        if (row_y.bf16) {
          row_y.done(i, count, out);
        } else {
          memcpy(row_y.target(i, nullptr), out, static_cast<size_t>(count) * sizeof(float));
        }
      }
    }
  });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ilora::cpu {

HWY_EXPORT(convert_rows);
HWY_EXPORT(embed);
HWY_EXPORT(rmsnorm);
HWY_EXPORT(rmsnorm_backward);
HWY_EXPORT(add_row);
HWY_EXPORT(rope);
HWY_EXPORT(swiglu);
HWY_EXPORT(swiglu_backward);
HWY_EXPORT(geglu);
HWY_EXPORT(geglu_backward);
HWY_EXPORT(gelu);
HWY_EXPORT(dropout);

void convert_rows(void* y, DType y_type, int64_t y_stride, const void* x, DType x_type,
                  int64_t x_stride, int64_t rows, int64_t columns) {
  HWY_DYNAMIC_DISPATCH(convert_rows)(y, y_type, y_stride, x, x_type, x_stride, rows, columns);
}

namespace {

// A matrix (or rows of heads) of `rows` rows with a contiguous last dimension.
void require_rows(const char* op, const Tensor& t, int64_t rows, int64_t width) {
  const auto last = static_cast<size_t>(t.rank - 1);
  ILORA_CHECK(t.rank >= 2 && t.shape[0] == rows && t.shape[last] == width &&
                  (t.stride[last] == 1 || width == 1),
              "{}: unexpected {}", op, t.describe());
}
void require_vector(const char* op, const Tensor& t, int64_t size) {
  ILORA_CHECK(t.rank == 1 && t.shape[0] == size, "{}: unexpected {}", op, t.describe());
}

void embed(Tensor y, Tensor table, std::span<const int32_t> ids) {
  require_rows("embed", y, static_cast<int64_t>(ids.size()), y.shape[1]);
  require_rows("embed", table, table.shape[0], y.shape[1]);
  HWY_DYNAMIC_DISPATCH(embed)(y, table, ids.data());
}

void rmsnorm(Tensor y, Tensor rstd, Tensor x, Tensor w, double eps) {
  require_rows("rmsnorm", y, x.shape[0], x.shape[1]);
  require_vector("rmsnorm", rstd, x.shape[0]);
  require_vector("rmsnorm", w, x.shape[1]);
  HWY_DYNAMIC_DISPATCH(rmsnorm)(y, rstd, x, w, eps);
}

void rmsnorm_backward(Tensor dx, Tensor dy, Tensor x, Tensor w, Tensor rstd) {
  require_rows("rmsnorm_backward", dx, x.shape[0], x.shape[1]);
  require_rows("rmsnorm_backward", dy, x.shape[0], x.shape[1]);
  require_vector("rmsnorm_backward", rstd, x.shape[0]);
  require_vector("rmsnorm_backward", w, x.shape[1]);
  HWY_DYNAMIC_DISPATCH(rmsnorm_backward)(dx, dy, x, w, rstd);
}

void add_row(Tensor y, Tensor w) {
  require_rows("add_row", y, y.shape[0], w.shape[0]);
  require_vector("add_row", w, y.shape[1]);
  HWY_DYNAMIC_DISPATCH(add_row)(y, w.ptr<float>());
}

void rope(Tensor y, Tensor x, Tensor cos, Tensor sin, std::span<const int32_t> positions,
          bool inverse) {
  const auto rows = static_cast<int64_t>(positions.size());
  require_rows("rope", x, rows, x.shape[2]);
  require_rows("rope", y, rows, x.shape[2]);
  require_rows("rope", cos, cos.shape[0], x.shape[2] / 2);
  require_rows("rope", sin, cos.shape[0], x.shape[2] / 2);
  ILORA_CHECK(y.shape[1] == x.shape[1] && x.shape[2] % 2 == 0, "rope: {} to {}", x.describe(),
              y.describe());
  HWY_DYNAMIC_DISPATCH(rope)(y, x, cos, sin, positions.data(), inverse);
}

void require_gated(const char* op, const Tensor& gate, std::initializer_list<Tensor> others) {
  for (const Tensor& t : others) require_rows(op, t, gate.shape[0], gate.shape[1]);
}

void swiglu(Tensor y, Tensor gate, Tensor up) {
  require_gated("swiglu", gate, {y, up});
  HWY_DYNAMIC_DISPATCH(swiglu)(y, gate, up);
}
void geglu(Tensor y, Tensor gate, Tensor up) {
  require_gated("geglu", gate, {y, up});
  HWY_DYNAMIC_DISPATCH(geglu)(y, gate, up);
}

void swiglu_backward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up) {
  require_gated("swiglu_backward", gate, {dgate, dup, dy, up});
  HWY_DYNAMIC_DISPATCH(swiglu_backward)(dgate, dup, dy, gate, up);
}
void geglu_backward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up) {
  require_gated("geglu_backward", gate, {dgate, dup, dy, up});
  HWY_DYNAMIC_DISPATCH(geglu_backward)(dgate, dup, dy, gate, up);
}

void gelu(Tensor y, Tensor x) {
  require_gated("gelu", x, {y});
  HWY_DYNAMIC_DISPATCH(gelu)(y, nullptr, x);
}
void gelu_backward(Tensor dx, Tensor dy, Tensor x) {
  require_gated("gelu_backward", x, {dx, dy});
  HWY_DYNAMIC_DISPATCH(gelu)(dx, &dy, x);
}

void dropout(Tensor y, Tensor x, std::span<const uint64_t> row_keys, double p) {
  require_rows("dropout", x, static_cast<int64_t>(row_keys.size()), x.shape[1]);
  require_rows("dropout", y, x.shape[0], x.shape[1]);
  ILORA_CHECK(p >= 0 && p < 1, "dropout probability {}", p);
  HWY_DYNAMIC_DISPATCH(dropout)(y, x, row_keys.data(), p);
}

}  // namespace

void install_rows(Kernels& table) {
  table.embed = embed;
  table.rmsnorm = rmsnorm;
  table.rmsnorm_backward = rmsnorm_backward;
  table.add_row = add_row;
  table.rope = rope;
  table.swiglu = swiglu;
  table.swiglu_backward = swiglu_backward;
  table.geglu = geglu;
  table.geglu_backward = geglu_backward;
  table.gelu = gelu;
  table.gelu_backward = gelu_backward;
  table.dropout = dropout;
}

}  // namespace ilora::cpu
#endif  // HWY_ONCE
