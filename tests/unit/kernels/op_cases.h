// Every operation of two tables, run on the same inputs over many shapes: odd sizes, tails that are
// no multiple of a vector, row strides larger than the width, misaligned first elements, transposed
// GEMM views, in-place calls, rows that are padding. Used by the tests of the reference, of the
// fast tables and of `check`.
//
//   for (const OpError& e : compare_tables(cpu_kernels(), reference_kernels(DType::kF32),
//   DType::kBF16))
//     EXPECT_LE(e.max_error, operation_tolerance(e.op, e.input, e.output)) << e.op << " " <<
//     e.worst;
#pragma once

#include <cmath>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/unit/kernels/block.h"
#include "tests/unit/kernels/table_comparison.h"

namespace ilora::test {

class OpCases : public TableComparison {
 public:
  // Both tables have T = F32. `g` is F32 or BF16.
  OpCases(const Kernels& judged, const Kernels& reference, DType g)
      : TableComparison(judged, reference), types_{DType::kF32} {
    if (g != DType::kF32) types_.push_back(g);
  }

  void all() {
    gemm();
    expand();
    stored_product();
    byte_product();
    embed();
    rmsnorm();
    layernorm();
    rope();
    gated();
    gelu();
    soft_cap();
    dropout();
    attention();
    losses();
    vectors();
  }

  void gemm() {
    constexpr int64_t kShapes[][3] = {{1, 1, 1},     {3, 5, 7},     {17, 33, 49},  {65, 100, 192},
                                      {1, 200, 576}, {31, 8, 576},  {8, 576, 130}, {576, 8, 33},
                                      {2, 1536, 64}, {64, 48, 320}, {100, 17, 16}, {67, 33, 500},
                                      {1, 33, 70},   {33, 1, 70},   {257, 8, 40}};
    for (const auto& s : kShapes) {
      for (int variant = 0; variant < 8; ++variant) {
        const bool ta = variant & 1, tb = variant & 2, more = variant & 4;
        for (const DType in : types_) {
          for (const DType out : types_) {
            if (in == DType::kF32 && out != DType::kF32) continue;
            const int64_t pad = more ? 5 : 0;
            const Block a = ta ? Block(in, {s[2], s[0]}, pad, 1) : Block(in, {s[0], s[2]}, pad, 1);
            const Block b = tb ? Block(in, {s[1], s[2]}, pad, 2) : Block(in, {s[2], s[1]}, pad, 2);
            const Block c(out, {s[0], s[1]}, pad, 3);
            const float alpha = (variant + s[0]) % 3 == 0 ? 0.5f : 1.0f;
            const float beta = (variant + s[1]) % 2 == 0 ? 1.0f : 0.0f;
            Tensor at = ta ? a.view().transposed() : a.view(),
                   bt = tb ? b.view().transposed() : b.view();
            compare("gemm", in, {&c},
                    fmt::format("M {} N {} K {} ta {} tb {} alpha {} beta {} pad {}", s[0], s[1],
                                s[2], ta, tb, alpha, beta, pad),
                    [&](const Kernels& k, const std::vector<Tensor>& o) {
                      k.gemm(o[0], at, bt, alpha, beta);
                    });
          }
        }
      }
    }
  }

  // Random blocks whose halves are finite, at an odd address; rows in order and in another one.
  void expand() {
    constexpr DType kStored[] = {
        DType::kF32,  DType::kF16,    DType::kBF16,   DType::kQ8_0,  DType::kQ4_0, DType::kQ4_1,
        DType::kQ5_0, DType::kQ5_1,   DType::kQ4_K,   DType::kQ5_K,  DType::kQ6_K, DType::kQ2_K,
        DType::kQ3_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kTQ1_0, DType::kTQ2_0};
    constexpr int64_t kShapes[][2] = {{1, 32},    {7, 64},  {33, 96},  {5, 1056},
                                      {130, 576}, {3, 256}, {70, 1280}};
    for (const auto& s : kShapes) {
      for (const DType stored : kStored) {
        if (s[1] % dtype_block(stored) != 0) continue;
        const StoredBlock block(stored, s[0], s[1]);
        const Tensor x = block.view();
        std::vector<int32_t> rows(static_cast<size_t>(s[0]));
        for (size_t i = 0; i < rows.size(); ++i)
          rows[i] = i % 5 == 3 ? -1 : static_cast<int32_t>(rows.size() - 1 - i);
        for (const DType out : types_) {
          for (const int64_t pad : {0, 3}) {
            const Block y(out, {s[0], s[1]}, pad, 2);
            compare("expand", stored, {&y}, row_case(s[0], s[1], pad),
                    [&](const Kernels& k, const std::vector<Tensor>& o) { k.expand(o[0], x, {}); });
            compare(
                "expand", stored, {&y}, row_case(s[0], s[1], pad) + " by a map",
                [&](const Kernels& k, const std::vector<Tensor>& o) { k.expand(o[0], x, rows); });
          }
        }
      }
    }
  }

