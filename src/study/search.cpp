#include "study/search.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/random.h"

namespace ilora {
namespace {

constexpr int64_t kDrawsPerTrial = 50;  // before a space is taken to hold no more points

std::string_view split_key(std::string_view text, const char* option, SearchDimension& dimension) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[sweep] expected KEY=VALUES, got '{}' ({})", text, option),
                "For example --grid train.learning_rate=1e-3,2e-3 or --range "
                "train.learning_rate=1e-4:1e-2:log.");
  }
  dimension.key = text.substr(0, equals);
  return text.substr(equals + 1);
}

// Parts between separators that stand outside brackets.
std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : text) {
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (c == separator && depth == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

double number(const std::string& text, std::string_view whole) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[sweep] expected a number, got '{}' in {} (--range)", text, whole));
  }
  return value;
}

bool written_whole(const std::string& text) {
  return text.find_first_of(".eE") == std::string::npos;
}

// The value of trial `trial`. Its stream is the key's own, so that another dimension moves nothing.
std::string draw(const SearchDimension& dimension, uint64_t seed, uint64_t trial) {
  uint64_t key = 0;
  for (const char c : dimension.key) key = hash_combine(key, static_cast<unsigned char>(c));
  const Random random(seed, Stream::kSearch, key);
  if (!dimension.values.empty())
    return dimension.values[random.below(trial, dimension.values.size())];
  const double u = random.uniform(trial);
  const double value =
      dimension.logarithmic
          ? std::exp(std::lerp(std::log(dimension.low), std::log(dimension.high), u))
          : std::lerp(dimension.low, dimension.high, u);
  return dimension.whole ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

SearchPoint product_point(const std::vector<SearchDimension>& dimensions, int64_t index) {
  SearchPoint point(dimensions.size());
  for (size_t d = dimensions.size(); d-- > 0;) {  // the last one varies fastest
    const std::vector<std::string>& values = dimensions[d].values;
    const auto count = static_cast<int64_t>(values.size());
    point[d] = dimensions[d].key + "=" + values[static_cast<size_t>(index % count)];
    index /= count;
  }
  return point;
}

std::vector<SearchPoint> product(const std::vector<SearchDimension>& dimensions, int64_t trials,
                                 uint64_t seed) {
  const int64_t size = search_size(dimensions);
  std::vector<int64_t> chosen = Random(seed, Stream::kSearch).permutation(size);
  if (trials > 0 && trials < size) chosen.resize(static_cast<size_t>(trials));
  std::sort(chosen.begin(), chosen.end());
  std::vector<SearchPoint> points;
  points.reserve(chosen.size());
  for (const int64_t index : chosen) points.push_back(product_point(dimensions, index));
  return points;
}

}  // namespace

SearchDimension parse_grid(std::string_view text) {
  SearchDimension dimension;
  dimension.values = split(split_key(text, "--grid", dimension), ',');
  for (const std::string& value : dimension.values) {
    if (value.empty())
      throw Error(
          ErrorKind::kUsage,
          fmt::format("[sweep] expected a value between the commas of '{}' (--grid)", text));
    if (std::ranges::count(dimension.values, value) > 1)
      throw Error(ErrorKind::kUsage,
                  fmt::format("[sweep] {} is named twice in '{}' (--grid)", value, text));
  }
  return dimension;
}

SearchDimension parse_range(std::string_view text) {
  SearchDimension dimension;
  const std::vector<std::string> parts = split(split_key(text, "--range", dimension), ':');
  if (parts.size() < 2 || parts.size() > 3 || (parts.size() == 3 && parts[2] != "log")) {
    throw Error(
        ErrorKind::kUsage,
        fmt::format("[sweep] expected KEY=LOW:HIGH or KEY=LOW:HIGH:log, got '{}' (--range)", text));
  }
  dimension.low = number(parts[0], text);
  dimension.high = number(parts[1], text);
  dimension.logarithmic = parts.size() == 3;
  dimension.whole = written_whole(parts[0]) && written_whole(parts[1]);
  if (dimension.low >= dimension.high || (dimension.logarithmic && dimension.low <= 0)) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[sweep] expected a lower and a higher end{}, got '{}' (--range)",
                            dimension.logarithmic ? " above 0" : "", text));
  }
  return dimension;
}

int64_t search_size(const std::vector<SearchDimension>& dimensions) {
  int64_t size = 1;
  for (const SearchDimension& dimension : dimensions)
    size *= static_cast<int64_t>(dimension.values.size());
  return size;
}

std::vector<SearchPoint> search_points(const std::vector<SearchDimension>& dimensions,
                                       int64_t trials, uint64_t seed) {
  if (search_size(dimensions) > 0) return product(dimensions, trials, seed);
  ILORA_CHECK(trials > 0);
  std::vector<SearchPoint> points;
  std::set<SearchPoint> seen;
  for (int64_t t = 0; t < trials * kDrawsPerTrial; ++t) {
    if (static_cast<int64_t>(points.size()) == trials) break;
    SearchPoint point;
    for (const SearchDimension& dimension : dimensions)
      point.push_back(dimension.key + "=" + draw(dimension, seed, static_cast<uint64_t>(t)));
    if (seen.insert(point).second) points.push_back(std::move(point));
  }
  return points;
}

}  // namespace ilora
