// Operations on rows: embedding, norms, rotary positions, activations, dropout.
#pragma once

#include <cmath>
#include <span>

#include "kernels/reference/cells.h"

namespace ilora::reference {

template <class T>
void embed(Tensor y, Tensor table, std::span<const int32_t> ids) {
  const int64_t width = y.shape[1];
  require_shape("embed", y, {static_cast<int64_t>(ids.size()), width});
  require_shape("embed", table, {table.shape[0], width});
  const Cells<T> cy(y), ct(table);
  for (int64_t n = 0; n < y.shape[0]; ++n) {
    const int32_t id = ids[static_cast<size_t>(n)];
    ILORA_CHECK(id < table.shape[0], "embed: id {} of {}", id, table.shape[0]);
    for (int64_t d = 0; d < width; ++d) cy.set(id < 0 ? Wide<T>(0) : ct.get(id, d), n, d);
  }
}

template <class T>
void rmsnorm(Tensor y, Tensor rstd, Tensor x, Tensor w, double eps) {
  using std::sqrt;
  const int64_t rows = x.shape[0], width = x.shape[1];
  require_shape("rmsnorm", y, {rows, width});
  require_shape("rmsnorm", rstd, {rows});
  require_shape("rmsnorm", w, {width});
  const Cells<T> cy(y), cr(rstd), cx(x), cw(w);
  for (int64_t n = 0; n < rows; ++n) {
    Wide<T> squares = 0;
    for (int64_t d = 0; d < width; ++d) squares += cx.get(n, d) * cx.get(n, d);
    const Wide<T> r = 1.0 / sqrt(squares / static_cast<double>(width) + eps);
    for (int64_t d = 0; d < width; ++d) cy.set(cx.get(n, d) * r * cw.get(d), n, d);
    cr.set(r, n);
  }
}

// y = x r w and dr/dx = -r^3 x / D, so dx = r (dy w) - r^3 x sum(dy w x) / D.
template <class T>
void rmsnorm_backward(Tensor dx, Tensor dy, Tensor x, Tensor w, Tensor rstd) {
  const int64_t rows = x.shape[0], width = x.shape[1];
  require_shape("rmsnorm_backward", dx, {rows, width});
  require_shape("rmsnorm_backward", dy, {rows, width});
  require_shape("rmsnorm_backward", w, {width});
  require_shape("rmsnorm_backward", rstd, {rows});
  const Cells<T> cdx(dx), cdy(dy), cx(x), cw(w), cr(rstd);
  for (int64_t n = 0; n < rows; ++n) {
    const Wide<T> r = cr.get(n);
    Wide<T> inner = 0;
    for (int64_t d = 0; d < width; ++d) inner += cdy.get(n, d) * cw.get(d) * cx.get(n, d);
    const Wide<T> factor = r * r * r * inner / static_cast<double>(width);
    for (int64_t d = 0; d < width; ++d)
      cdx.add(r * cdy.get(n, d) * cw.get(d) - factor * cx.get(n, d), n, d);
  }
}

// Mean and the inverse deviation of a row.
template <class T>
struct RowMoments {
  Wide<T> mean = 0, rstd = 0;
  RowMoments(const Cells<T>& x, int64_t n, int64_t width, double eps) {
    using std::sqrt;
    for (int64_t d = 0; d < width; ++d) mean += x.get(n, d);
    mean /= static_cast<double>(width);
    Wide<T> squares = 0;
    for (int64_t d = 0; d < width; ++d) squares += (x.get(n, d) - mean) * (x.get(n, d) - mean);
    rstd = 1.0 / sqrt(squares / static_cast<double>(width) + eps);
  }
};

template <class T>
void layernorm(Tensor y, Tensor rstd, Tensor x, Tensor w, Tensor b, double eps) {
  const int64_t rows = x.shape[0], width = x.shape[1];
  require_shape("layernorm", y, {rows, width});
  require_shape("layernorm", rstd, {rows});
  require_shape("layernorm", w, {width});
  if (b) require_shape("layernorm", b, {width});
  const Cells<T> cy(y), cr(rstd), cx(x), cw(w), cb(b);
  for (int64_t n = 0; n < rows; ++n) {
    const RowMoments<T> m(cx, n, width, eps);
    for (int64_t d = 0; d < width; ++d) {
      const Wide<T> added = b ? cb.get(d) : Wide<T>(0);
      cy.set((cx.get(n, d) - m.mean) * m.rstd * cw.get(d) + added, n, d);
    }
    cr.set(m.rstd, n);
  }
}

// With z = (x - mean) r and g = dy w: dx = r (g - mean(g) - z mean(g z)).
template <class T>
void layernorm_backward(Tensor dx, Tensor dy, Tensor x, Tensor w, Tensor rstd) {
  const int64_t rows = x.shape[0], width = x.shape[1];
  require_shape("layernorm_backward", dx, {rows, width});
  require_shape("layernorm_backward", dy, {rows, width});
  require_shape("layernorm_backward", w, {width});
  require_shape("layernorm_backward", rstd, {rows});
  const Cells<T> cdx(dx), cdy(dy), cx(x), cw(w), cr(rstd);
  for (int64_t n = 0; n < rows; ++n) {
    const Wide<T> mean = RowMoments<T>(cx, n, width, 1.0).mean, r = cr.get(n);
    Wide<T> sum = 0, inner = 0;
    for (int64_t d = 0; d < width; ++d) {
      const Wide<T> g = cdy.get(n, d) * cw.get(d);
      sum += g;
      inner += g * (cx.get(n, d) - mean) * r;
    }
    sum /= static_cast<double>(width);
    inner /= static_cast<double>(width);
    for (int64_t d = 0; d < width; ++d) {
      const Wide<T> z = (cx.get(n, d) - mean) * r;
      cdx.add(r * (cdy.get(n, d) * cw.get(d) - sum - z * inner), n, d);
    }
  }
}

template <class T>
void add_row(Tensor y, Tensor w) {
  const int64_t rows = y.shape[0], width = y.shape[1];
  require_shape("add_row", y, {rows, width});
  require_shape("add_row", w, {width});
  const Cells<T> cy(y), cw(w);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t d = 0; d < width; ++d) cy.add(cw.get(d), n, d);
  }
}