  // Some rows by stored ones, in order and in another order; outputs that fill no panel.
  void stored_product() {
    constexpr int64_t kShapes[][3] = {{1, 16, 32}, {3, 33, 64},    {16, 40, 576},
                                      {2, 5, 256}, {21, 50, 1280}, {7, 130, 512}};
    for (const auto& s : kShapes) {
      for (const DType stored : kBlockTypes) {
        if (s[2] % dtype_block(stored) != 0) continue;
        const StoredBlock w(stored, s[1], s[2]);
        std::vector<int32_t> rows(static_cast<size_t>(s[1]));
        for (size_t i = 0; i < rows.size(); ++i)
          rows[i] = static_cast<int32_t>((i * 7 + 3) % rows.size());
        for (const DType in : types_) {
          for (const DType out : types_) {
            const int64_t pad = in == out ? 3 : 0;
            const Block x(in, {s[0], s[2]}, pad, 1), c(out, {s[0], s[1]}, pad, 2, 30.0);
            for (const float beta : {0.0f, 1.0f}) {
              compare("stored_product", in, {&c},
                      fmt::format("{} N {} M {} K {} beta {}", dtype_name(stored), s[0], s[1], s[2],
                                  beta),
                      [&](const Kernels& k, const std::vector<Tensor>& o) {
                        k.stored_product(
                            o[0], x.view(), w.view(),
                            beta == 0 ? std::span<const int32_t>(rows) : std::span<const int32_t>(),
                            1.5f, beta);
                      });
            }
          }
        }
      }
    }
  }

  // Rows that fill no tile, outputs that fill no panel, depths that fill no block; w plain and
  // transposed.
  void byte_product() {
    constexpr int64_t kShapes[][3] = {{1, 1, 1},     {3, 33, 64},   {7, 64, 65},    {13, 130, 100},
                                      {6, 200, 576}, {100, 65, 33}, {200, 576, 192}};
    for (const auto& s : kShapes) {
      for (const DType in : types_) {
        for (const DType out : types_) {
          const int64_t pad = in == out ? 3 : 0;
          const Block x(in, {s[0], s[2]}, pad, 1), c(out, {s[0], s[1]}, pad, 2);
          const Block plain(in, {s[1], s[2]}, 0, 3), across(in, {s[2], s[1]}, 0, 3);
          for (const float beta : {0.0f, 1.0f}) {
            const ByteMatrix w(beta == 0 ? plain.view() : across.view().transposed());
            compare("byte_product", in, {&c},
                    fmt::format("N {} M {} K {} beta {}", s[0], s[1], s[2], beta),
                    [&](const Kernels& k, const std::vector<Tensor>& o) {
                      k.byte_product(o[0], x.view(), w, 1.5f, beta);
                    });
          }
        }
      }
    }
  }

  void embed() {
    for_rows([&](int64_t n, int64_t d, int64_t pad, DType in) {
      const Block table(in, {13, d}, pad, 1);
      const Block y(DType::kF32, {n, d}, pad, 2);
      std::vector<int32_t> ids(static_cast<size_t>(n));
      for (size_t i = 0; i < ids.size(); ++i)
        ids[i] = i % 5 == 3 ? -1 : static_cast<int32_t>((i * 7) % 13);
      compare("embed", in, {&y}, row_case(n, d, pad),
              [&](const Kernels& k, const std::vector<Tensor>& o) {
                k.embed(o[0], table.view(), ids);
              });
    });
  }

