#include "eval/measures/number.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ilora {
namespace {

// digits * 10^exponent, without zeros at either end; no digits: 0.
struct Decimal {
  bool negative = false;
  std::string digits;
  int64_t exponent = 0;

  bool operator==(const Decimal&) const = default;
};

int64_t exponent_of(std::string_view text) {
  constexpr int64_t kMost = 1'000'000'000'000;  // nobody writes so many zeros
  int64_t value = 0;
  for (const char c : text) {
    if (c >= '0' && c <= '9') value = std::min(kMost, 10 * value + (c - '0'));
  }
  return text.starts_with('-') ? -value : value;
}

void take_zeros(Decimal& x) {
  x.digits.erase(0, std::min(x.digits.find_first_not_of('0'), x.digits.size()));
  while (x.digits.ends_with('0')) {
    x.digits.pop_back();
    ++x.exponent;
  }
  if (x.digits.empty()) x = {};
}

Decimal parse(std::string_view text) {
  Decimal x;
  x.negative = text.starts_with('-');
  if (x.negative) text.remove_prefix(1);
  const size_t e = text.find_first_of("eE");
  if (e != text.npos) x.exponent = exponent_of(text.substr(e + 1));
  bool point = false;
  for (const char c : text.substr(0, e)) {
    if (c == '.') {
      point = true;
    } else {
      x.digits += c;
      x.exponent -= point ? 1 : 0;
    }
  }
  take_zeros(x);
  return x;
}

Decimal product(const Decimal& a, const Decimal& b) {
  std::vector<int> sum(a.digits.size() + b.digits.size());  // the last digit first
  for (size_t i = 0; i < a.digits.size(); ++i) {
    int carry = 0;
    for (size_t j = 0; j < b.digits.size() || carry > 0; ++j) {
      const int more = j < b.digits.size() ? (a.digits[a.digits.size() - 1 - i] - '0') *
                                                 (b.digits[b.digits.size() - 1 - j] - '0')
                                           : 0;
      const int value = sum[i + j] + more + carry;
      sum[i + j] = value % 10;
      carry = value / 10;
    }
  }
  Decimal x{a.negative != b.negative, {}, a.exponent + b.exponent};
  for (auto digit = sum.rbegin(); digit != sum.rend(); ++digit)
    x.digits += static_cast<char>('0' + *digit);
  take_zeros(x);
  return x;
}

struct Fraction {
  Decimal numerator, denominator;

  explicit Fraction(std::string_view text) {
    const size_t slash = text.find('/');
    numerator = parse(text.substr(0, slash));
    denominator = parse(slash == text.npos ? "1" : text.substr(slash + 1));
  }
};

}  // namespace

bool same_number(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return false;
  if (a == b) return true;
  const Fraction x(a), y(b);
  if (x.denominator.digits.empty() || y.denominator.digits.empty()) return false;  // by 0
  return product(x.numerator, y.denominator) == product(y.numerator, x.denominator);
}

}  // namespace ilora