// A rotation, whose transpose (its gradient) is the rotation by the opposite angle.
template <class T, bool kPairs>
void turn(const char* op, Tensor y, Tensor x, Tensor cos, Tensor sin,
          std::span<const int32_t> positions, bool inverse) {
  const int64_t rows = x.shape[0], heads = x.shape[1], half = x.shape[2] / 2;
  require_shape(op, x, {static_cast<int64_t>(positions.size()), heads, 2 * half});
  require_shape(op, y, {rows, heads, 2 * half});
  require_shape(op, cos, {cos.shape[0], half});
  require_shape(op, sin, {cos.shape[0], half});
  const Cells<T> cy(y), cx(x), cc(cos), cs(sin);
  for (int64_t n = 0; n < rows; ++n) {
    const int32_t position = positions[static_cast<size_t>(n)];
    ILORA_CHECK(position >= 0 && position < cos.shape[0], "{}: position {} of {}", op, position,
                cos.shape[0]);
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t i = 0; i < half; ++i) {
        const Wide<T> c = cc.get(position, i),
                      s = inverse ? -cs.get(position, i) : cs.get(position, i);
        const int64_t at = kPairs ? 2 * i : i, other = kPairs ? at + 1 : i + half;
        const Wide<T> first = cx.get(n, h, at), second = cx.get(n, h, other);
        cy.set(first * c - second * s, n, h, at);
        cy.set(second * c + first * s, n, h, other);
      }
    }
  }
}
template <class T>
void rope(Tensor y, Tensor x, Tensor cos, Tensor sin, std::span<const int32_t> positions,
          bool inverse) {
  turn<T, false>("rope", y, x, cos, sin, positions, inverse);
}
template <class T>
void rope_pairs(Tensor y, Tensor x, Tensor cos, Tensor sin, std::span<const int32_t> positions,
                bool inverse) {
  turn<T, true>("rope_pairs", y, x, cos, sin, positions, inverse);
}

template <class W>
W sigmoid(W x) {
  using std::exp;
  return 1.0 / (1.0 + exp(-x));
}

template <class T>
void swiglu(Tensor y, Tensor gate, Tensor up) {
  const int64_t rows = gate.shape[0], width = gate.shape[1];
  require_shape("swiglu", y, {rows, width});
  require_shape("swiglu", up, {rows, width});
  const Cells<T> cy(y), cg(gate), cu(up);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t f = 0; f < width; ++f) {
      const Wide<T> g = cg.get(n, f);
      cy.set(g * sigmoid(g) * cu.get(n, f), n, f);
    }
  }
}

// silu(g) = g s with s = sigmoid(g), s' = s (1 - s).
template <class T>
void swiglu_backward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up) {
  const int64_t rows = gate.shape[0], width = gate.shape[1];
  for (const Tensor& t : {dgate, dup, dy, up}) require_shape("swiglu_backward", t, {rows, width});
  const Cells<T> cdg(dgate), cdu(dup), cdy(dy), cg(gate), cu(up);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t f = 0; f < width; ++f) {
      const Wide<T> g = cg.get(n, f), u = cu.get(n, f), d = cdy.get(n, f), s = sigmoid(g);
      cdu.set(d * g * s, n, f);
      cdg.set(d * u * s * (1.0 + g * (1.0 - s)), n, f);
    }
  }
}