  void rmsnorm() {
    for_rows([&](int64_t n, int64_t d, int64_t pad, DType out) {
      Block x(DType::kF32, {n, d}, pad, 1, 3.0);
      if (n > 2) x.fill_row(1, 0.0);
      const Block w(DType::kF32, {d}, 0, 2), dy(DType::kF32, {n, d}, pad, 3);
      const Block y(out, {n, d}, pad, 4), rstd(DType::kF32, {n}, 0, 5),
          dx(DType::kF32, {n, d}, pad, 6);
      compare("rmsnorm", DType::kF32, {&y, &rstd}, row_case(n, d, pad),
              [&](const Kernels& k, const std::vector<Tensor>& o) {
                k.rmsnorm(o[0], o[1], x.view(), w.view(), 1e-5);
              });
      if (out != DType::kF32) return;
      compare("add_row", DType::kF32, {&dx}, row_case(n, d, pad),
              [&](const Kernels& k, const std::vector<Tensor>& o) { k.add_row(o[0], w.view()); });
      // rstd of a random row need not be that of x for two tables to agree; it keeps the zero row's
      // gradient tame.
      Block inverse(DType::kF32, {n}, 0, 7);
      for (int64_t i = 0; i < n; ++i) inverse.set(i, 0, 0.3 + std::abs(inverse.at(i, 0)));
      compare("rmsnorm_backward", DType::kF32, {&dx}, row_case(n, d, pad),
              [&](const Kernels& k, const std::vector<Tensor>& o) {
                k.rmsnorm_backward(o[0], dy.view(), x.view(), w.view(), inverse.view());
              });
    });
  }

  void layernorm() {
    for_rows([&](int64_t n, int64_t d, int64_t pad, DType out) {
      Block x(DType::kF32, {n, d}, pad, 1, 3.0);
      for (int64_t i = 0; i < d && n > 2; ++i) x.set(1, i, x.at(1, i) + 40.0);  // far from 0
      if (n > 2) x.fill_row(2, 0.0);
      const Block w(DType::kF32, {d}, 0, 2), b(DType::kF32, {d}, 0, 3),
          dy(DType::kF32, {n, d}, pad, 4);
      const Block y(out, {n, d}, pad, 5), rstd(DType::kF32, {n}, 0, 6),
          dx(DType::kF32, {n, d}, pad, 7);
      for (const bool biased : {false, true}) {
        compare("layernorm", DType::kF32, {&y, &rstd},
                row_case(n, d, pad) + (biased ? " with a bias" : ""),
                [&](const Kernels& k, const std::vector<Tensor>& o) {
                  k.layernorm(o[0], o[1], x.view(), w.view(), biased ? b.view() : Tensor(), 1e-5);
                });
      }
      if (out != DType::kF32) return;
      Block inverse(DType::kF32, {n}, 0, 8);  // as of rmsnorm
      for (int64_t i = 0; i < n; ++i) inverse.set(i, 0, 0.3 + 0.1 * std::abs(inverse.at(i, 0)));
      compare("layernorm_backward", DType::kF32, {&dx}, row_case(n, d, pad),
              [&](const Kernels& k, const std::vector<Tensor>& o) {
                k.layernorm_backward(o[0], dy.view(), x.view(), w.view(), inverse.view());
              });
    });
  }

  void rope() {
    rope("rope", &Kernels::rope);
    rope("rope_pairs", &Kernels::rope_pairs);
  }

  using Rope = Op<void(Tensor, Tensor, Tensor, Tensor, std::span<const int32_t>, bool)> Kernels::*;
  void rope(const char* name, Rope op) {
    constexpr int64_t kShapes[][3] = {{1, 1, 2},   {5, 3, 8},   {7, 4, 6},
                                      {33, 3, 34}, {17, 9, 64}, {3, 2, 128}};
    for (const auto& s : kShapes) {
      for (const int64_t pad : {0, 3}) {
        Block cosine(DType::kF32, {40, s[2] / 2}, pad, 1),
            sine(DType::kF32, {40, s[2] / 2}, pad, 2);
        for (int64_t p = 0; p < 40; ++p) {
          for (int64_t i = 0; i < s[2] / 2; ++i) {
            const double angle = static_cast<double>(p) / (1.0 + static_cast<double>(i));
            cosine.set(p, i, std::cos(angle));
            sine.set(p, i, std::sin(angle));
          }
        }
        std::vector<int32_t> positions(static_cast<size_t>(s[0]));
        for (size_t i = 0; i < positions.size(); ++i)
          positions[i] = static_cast<int32_t>((i * 11) % 40);
        for (const bool inverse : {false, true}) {
          const std::string where =
              fmt::format("N {} H {} Dh {} pad {} inverse {}", s[0], s[1], s[2], pad, inverse);
          for (const DType in : types_) {
            const Block x(in, {s[0], s[1], s[2]}, pad, 3);
            for (const DType out : types_) {
              const Block y(out, {s[0], s[1], s[2]}, pad, 4);
              compare(name, in, {&y}, where, [&](const Kernels& k, const std::vector<Tensor>& o) {
                (k.*op)(o[0], x.view(), cosine.view(), sine.view(), positions, inverse);
              });
            }
            compare(name, in, {&x}, where + " in place",
                    [&](const Kernels& k, const std::vector<Tensor>& o) {
                      (k.*op)(o[0], o[0], cosine.view(), sine.view(), positions, inverse);
                    });
          }
        }
      }
    }
  }

