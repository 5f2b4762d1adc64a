// Attention of one query per span against the keys of a cache: the next token of each of some
// answers. Contract: kernels.h. Parallel over queries and their heads, each of which goes over its
// keys twice: scores, then the sum of the values.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention_step.cpp"  // NOLINT
#include <hwy/foreach_target.h>
// foreach_target.h first
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

HWY_INLINE float inner_product(const float* a, const float* b, int64_t width) {
  VF total = hn::Zero(DF());
  int64_t i = 0;
  for (; i + lanes() <= width; i += lanes())
    total = hn::MulAdd(hn::LoadU(DF(), a + i), hn::LoadU(DF(), b + i), total);
  if (i < width) total = hn::MulAdd(load(a + i, width - i), load(b + i, width - i), total);
  return sum(total);
}

// s becomes exp(s - max s), of `count` of them; their sum.
HWY_INLINE float exponentials(float* s, int64_t count) {
  const DF d;
  float top = -std::numeric_limits<float>::infinity();
  for (int64_t j = 0; j < count; ++j) top = HWY_MAX(top, s[j]);
  const VF largest = hn::Set(d, top);
  VF total = hn::Zero(d);
  int64_t j = 0;
  for (; j + lanes() <= count; j += lanes()) {
    const VF e = exponential(hn::Sub(hn::LoadU(d, s + j), largest));
    total = hn::Add(total, e);
    hn::StoreU(e, d, s + j);
  }
  float rest = 0;
  if (j < count) {
    store(exponential(hn::Sub(load(s + j, count - j), largest)), s + j, count - j);
    for (; j < count; ++j) rest += s[j];
  }
  return sum(total) + rest;
}

// kVectors vectors of out = the sum of p[j] times row j of v, over `total`. Even and odd keys have
// sums of their own, whose latencies overlap.
template <int kVectors>
HWY_INLINE void weighted_sum(float* out, const float* p, const float* v, int64_t stride,
                             int64_t count, float total) {
  const DF d;
  const int64_t step = lanes();
  VF even[kVectors], odd[kVectors];
  HWY_UNROLL(4)
  for (int i = 0; i < kVectors; ++i) even[i] = odd[i] = hn::Zero(d);
  int64_t j = 0;
  for (; j + 2 <= count; j += 2) {
    const VF a = hn::Set(d, p[j]), b = hn::Set(d, p[j + 1]);
    const float* row = v + j * stride;
    HWY_UNROLL(4)
    for (int i = 0; i < kVectors; ++i) {
      even[i] = hn::MulAdd(a, hn::LoadU(d, row + i * step), even[i]);
      odd[i] = hn::MulAdd(b, hn::LoadU(d, row + stride + i * step), odd[i]);
    }
  }
  const VF inverse = hn::Set(d, 1.0f / total);
  HWY_UNROLL(4)
  for (int i = 0; i < kVectors; ++i) {
    if (j < count)
      even[i] = hn::MulAdd(hn::Set(d, p[j]), hn::LoadU(d, v + j * stride + i * step), even[i]);
    hn::StoreU(hn::Mul(hn::Add(even[i], odd[i]), inverse), d, out + i * step);
  }
}

// The same of columns that fill no vector.
HWY_INLINE void weighted_tail(float* out, const float* p, const float* v, int64_t stride,
                              int64_t count, float total, int64_t columns) {
  VF all = hn::Zero(DF());
  for (int64_t j = 0; j < count; ++j)
    all = hn::MulAdd(hn::Set(DF(), p[j]), load(v + j * stride, columns), all);
  store(hn::Mul(all, hn::Set(DF(), 1.0f / total)), out, columns);
}

// One head of one query.
HWY_INLINE void step_head(const Row& out, const float* q, const float* k, const float* v,
                          int64_t k_stride, int64_t v_stride, int64_t count, int64_t width,
                          float scale) {
  const int64_t step = lanes();
  float* memory = scratch_floats(Slot::kAttention, static_cast<size_t>(count + width));
  float *p = memory + width, *result = memory;
  for (int64_t j = 0; j < count; ++j) p[j] = scale * inner_product(q, k + j * k_stride, width);
  const float total = exponentials(p, count);
  int64_t i = 0;
  for (; i + 4 * step <= width; i += 4 * step)
    weighted_sum<4>(result + i, p, v + i, v_stride, count, total);
  for (; i + step <= width; i += step)
    weighted_sum<1>(result + i, p, v + i, v_stride, count, total);
  if (i < width) weighted_tail(result + i, p, v + i, v_stride, count, total, width - i);
  out.typed([&](auto* row) HWY_ATTR {
    for (int64_t j = 0; j < width; j += step)
      store(load(result + j, width - j), row + j, width - j);
  });
}

void attention_step(Tensor o, Tensor q, Tensor k, Tensor v, const AttentionSpan* spans,
                    int64_t span_count) {
  const int64_t heads = q.shape[1], width = q.shape[2], group = heads / k.shape[1];
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)));
  // Few keys are not worth a thread: heads of one answer stay together then.
  constexpr int64_t kElements = 16384;
  int64_t longest = 1;
  for (int64_t s = 0; s < span_count; ++s) longest = HWY_MAX(longest, spans[s].key_len);
  const int64_t chunk = HWY_MAX(int64_t{1}, kElements / (longest * width));
  parallel_for(span_count * heads, chunk, [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t i = begin; i < end; ++i) {
      const AttentionSpan& span = spans[i / heads];
      const int64_t h = i % heads, n = span.query_begin;
      const auto at = [&](const Tensor& t, int64_t row, int64_t head) {
        return row * t.stride[0] + head * t.stride[1];
      };
      step_head(Row(o, at(o, n, h)), q.ptr<float>() + at(q, n, h),
                k.ptr<float>() + at(k, span.key_begin, h / group),
                v.ptr<float>() + at(v, span.key_begin, h / group), k.stride[0], v.stride[0],
                span.key_len, width, scale);
    }
  });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ilora::cpu {

HWY_EXPORT(attention_step);

namespace {

void attention_step(Tensor o, Tensor q, Tensor k, Tensor v, std::span<const AttentionSpan> spans) {
  require_attention(q, k, v, spans);
  require_heads(o, q.shape[0], q.shape[1], q.shape[2]);
  for (const AttentionSpan& span : spans)
    ILORA_CHECK(span.query_len == 1 && span.shared_len == 0,
                "attention_step: {} queries, {} shared keys", span.query_len, span.shared_len);
  HWY_DYNAMIC_DISPATCH(attention_step)
  (o, q, k, v, spans.data(), static_cast<int64_t>(spans.size()));
}

}  // namespace

void install_attention_step(Kernels& table) {
  table.attention_step = attention_step;
}

}  // namespace ilora::cpu
#endif  // HWY_ONCE
