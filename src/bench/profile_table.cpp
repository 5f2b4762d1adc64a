#include "bench/profile_table.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "model/adapter.h"

namespace ilora {
namespace {

// Whether `is` holds of the map's widths (in, out) in some layer.
template <class Is>
bool in_some_layer(const ModelConfig& c, Module m, const Is& is) {
  for (int64_t l = 0; l < c.layers; ++l) {
    if (!c.has(l, m)) continue;
    const std::array<int64_t, 2> shape = module_shape(c, l, m);
    if (is(shape[0], shape[1])) return true;
  }
  return false;
}

// The short names of the linear maps from `in` to `out`: "q", "gate", ..., "head".
std::vector<std::string> maps(const ModelConfig& c, int64_t in, int64_t out) {
  std::vector<std::string> names;
  for (const Module m : kAllModules) {
    if (!in_some_layer(c, m, [&](int64_t i, int64_t o) { return i == in && o == out; })) continue;
    const std::string name(module_name(m));
    names.push_back(name.substr(0, name.find("_proj")));
  }
  if (in == c.width && out == c.vocabulary) names.emplace_back("head");
  return names;
}

// One figure of the widths that LoRA's products meet.
bool is_width(const ModelConfig& c, int64_t n) {
  return std::ranges::any_of(kAllModules, [&](Module m) {
    return in_some_layer(c, m, [&](int64_t in, int64_t out) { return n == in || n == out; });
  });
}

std::string shape_text(const GemmClass& g) {
  const auto number = [](int64_t n) { return n == 0 ? std::string("*") : fmt::format("{}", n); };
  return fmt::format("({} x {}{}) ({} x {}{})", number(g.m), number(g.k),
                     g.a_transposed ? ", transposed" : "", number(g.k), number(g.n),
                     g.b_transposed ? ", transposed" : "");
}

// Sums that the table ends with.
void add_row(std::string& text, const std::string& name, double seconds, double total) {
  text += fmt::format("{:<34} {:>8} {:>9.3f} {:>6.1f}%\n", name, "", seconds,
                      total > 0 ? 100 * seconds / total : 0.0);
}

}  // namespace

std::string gemm_label(const GemmClass& g, const ModelConfig& c,
                       const std::vector<int64_t>& ranks) {
  const auto is_rank = [&](int64_t n) {
    return std::find(ranks.begin(), ranks.end(), n) != ranks.end();
  };
  if (g.a_transposed) {
    if (is_rank(g.m) && is_width(c, g.n)) return fmt::format("LoRA dA, dB ({})", g.n);
    return shape_text(g);
  }
  const std::vector<std::string> forward = maps(c, g.k, g.n), backward = maps(c, g.n, g.k);
  if (g.b_transposed && !forward.empty()) return fmt::format("{}", fmt::join(forward, ", "));
  if (!g.b_transposed && !backward.empty())
    return fmt::format("dX of {}", fmt::join(backward, ", "));
  if (is_rank(g.n) && is_width(c, g.k)) return fmt::format("LoRA x A', dy B ({})", g.k);
  if (is_rank(g.k) && is_width(c, g.n)) return fmt::format("LoRA h B', dh A ({})", g.n);
  return shape_text(g);
}

Json profile_json(const std::vector<ProfileEntry>& entries, double seconds, double peak_gflops,
                  const ModelConfig& config, const std::vector<int64_t>& ranks) {
  std::vector<ProfileEntry> sorted = entries;
  std::sort(sorted.begin(), sorted.end(),
            [](const ProfileEntry& a, const ProfileEntry& b) { return a.seconds > b.seconds; });
  Json operations = Json::array();
  double inside = 0;
  for (const ProfileEntry& e : sorted) {
    inside += e.seconds;
    const bool gemm = std::string_view(e.operation) == "gemm";
    Json row = {{"name", gemm ? "gemm " + gemm_label(e.gemm, config, ranks) : e.operation},
                {"calls", e.calls},
                {"seconds", e.seconds},
                {"share", seconds > 0 ? e.seconds / seconds : 0.0},
                {"gbytes", e.bytes * 1e-9}};
    if (gemm) row["shape"] = shape_text(e.gemm);
    if (e.flops > 0) {
      const double gflops = e.flops * 1e-9 / e.seconds;
      row["gflops"] = gflops;
      if (peak_gflops > 0) row["of_peak"] = gflops / peak_gflops;
    }
    operations.push_back(std::move(row));
  }
  return {{"seconds", seconds},
          {"outside_kernels", seconds - inside},
          {"gemm_peak_gflops", peak_gflops},
          {"operations", operations}};
}

std::string profile_text(const Json& profile) {
  const double total = profile.at("seconds");
  std::string text = fmt::format("{:<34} {:>8} {:>9} {:>7} {:>8} {:>8} {:>7}\n", "operation",
                                 "calls", "seconds", "share", "GFLOP/s", "of peak", "GB/s");
  double gemm = 0;
  for (const Json& row : profile.at("operations")) {
    const std::string name = row.at("name");
    const double seconds = row.at("seconds"), gbytes = row.at("gbytes");
    if (name.starts_with("gemm ")) gemm += seconds;
    text +=
        fmt::format("{:<34} {:>8} {:>9.3f} {:>6.1f}% {:>8} {:>8} {:>7.1f}\n", name,
                    row.at("calls").get<int64_t>(), seconds, 100 * row.at("share").get<double>(),
                    row.contains("gflops") ? fmt::format("{:.1f}", row.at("gflops").get<double>())
                                           : std::string(),
                    row.contains("of_peak") ? fmt::format("{:.2f}", row.at("of_peak").get<double>())
                                            : std::string(),
                    seconds > 0 ? gbytes / seconds : 0.0);
  }
  add_row(text, "all gemm", gemm, total);
  add_row(text, "outside the kernels", profile.at("outside_kernels"), total);
  add_row(text, "total", total, total);
  return text;
}

}  // namespace ilora