  void gated() {
    gated("swiglu", &Kernels::swiglu, "swiglu_backward", &Kernels::swiglu_backward);
    gated("geglu", &Kernels::geglu, "geglu_backward", &Kernels::geglu_backward);
  }

  void gelu() {
    for_rows([&](int64_t n, int64_t f, int64_t pad, DType in) {
      Block x(in, {n, f}, pad, 1, 4.0);
      x.set(0, 0, -120.0);  // exp overflows there
      const Block dy(DType::kF32, {n, f}, pad, 2);
      for (const DType out : types_) {
        const Block y(out, {n, f}, pad, 3);
        compare("gelu", in, {&y}, row_case(n, f, pad),
                [&](const Kernels& k, const std::vector<Tensor>& o) { k.gelu(o[0], x.view()); });
        compare("gelu_backward", in, {&y}, row_case(n, f, pad),
                [&](const Kernels& k, const std::vector<Tensor>& o) {
                  k.gelu_backward(o[0], dy.view(), x.view());
                });
      }
      compare("gelu_backward", in, {&x}, row_case(n, f, pad) + " in place",
              [&](const Kernels& k, const std::vector<Tensor>& o) {
                k.gelu_backward(o[0], dy.view(), o[0]);
              });
    });
  }

  void soft_cap() {
    for_rows([&](int64_t n, int64_t d, int64_t pad, DType in) {
      if (in != DType::kF32) return;
      for (const double cap : {0.5, 30.0}) {
        const Block y(in, {n, d}, pad, 1, 3.0), dy(in, {n, d}, pad, 2);
        const std::string where = row_case(n, d, pad) + fmt::format(" cap {}", cap);
        compare("soft_cap", in, {&y}, where,
                [&](const Kernels& k, const std::vector<Tensor>& o) { k.soft_cap(o[0], cap); });
        reference_.soft_cap(y.view(), cap);
        compare("soft_cap_backward", in, {&dy}, where,
                [&](const Kernels& k, const std::vector<Tensor>& o) {
                  k.soft_cap_backward(o[0], y.view(), cap);
                });
      }
    });
  }

  void dropout() {
    for_rows([&](int64_t n, int64_t d, int64_t pad, DType in) {
      const Block x(in, {n, d}, pad, 1);
      std::vector<uint64_t> keys(static_cast<size_t>(n));
      for (size_t i = 0; i < keys.size(); ++i) keys[i] = mix64(i + 99);
      for (const double p : {0.0, 0.1, 0.5}) {
        const std::string where = row_case(n, d, pad) + fmt::format(" p {}", p);
        for (const DType out : types_) {
          const Block y(out, {n, d}, pad, 2);
          compare("dropout", in, {&y}, where, [&](const Kernels& k, const std::vector<Tensor>& o) {
            k.dropout(o[0], x.view(), keys, p);
          });
        }
        compare("dropout", in, {&x}, where + " in place",
                [&](const Kernels& k, const std::vector<Tensor>& o) {
                  k.dropout(o[0], o[0], keys, p);
                });
      }
    });
  }