// gelu(g) = g s with s = sigmoid(z), z = 2 sqrt(2/pi) (g + 0.044715 g^3): (1 + tanh(a)) / 2 is
// sigmoid(2 a). s' = s (1 - s) z'.
template <class W>
struct Gelu {
  W s, slope;
  explicit Gelu(W g) {
    constexpr double kTwice = 1.5957691216057308, kCubic = 0.044715;
    using std::exp;
    const W z = kTwice * (g + kCubic * g * g * g);
    // z is far from 0 soon; of the exponential that does not overflow, which complex steps need.
    s = real_part(z) < 0 ? exp(z) / (1.0 + exp(z)) : sigmoid<W>(z);
    slope = s + g * s * (1.0 - s) * kTwice * (1.0 + 3.0 * kCubic * g * g);
  }
};

template <class T>
void geglu(Tensor y, Tensor gate, Tensor up) {
  const int64_t rows = gate.shape[0], width = gate.shape[1];
  require_shape("geglu", y, {rows, width});
  require_shape("geglu", up, {rows, width});
  const Cells<T> cy(y), cg(gate), cu(up);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t f = 0; f < width; ++f) {
      const Wide<T> g = cg.get(n, f);
      cy.set(g * Gelu<Wide<T>>(g).s * cu.get(n, f), n, f);
    }
  }
}

template <class T>
void geglu_backward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up) {
  const int64_t rows = gate.shape[0], width = gate.shape[1];
  for (const Tensor& t : {dgate, dup, dy, up}) require_shape("geglu_backward", t, {rows, width});
  const Cells<T> cdg(dgate), cdu(dup), cdy(dy), cg(gate), cu(up);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t f = 0; f < width; ++f) {
      const Wide<T> g = cg.get(n, f), u = cu.get(n, f), d = cdy.get(n, f);
      const Gelu<Wide<T>> gelu(g);
      cdu.set(d * g * gelu.s, n, f);
      cdg.set(d * u * gelu.slope, n, f);
    }
  }
}

template <class T>
void gelu(Tensor y, Tensor x) {
  const int64_t rows = x.shape[0], width = x.shape[1];
  require_shape("gelu", y, {rows, width});
  const Cells<T> cy(y), cx(x);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t f = 0; f < width; ++f) {
      const Wide<T> g = cx.get(n, f);
      cy.set(g * Gelu<Wide<T>>(g).s, n, f);
    }
  }
}

template <class T>
void gelu_backward(Tensor dx, Tensor dy, Tensor x) {
  const int64_t rows = x.shape[0], width = x.shape[1];
  for (const Tensor& t : {dx, dy}) require_shape("gelu_backward", t, {rows, width});
  const Cells<T> cdx(dx), cdy(dy), cx(x);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t f = 0; f < width; ++f)
      cdx.set(cdy.get(n, f) * Gelu<Wide<T>>(cx.get(n, f)).slope, n, f);
  }
}

template <class T>
void soft_cap(Tensor y, double cap) {
  using std::tanh;
  const Cells<T> cy(y);
  for (int64_t n = 0; n < y.shape[0]; ++n) {
    for (int64_t d = 0; d < y.shape[1]; ++d) cy.set(cap * tanh(cy.get(n, d) / cap), n, d);
  }
}

template <class T>
void soft_cap_backward(Tensor dy, Tensor y, double cap) {
  require_shape("soft_cap_backward", dy, {y.shape[0], y.shape[1]});
  const Cells<T> cdy(dy), cy(y);
  for (int64_t n = 0; n < y.shape[0]; ++n) {
    for (int64_t d = 0; d < y.shape[1]; ++d) {
      const Wide<T> t = cy.get(n, d) / cap;
      cdy.set(cdy.get(n, d) * (1.0 - t * t), n, d);
    }
  }
}

template <class T>
void dropout(Tensor y, Tensor x, std::span<const uint64_t> row_keys, double p) {
  const int64_t rows = x.shape[0], width = x.shape[1];
  require_shape("dropout", x, {static_cast<int64_t>(row_keys.size()), width});
  require_shape("dropout", y, {rows, width});
  const Cells<T> cy(y), cx(x);
  const double factor = 1.0 / (1.0 - p);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t d = 0; d < width; ++d) {
      const bool keep = dropout_keep(row_keys[static_cast<size_t>(n)], d, p);
      cy.set(keep ? cx.get(n, d) * factor : Wide<T>(0), n, d);
    }
  }
}

template <class T>
constexpr void install_rows(Kernels& table) {
  table.embed = embed<T>;
  table.rmsnorm = rmsnorm<T>;
  table.rmsnorm_backward = rmsnorm_backward<T>;
  table.layernorm = layernorm<T>;
  table.layernorm_backward = layernorm_backward<T>;
  table.add_row = add_row<T>;
  table.rope = rope<T>;
  table.rope_pairs = rope_pairs<T>;
  table.swiglu = swiglu<T>;
  table.swiglu_backward = swiglu_backward<T>;
  table.geglu = geglu<T>;
  table.geglu_backward = geglu_backward<T>;
  table.gelu = gelu<T>;
  table.gelu_backward = gelu_backward<T>;
  table.soft_cap = soft_cap<T>;
  table.soft_cap_backward = soft_cap_backward<T>;
  table.dropout = dropout<T>;
}

}  // namespace ilora::reference
