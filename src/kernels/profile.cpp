#include "kernels/profile.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/error.h"

namespace ilora {
namespace {

const Kernels* g_table = nullptr;  // a Kernels holds plain functions, so what it wraps is global
std::vector<ProfileEntry> g_entries;

ProfileEntry& entry(const char* operation, const GemmClass& gemm) {
  const auto found = std::find_if(g_entries.begin(), g_entries.end(), [&](const ProfileEntry& e) {
    return e.operation == operation && e.gemm == gemm;
  });
  if (found != g_entries.end()) return *found;
  ProfileEntry& fresh = g_entries.emplace_back();
  fresh.operation = operation;
  fresh.gemm = gemm;
  return fresh;
}

// What a call costs besides time.
struct Cost {
  GemmClass gemm;
  double flops = 0, bytes = 0;
};

// By default the bytes of all its tensors.
double bytes_of(const Tensor& t) {
  return static_cast<double>(t.bytes());
}
template <class T>
double bytes_of(const T&) {
  return 0;
}
template <auto kOperation>
struct CostOf {
  template <class... Args>
  static Cost of(const Args&... args) {
    return {{}, 0, (bytes_of(args) + ...)};
  }
};

template <>
struct CostOf<&Kernels::gemm> {
  static Cost of(const Tensor& c, const Tensor& a, const Tensor& b, float, float) {
    const int64_t m = c.shape[0], n = c.shape[1], k = a.shape[1];
    const bool a_transposed = a.stride[1] != 1 && k > 1, b_transposed = b.stride[1] != 1 && n > 1;
    const GemmClass gemm = {a_transposed ? m : 0, n, a_transposed ? 0 : k, a_transposed,
                            b_transposed};
    return {gemm, 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k),
            bytes_of(c) + bytes_of(a) + bytes_of(b)};
  }
};

// Of the stored rows only those that are asked for.
template <>
struct CostOf<&Kernels::expand> {
  static Cost of(const Tensor& y, const Tensor& x, std::span<const int32_t>) {
    return {{}, 0, bytes_of(y) + static_cast<double>(dtype_bytes(x.dtype, y.size()))};
  }
};
template <>
struct CostOf<&Kernels::embed> {
  static Cost of(const Tensor& y, const Tensor& table, std::span<const int32_t>) {
    return {{}, 0, bytes_of(y) + static_cast<double>(dtype_bytes(table.dtype, y.size()))};
  }
};

// `products` of (queries, keys) pairs that the causal mask leaves, two FLOPs per element.
double attention_flops(const Tensor& q, std::span<const AttentionSpan> spans, double products) {
  double pairs = 0;
  for (const AttentionSpan& s : spans) {
    const auto queries = static_cast<double>(s.query_len);
    pairs += queries * static_cast<double>(s.shared_len + s.key_len - s.query_len) +
             queries * (queries + 1) / 2;
  }
  return 2 * products * pairs * static_cast<double>(q.shape[1] * q.shape[2]);
}
template <>
struct CostOf<&Kernels::attention> {
  static Cost of(const Tensor& o, const Tensor& lse, const Tensor& q, const Tensor& k,
                 const Tensor& v, std::span<const AttentionSpan> spans) {
    return {{},
            attention_flops(q, spans, 2),
            bytes_of(o) + bytes_of(lse) + bytes_of(q) + bytes_of(k) + bytes_of(v)};
  }
};
template <>
struct CostOf<&Kernels::attention_backward> {
  template <class... Args>
  static Cost of(const Tensor& dq, const Tensor& dk, const Tensor& dv, const Tensor& do_,
                 const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& o,
                 const Tensor& lse, std::span<const AttentionSpan> spans) {
    double bytes = 0;
    for (const Tensor* t : {&dq, &dk, &dv, &do_, &q, &k, &v, &o, &lse}) bytes += bytes_of(*t);
    return {{}, attention_flops(q, spans, 5), bytes};
  }
};

// Calls the wrapped table's function between two looks at the clock.
template <auto kOperation>
struct Timed;
template <class R, class... Args, R (*Kernels::*kOperation)(Args...)>
struct Timed<kOperation> {
  static inline const char* name = "";

  static R call(Args... args) {
    using Clock = std::chrono::steady_clock;
    struct Stopwatch {
      Cost cost;
      Clock::time_point began = Clock::now();
      ~Stopwatch() {
        const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
        ProfileEntry& e = entry(name, cost.gemm);
        ++e.calls;
        e.seconds += seconds;
        e.flops += cost.flops;
        e.bytes += cost.bytes;
      }
    } const watch{CostOf<kOperation>::of(args...)};
    return (g_table->*kOperation)(args...);
  }
};

template <auto kOperation>
void time_operation(Kernels& table, const char* name) {
  Timed<kOperation>::name = name;
  table.*kOperation = Timed<kOperation>::call;
}

}  // namespace

const Kernels& profile_kernels(const Kernels& kernels) {
  ILORA_CHECK(g_table == nullptr || g_table == &kernels,
              "profile_kernels was called for another table before");
  g_table = &kernels;
  static const Kernels table = [&] {
    Kernels t = kernels;
    t.name = "profile";
    time_operation<&Kernels::gemm>(t, "gemm");
    time_operation<&Kernels::expand>(t, "expand");
    time_operation<&Kernels::embed>(t, "embed");
    time_operation<&Kernels::rmsnorm>(t, "rmsnorm");
    time_operation<&Kernels::rmsnorm_backward>(t, "rmsnorm_backward");
    time_operation<&Kernels::add_row>(t, "add_row");
    time_operation<&Kernels::rope>(t, "rope");
    time_operation<&Kernels::swiglu>(t, "swiglu");
    time_operation<&Kernels::swiglu_backward>(t, "swiglu_backward");
    time_operation<&Kernels::dropout>(t, "dropout");
    time_operation<&Kernels::attention>(t, "attention");
    time_operation<&Kernels::attention_backward>(t, "attention_backward");
    time_operation<&Kernels::cross_entropy>(t, "cross_entropy");
    time_operation<&Kernels::cross_entropy_backward>(t, "cross_entropy_backward");
    time_operation<&Kernels::kl_divergence>(t, "kl_divergence");
    time_operation<&Kernels::kl_divergence_backward>(t, "kl_divergence_backward");
    time_operation<&Kernels::row_squared_distance>(t, "row_squared_distance");
    time_operation<&Kernels::row_distance_backward>(t, "row_distance_backward");
    time_operation<&Kernels::convert>(t, "convert");
    time_operation<&Kernels::add>(t, "add");
    time_operation<&Kernels::fill>(t, "fill");
    time_operation<&Kernels::scale>(t, "scale");
    time_operation<&Kernels::axpy>(t, "axpy");
    time_operation<&Kernels::interpolate>(t, "interpolate");
    time_operation<&Kernels::dot>(t, "dot");
    time_operation<&Kernels::squared_distance>(t, "squared_distance");
    time_operation<&Kernels::adamw>(t, "adamw");
    return t;
  }();
  // name, state and the operations above: one that is missing would run, but unseen.
  static_assert(sizeof(Kernels) == (2 + 27) * sizeof(void*), "time the new operation above");
  return table;
}

void clear_profile() {
  g_entries.clear();
}

const std::vector<ProfileEntry>& profile_entries() {
  return g_entries;
}

}  // namespace ilora