  // Packed sequences of odd lengths with uncovered rows between and around them, and decoding from
  // a cache.
  void attention() {
    constexpr int64_t kHeads[][3] = {{1, 1, 2},  {2, 1, 8},  {4, 4, 16},
                                     {6, 2, 20}, {9, 3, 64}, {3, 1, 128}};
    const std::vector<std::vector<int64_t>> lengths = {{1}, {1, 7, 2, 33}, {16, 40}, {65, 1, 3}};
    for (const auto& h : kHeads) {
      for (const auto& list : lengths) {
        for (const int64_t pad : {0, 3}) {
          std::vector<AttentionSpan> spans;
          int64_t n = 2;  // the first rows, one row after every span: not covered
          for (const int64_t length : list) {
            spans.push_back({n, length, n, length});
            n += length + 1;
          }
          for (const DType in : types_) {
            attention_case(spans, n, n, h, in, pad, true);
            if (pad == 0) {
              attention_case({spans, 6}, n, n, h, in, pad, true);
              attention_case({spans, 39, 1.5}, n, n, h, in, pad, true);
            }
            std::vector<AttentionSpan>
                tails;  // the last rows of each sequence as queries, the keys in a cache
            int64_t rows = 0;
            for (const AttentionSpan& span : spans) {
              const int64_t queries = span.key_len > 20 ? 3 : 1;
              tails.push_back({rows, queries, span.key_begin, span.key_len});
              rows += queries;
            }
            attention_case(tails, rows, n, h, in, pad, false);
            for (AttentionSpan& tail : tails) {  // behind the first sequence
              tail.shared_begin = spans.front().key_begin;
              tail.shared_len = spans.front().key_len;
            }
            attention_case(tails, rows, n, h, in, pad, false);
            for (const int64_t window : {3, 20}) {
              if (pad == 0) attention_case({tails, window, 2.0}, rows, n, h, in, pad, false);
            }
          }
          attention_step(spans, n, h, pad);
        }
      }
    }
  }

  void losses() {
    constexpr int64_t kShapes[][2] = {{1, 2}, {3, 17}, {9, 1000}, {4, 4099}, {65, 100}};
    for (const auto& s : kShapes) {
      for (const int64_t pad : {0, 3}) {
        const Block logits(DType::kF32, {s[0], s[1]}, pad, 1, 6.0), loss(DType::kF32, {s[0]}, 0, 2);
        std::vector<int32_t> targets(static_cast<size_t>(s[0]));
        std::vector<float> scale(targets.size());
        for (size_t i = 0; i < targets.size(); ++i) {
          targets[i] =
              static_cast<int32_t>(i == 0 ? s[1] - 1 : static_cast<int64_t>(i * 31) % s[1]);
          scale[i] = i % 4 == 3 ? 0.0f : 0.25f + static_cast<float>(i);
        }
        compare("cross_entropy", DType::kF32, {&loss}, row_case(s[0], s[1], pad),
                [&](const Kernels& k, const std::vector<Tensor>& o) {
                  k.cross_entropy(o[0], logits.view(), targets);
                });
        compare("cross_entropy_backward", DType::kF32, {&loss, &logits}, row_case(s[0], s[1], pad),
                [&](const Kernels& k, const std::vector<Tensor>& o) {
                  k.cross_entropy_backward(o[0], o[1], targets, scale);
                });
        divergences(logits, loss, scale, pad);
      }
    }
    for_rows([&](int64_t n, int64_t d, int64_t pad, DType in) {
      if (in != DType::kF32) return;
      const Block a(in, {n, d}, pad, 1), b(in, {n, d}, pad, 2), weight(in, {n}, 0, 3);
      const Block out(in, {n}, 0, 4), da(in, {n, d}, pad, 5);
      for (const bool one_sided : {false, true}) {
        const std::string where = row_case(n, d, pad) + (one_sided ? " one-sided" : "");
        compare("row_squared_distance", in, {&out}, where,
                [&](const Kernels& k, const std::vector<Tensor>& o) {
                  k.row_squared_distance(o[0], a.view(), b.view(), one_sided);
                });
        compare("row_distance_backward", in, {&da}, where,
                [&](const Kernels& k, const std::vector<Tensor>& o) {
                  k.row_distance_backward(o[0], a.view(), b.view(), weight.view(), one_sided);
                });
      }
    });
  }

  void vectors() {
    for (const int64_t n : {1, 7, 64, 1000, 4099, 200003}) {
      const std::string where = fmt::format("n {}", n);
      for (const DType in : types_) {
        const Block x(in, {n}, 0, 1), t(DType::kF32, {n}, 0, 2);
        for (const DType out : types_) {
          const Block y(out, {n}, 0, 3);
          compare("convert", in, {&y}, where, [&](const Kernels& k, const std::vector<Tensor>& o) {
            k.convert(o[0], x.view());
          });
        }
        compare("add", in, {&t}, where,
                [&](const Kernels& k, const std::vector<Tensor>& o) { k.add(o[0], x.view()); });
        compare("fill", in, {&x}, where,
                [&](const Kernels& k, const std::vector<Tensor>& o) { k.fill(o[0], 0.3); });
      }
      state_vectors(n, where);
    }
  }

