#include "tensor/quantise_k.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "tensor/quant.h"

namespace ilora {
namespace {

constexpr int kTries = 16;       // widths of the grid that are tried for each group
constexpr int kRefinements = 2;  // of the best one
constexpr int kMostScale = 63;   // six bits
constexpr int kGroups = static_cast<int>(kSuperBlock / kQuantBlock);

// x = scale q - minimum over a group of 32.
struct Fit {
  float scale = 0, minimum = 0;
};

float half_of(float x) {
  return half_to_float(to_float16(x).bits);
}

void write_half(std::byte* out, float x) {
  const uint16_t bits = to_float16(x).bits;
  std::memcpy(out, &bits, sizeof bits);
}

int nearest(float x, int low, int high) {
  return static_cast<int>(
      std::lrint(std::clamp(x, static_cast<float>(low), static_cast<float>(high))));
}

// The integers of a grid; returns the sum of squared errors.
float round_to(const Fit& fit, int most, const float* x, int* q) {
  const float inverse = fit.scale > 0 ? 1 / fit.scale : 0;
  float error = 0;
  for (int i = 0; i < kQuantBlock; ++i) {
    q[i] = nearest((x[i] + fit.minimum) * inverse, 0, most);
    const float off = fit.scale * static_cast<float>(q[i]) - fit.minimum - x[i];
    error += off * off;
  }
  return error;
}

// The grid of least squares for given integers; one without steps where they are all the same.
Fit least_squares(const float* x, const int* q) {
  constexpr auto kCount = static_cast<float>(kQuantBlock);
  float sum_q = 0, sum_qq = 0, sum_x = 0, sum_xq = 0;
  for (int i = 0; i < kQuantBlock; ++i) {
    const auto level = static_cast<float>(q[i]);
    sum_q += level;
    sum_qq += level * level;
    sum_x += x[i];
    sum_xq += level * x[i];
  }
  const float spread = kCount * sum_qq - sum_q * sum_q;
  if (spread <= 0) return {0, std::max(0.0f, -sum_x / kCount)};
  const float scale = (kCount * sum_xq - sum_x * sum_q) / spread;
  const float offset = (sum_qq * sum_x - sum_q * sum_xq) / spread;
  if (offset <= 0) return {std::max(0.0f, scale), -offset};
  return {std::max(0.0f, sum_xq / sum_qq), 0};  // no minimum is above 0
}

Fit fit_group(const float* x, int most) {
  const auto [low_at, high_at] = std::minmax_element(x, x + kQuantBlock);
  const float low = std::min(0.0f, *low_at), width = *high_at - low;
  if (width <= 0) return {0, -low};  // all of them the same, and not above 0
  std::array<int, kQuantBlock> q{};
  Fit best{width / static_cast<float>(most), -low};
  float least = round_to(best, most, x, q.data());
  const auto consider = [&](const Fit& from) {
    round_to(from, most, x, q.data());
    const Fit fit = least_squares(x, q.data());
    const float error = round_to(fit, most, x, q.data());
    if (error < least) {
      least = error;
      best = fit;
    }
  };
  // From grids that cut the ends off to those that leave a step free.
  for (int i = 0; i < kTries; ++i) {
    const float steps = static_cast<float>(most) + 0.15f * static_cast<float>(i - kTries / 3);
    consider({width / steps, -low});
  }
  for (int i = 0; i < kRefinements; ++i) consider(best);
  return best;
}

// s and t of a group: the six-bit integers near the fit's with the least error; their integers stay in `q`.
void choose_scales(const Fit& fit, float d, float m, int most, const float* x, int* q, int& scale,
                   int& minimum) {
  const int near_scale = d > 0 ? nearest(fit.scale / d, 0, kMostScale) : 0;
  const int near_minimum = m > 0 ? nearest(fit.minimum / m, 0, kMostScale) : 0;
  float least = -1;
  std::array<int, kQuantBlock> tried{};
  for (int s = std::max(0, near_scale - 1); s <= std::min(kMostScale, near_scale + 1); ++s) {
    for (int t = std::max(0, near_minimum - 1); t <= std::min(kMostScale, near_minimum + 1); ++t) {
      const float error =
          round_to({d * static_cast<float>(s), m * static_cast<float>(t)}, most, x, tried.data());
      if (least >= 0 && error >= least) continue;
      least = error;
      scale = s;
      minimum = t;
      std::copy(tried.begin(), tried.end(), q);
    }
  }
}

// Twelve bytes of eight s and eight t of six bits.
void write_scales(std::byte* packed, const std::array<int, kGroups>& s,
                  const std::array<int, kGroups>& t) {
  constexpr int kHalf = kGroups / 2;
  for (int g = 0; g < kHalf; ++g) {
    const auto at = static_cast<size_t>(g), behind = static_cast<size_t>(g + kHalf);
    packed[g] = static_cast<std::byte>(s[at] | (s[behind] >> 4) << 6);
    packed[g + kHalf] = static_cast<std::byte>(t[at] | (t[behind] >> 4) << 6);
    packed[g + 2 * kHalf] = static_cast<std::byte>((s[behind] & 15) | (t[behind] & 15) << 4);
  }
}

template <bool kFifthBits>
void quantise_from_minimum(std::byte* out, const float* x) {
  constexpr int kMost = kFifthBits ? 31 : 15, kScales = 12;
  std::array<Fit, kGroups> fits;
  Fit largest;
  for (int g = 0; g < kGroups; ++g) {
    const Fit fit = fits[static_cast<size_t>(g)] = fit_group(x + g * kQuantBlock, kMost);
    largest.scale = std::max(largest.scale, fit.scale);
    largest.minimum = std::max(largest.minimum, fit.minimum);
  }
  const float d = half_of(largest.scale / kMostScale), m = half_of(largest.minimum / kMostScale);
  std::array<int, kSuperBlock> q{};
  std::array<int, kGroups> s{}, t{};
  for (int g = 0; g < kGroups; ++g) {
    const auto at = static_cast<size_t>(g);
    choose_scales(fits[at], d, m, kMost, x + g * kQuantBlock, q.data() + g * kQuantBlock, s[at],
                  t[at]);
  }
  write_half(out, d);
  write_half(out + 2, m);
  write_scales(out + 4, s, t);
  std::byte* fifths = out + 4 + kScales;
  std::byte* nibbles = fifths + (kFifthBits ? kQuantBlock : 0);
  for (int i = 0; i < kQuantBlock; ++i) {
    int fifth = 0;
    for (int g = 0; g < kGroups; ++g)
      fifth |= (q[static_cast<size_t>(g * kQuantBlock + i)] >> 4) << g;
    if constexpr (kFifthBits) fifths[i] = static_cast<std::byte>(fifth);
    for (int pair = 0; pair < kGroups / 2; ++pair) {
      const int low = q[static_cast<size_t>(2 * pair * kQuantBlock + i)];
      const int high = q[static_cast<size_t>((2 * pair + 1) * kQuantBlock + i)];
      nibbles[pair * kQuantBlock + i] = static_cast<std::byte>((low & 15) | (high & 15) << 4);
    }
  }
}

constexpr int kSixGroup = 16, kSixGroups = static_cast<int>(kSuperBlock) / kSixGroup;
constexpr int kSixLow = -32, kSixHigh = 31;

float round_six(float scale, const float* x, int* q) {
  const float inverse = scale != 0 ? 1 / scale : 0;
  float error = 0;
  for (int i = 0; i < kSixGroup; ++i) {
    q[i] = nearest(x[i] * inverse, kSixLow, kSixHigh);
    const float off = scale * static_cast<float>(q[i]) - x[i];
    error += off * off;
  }
  return error;
}

float fit_six(const float* x) {
  float largest = 0;  // by size, with its sign
  for (int i = 0; i < kSixGroup; ++i) {
    if (std::abs(x[i]) > std::abs(largest)) largest = x[i];
  }
  if (largest == 0) return 0;
  std::array<int, kSixGroup> q{};
  float best = largest / static_cast<float>(kSixLow);
  float least = round_six(best, x, q.data());
  for (int i = 0; i < kTries; ++i) {
    const float steps = static_cast<float>(kSixLow) + 0.2f * static_cast<float>(i - kTries / 2);
    round_six(largest / steps, x, q.data());
    float sum_xq = 0, sum_qq = 0;
    for (int k = 0; k < kSixGroup; ++k) {
      const auto level = static_cast<float>(q[static_cast<size_t>(k)]);
      sum_xq += level * x[k];
      sum_qq += level * level;
    }
    if (sum_qq == 0) continue;
    const float scale = sum_xq / sum_qq, error = round_six(scale, x, q.data());
    if (error >= least) continue;
    least = error;
    best = scale;
  }
  return best;
}

// 128 elements of q + 32: 64 bytes of low nibbles, 32 bytes of the two bits above, four runs of 32 in each.
void write_six(std::byte* nibbles, std::byte* twos, const int* q) {
  constexpr int kRun = 32;
  for (int i = 0; i < kRun; ++i) {
    int run[4], high = 0;
    for (int r = 0; r < 4; ++r) {
      run[r] = q[r * kRun + i] - kSixLow;
      high |= (run[r] >> 4) << 2 * r;
    }
    nibbles[i] = static_cast<std::byte>((run[0] & 15) | (run[2] & 15) << 4);
    nibbles[i + kRun] = static_cast<std::byte>((run[1] & 15) | (run[3] & 15) << 4);
    twos[i] = static_cast<std::byte>(high);
  }
}

void quantise_q6_k(std::byte* out, const float* x) {
  std::array<float, kSixGroups> fits;
  float largest = 0;
  for (int g = 0; g < kSixGroups; ++g) {
    const float fit = fits[static_cast<size_t>(g)] = fit_six(x + g * kSixGroup);
    if (std::abs(fit) > std::abs(largest)) largest = fit;
  }
  constexpr int kLowest = -128, kHighest = 127;
  const float d = half_of(largest / static_cast<float>(kLowest));
  std::array<int, kSuperBlock> q{};
  std::byte* scales = out + 192;
  for (int g = 0; g < kSixGroups; ++g) {
    const float* group = x + g * kSixGroup;
    const int near = d != 0 ? nearest(fits[static_cast<size_t>(g)] / d, kLowest, kHighest) : 0;
    float least = -1;
    std::array<int, kSixGroup> tried{};
    for (int s = std::max(kLowest, near - 1); s <= std::min(kHighest, near + 1); ++s) {
      const float error = round_six(d * static_cast<float>(s), group, tried.data());
      if (least >= 0 && error >= least) continue;
      least = error;
      scales[g] = static_cast<std::byte>(static_cast<int8_t>(s));
      std::ranges::copy(tried, q.begin() + g * kSixGroup);
    }
  }
  for (int half = 0; half < 2; ++half)
    write_six(out + half * 64, out + 128 + half * 32, q.data() + half * 128);
  write_half(out + 208, d);
}

}  // namespace

template <>
void quantise_super_block<DType::kQ4_K>(std::byte* out, const float* x) {
  quantise_from_minimum<false>(out, x);
}
template <>
void quantise_super_block<DType::kQ5_K>(std::byte* out, const float* x) {
  quantise_from_minimum<true>(out, x);
}
template <>
void quantise_super_block<DType::kQ6_K>(std::byte* out, const float* x) {
  quantise_q6_k(out, x);
}

}  // namespace ilora