 private:
  using Gated = Op<void(Tensor, Tensor, Tensor)> Kernels::*;
  using GatedBackward = Op<void(Tensor, Tensor, Tensor, Tensor, Tensor)> Kernels::*;
  void gated(const char* name, Gated forward, const char* backward_name, GatedBackward backward) {
    for_rows([&](int64_t n, int64_t f, int64_t pad, DType in) {
      Block gate(in, {n, f}, pad, 1, 4.0);
      gate.set(0, 0, -120.0);  // exp overflows there
      const Block up(in, {n, f}, pad, 2), dy(DType::kF32, {n, f}, pad, 3);
      for (const DType out : types_) {
        const Block y(out, {n, f}, pad, 4), dgate(out, {n, f}, pad, 5), dup(out, {n, f}, pad, 6);
        compare(name, in, {&y}, row_case(n, f, pad),
                [&](const Kernels& k, const std::vector<Tensor>& o) {
                  (k.*forward)(o[0], gate.view(), up.view());
                });
        compare(backward_name, in, {&dgate, &dup}, row_case(n, f, pad),
                [&](const Kernels& k, const std::vector<Tensor>& o) {
                  (k.*backward)(o[0], o[1], dy.view(), gate.view(), up.view());
                });
      }
      compare(backward_name, in, {&gate, &up}, row_case(n, f, pad) + " in place",
              [&](const Kernels& k, const std::vector<Tensor>& o) {
                (k.*backward)(o[0], o[1], dy.view(), o[0], o[1]);
              });
    });
  }

  // The last row of each sequence as the one query of its keys, in the same place of the pack.
  void attention_step(std::vector<AttentionSpan> spans, int64_t n, const int64_t (&h)[3],
                      int64_t pad) {
    for (AttentionSpan& span : spans) {
      span.query_begin += span.query_len - 1;
      span.query_len = 1;
    }
    const DType t = DType::kF32;
    const Block q(t, {n, h[0], h[2]}, pad, 1), k(t, {n, h[1], h[2]}, pad, 2),
        v(t, {n, h[1], h[2]}, pad, 3);
    for (const DType out : types_) {
      const Block o(out, {n, h[0], h[2]}, pad, 4);
      compare("attention_step", t, {&o}, fmt::format("N {} H {} Dh {} pad {}", n, h[0], h[2], pad),
              [&](const Kernels& table, const std::vector<Tensor>& outputs) {
                table.attention_step(outputs[0], q.view(), k.view(), v.view(), spans);
              });
    }
  }

  // A teacher that knows a part of the vocabulary alone, in its last row a single token.
  void divergences(const Block& logits, const Block& loss, const std::vector<float>& scale,
                   int64_t pad) {
    const int64_t n = logits.rows(), v = logits.width();
    Block teacher(DType::kF32, {n, v}, pad, 3, 6.0);
    for (int64_t c = 0; c < v; ++c) {
      if (c % 3 == 1) teacher.set(0, c, -1e30);
      if (n > 1 && c != v / 2) teacher.set(n - 1, c, -1e30);
    }
    for (const double temperature : {1.0, 2.5}) {
      const std::string where = row_case(n, v, pad) + fmt::format(" temperature {}", temperature);
      compare("kl_divergence", DType::kF32, {&loss}, where,
              [&](const Kernels& k, const std::vector<Tensor>& o) {
                k.kl_divergence(o[0], logits.view(), teacher.view(), temperature);
              });
      compare("kl_divergence_backward", DType::kF32, {&loss, &teacher}, where,
              [&](const Kernels& k, const std::vector<Tensor>& o) {
                k.kl_divergence_backward(o[0], logits.view(), o[1], temperature, scale);
              });
    }
  }

  void state_vectors(int64_t n, const std::string& where) {
    const DType t = DType::kF32;
    const Block y(t, {n}, 0, 1), x(t, {n}, 0, 2), sums(t, {2}, 0, 3);
    compare("scale", t, {&y}, where,
            [&](const Kernels& k, const std::vector<Tensor>& o) { k.scale(o[0], 0.7); });
    compare("axpy", t, {&y}, where,
            [&](const Kernels& k, const std::vector<Tensor>& o) { k.axpy(o[0], -0.3, x.view()); });
    for (const double lambda : {0.0, 0.25, 0.999, 1.0}) {
      compare("interpolate", t, {&y}, where + fmt::format(" lambda {}", lambda),
              [&](const Kernels& k, const std::vector<Tensor>& o) {
                k.interpolate(o[0], x.view(), lambda);
              });
    }
    compare("dot", t, {&sums}, where, [&](const Kernels& k, const std::vector<Tensor>& o) {
      o[0].ptr<float>()[0] = static_cast<float>(k.dot(x.view(), y.view()));
      o[0].ptr<float>()[1] = static_cast<float>(k.dot(x.view(), x.view()));
    });
    compare("squared_distance", t, {&sums}, where,
            [&](const Kernels& k, const std::vector<Tensor>& o) {
              o[0].ptr<float>()[0] = static_cast<float>(k.squared_distance(x.view(), y.view()));
              o[0].ptr<float>()[1] = static_cast<float>(k.squared_distance(x.view(), x.view()));
            });
    const Block theta(t, {n}, 0, 4), m(t, {n}, 0, 5, 0.1), g(t, {n}, 0, 6);
    Block v(t, {n}, 0, 7, 0.1);
    for (int64_t i = 0; i < n; ++i) v.set(i, 0, std::abs(v.at(i, 0)));
    for (const int64_t step : {1, 2, 1000}) {
      const AdamWStep options{.learning_rate = 0.01, .weight_decay = 0.1, .step = step};
      compare("adamw", t, {&theta, &m, &v}, where + fmt::format(" step {}", step),
              [&](const Kernels& k, const std::vector<Tensor>& o) {
                k.adamw(o[0], o[1], o[2], g.view(), options);
              });
    }
  }

  void attention_case(const AttentionSpans& spans, int64_t rows, int64_t keys,
                      const int64_t (&h)[3], DType in, int64_t pad, bool backward) {
    const Block q(in, {rows, h[0], h[2]}, pad, 1), k(in, {keys, h[1], h[2]}, pad, 2),
        v(in, {keys, h[1], h[2]}, pad, 3);
    const std::string where =
        fmt::format("N {} Nk {} H {} K {} Dh {} pad {} spans {} window {} cap {}", rows, keys, h[0],
                    h[1], h[2], pad, spans.spans.size(), spans.window, spans.soft_cap);
    for (const DType out : types_) {
      const Block o(out, {rows, h[0], h[2]}, pad, 4), lse(DType::kF32, {rows, h[0]}, pad, 5);
      compare("attention", in, {&o, &lse}, where,
              [&](const Kernels& table, const std::vector<Tensor>& outputs) {
                table.attention(outputs[0], outputs[1], q.view(), k.view(), v.view(), spans);
              });
      if (!backward) continue;
      reference_.attention(o.view(), lse.view(), q.view(), k.view(), v.view(), spans);
      const DType t = DType::kF32;
      const Block d(t, {rows, h[0], h[2]}, pad, 6), dq(t, {rows, h[0], h[2]}, pad, 7);
      const Block dk(t, {keys, h[1], h[2]}, pad, 8), dv(t, {keys, h[1], h[2]}, pad, 9);
      // Where o is BF16, so may be the operands of products.
      const DType operands = out == DType::kBF16 ? out : in;
      compare("attention_backward", operands, {&dq, &dk, &dv}, where,
              [&](const Kernels& table, const std::vector<Tensor>& outputs) {
                table.attention_backward(outputs[0], outputs[1], outputs[2], d.view(), q.view(),
                                         k.view(), v.view(), o.view(), lse.view(), spans);
              });
    }
  }

  template <class Body>
  void for_rows(Body body) {
    constexpr int64_t kShapes[][2] = {{1, 1}, {3, 7}, {5, 33}, {17, 100}, {64, 576}, {130, 65}};
    for (const auto& s : kShapes) {
      for (const int64_t pad : {0, 3}) {
        for (const DType type : types_) body(s[0], s[1], pad, type);
      }
    }
  }

  static std::string row_case(int64_t n, int64_t d, int64_t pad) {
    return fmt::format("({}, {}) pad {}", n, d, pad);
  }

  std::vector<DType> types_;
};

inline std::vector<OpError> compare_tables(const Kernels& a, const Kernels& b, DType g) {
  OpCases cases(a, b, g);
  cases.all();
  return cases.results();
}

}  // namespace ilora::test
