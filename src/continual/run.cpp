#include "continual/run.h"

#include <algorithm>
#include <numeric>

#include "base/random.h"

namespace ilora {
namespace {

void sum(const Comm& comm, PerLossKind& figures) {
  comm.sum(Tensor(figures.values.data(), DType::kF64, {static_cast<int64_t>(kLossKinds)}));
}

// The vectors that a pass adds gradients to, each once.
std::vector<Tensor> trained_vectors(const Pass& pass) {
  std::vector<Tensor> vectors;
  for (const Segment& segment : pass.segments) {
    for (const AdapterUse& use : segment.uses) {
      const bool known = std::any_of(vectors.begin(), vectors.end(),
                                     [&](const Tensor& v) { return v.data == use.gradient.data; });
      if (use.gradient && !known) vectors.push_back(use.gradient);
    }
  }
  return vectors;
}

}  // namespace

Run::Run(Engine& engine, Adapter fast, uint64_t run_seed, const LossOptions& labels,
         const Comm& comm)
    : seed(run_seed),
      loss(labels),
      engine_(engine),
      comm_(comm),
      gradient_(DType::kF32, {fast.layout().size()}) {
  learners_.push_back({"fast", std::make_unique<Adapter>(std::move(fast))});
}

Adapter* Run::find(const std::string& name) const {
  for (const Learner& learner : learners_) {
    if (learner.name == name) return learner.adapter.get();
  }
  return nullptr;
}

Adapter& Run::add_copy_of_fast(const std::string& name) {
  ILORA_CHECK(find(name) == nullptr, "two learners called {}", name);
  Adapter copy(config(), fast().options());
  kernels().convert(copy.values(), fast().values());
  learners_.push_back({name, std::make_unique<Adapter>(std::move(copy))});
  return *learners_.back().adapter;
}

Denominators Run::denominators(const Pass& pass) const {
  Denominators counted = count_denominators(pass);
  sum(comm_, counted);
  return counted;
}

PassReport Run::run_step(const Pass& pass) {
  const std::vector<Tensor> gradients = trained_vectors(pass);
  for (const Tensor& gradient : gradients) kernels().fill(gradient, 0.0);
  PassReport report;
  engine_.run(pass, denominators(pass), dropout_key(), report);
  sum(comm_, report.terms);
  for (const Tensor& gradient : gradients) comm_.sum(gradient);
  return report;
}

// Runs a pass whose segments weigh their own losses: nothing is divided over the whole pass.
void Run::run_alone(const Pass& pass, uint64_t dropout_key) {
  for (const Segment& segment : pass.segments) {
    for (const Row* row : segment.rows) extra_tokens_ += row->length();
  }
  Denominators none;
  none.values.fill(1.0);
  PassReport report;
  engine_.run(pass, none, dropout_key, report);
}

void Run::gradients(std::span<const RowGroup> groups) {
  Pass pass;
  for (const RowGroup& group : groups) {
    kernels().fill(group.gradient, 0.0);
    Segment segment = cross_entropy_segment(group.rows, {{&fast(), 1.0, group.gradient}}, loss);
    Loss& own = segment.losses.front();
    const double rows = denominators({{segment}})[own.kind];  // the group's own denominator
    if (group.rows.empty()) continue;                         // another process may have some
    own.weight /= rows;
    pass.segments.push_back(std::move(segment));
  }
  run_alone(pass, dropout_key());
  for (const RowGroup& group : groups) comm_.sum(group.gradient);
}

void Run::per_sequence_gradients(std::span<const Row* const> rows, const SequenceVisitor& visit) {
  constexpr auto kAtOnce = static_cast<size_t>(kSequencesAtOnce);
  while (sequence_gradients_.size() < std::min(kAtOnce, rows.size()))
    sequence_gradients_.emplace_back(DType::kF32,
                                     std::initializer_list<int64_t>{fast().layout().size()});
  for (size_t first = 0; first < rows.size(); first += kAtOnce) {
    const auto some = rows.subspan(first, std::min(kAtOnce, rows.size() - first));
    Pass pass;
    for (size_t i = 0; i < some.size(); ++i) {
      const Tensor gradient = sequence_gradients_[i].view();
      kernels().fill(gradient, 0.0);
      // A sum over labels: by token, divided by nothing.
      pass.segments.push_back(cross_entropy_segment({some[i]}, {{&fast(), 1.0, gradient}},
                                                    {LossReduction::kToken, loss.labels}));
      pass.segments.back().dropout = false;
    }
    run_alone(pass, 0);
    for (size_t i = 0; i < some.size(); ++i) visit(*some[i], sequence_gradients_[i].view());
  }
}

std::vector<double> Run::losses(const Adapter& adapter, std::span<const Row* const> rows) {
  if (rows.empty()) return {};
  Pass pass = {{cross_entropy_segment({rows.begin(), rows.end()}, {{&adapter, 1.0, {}}}, loss)}};
  pass.segments.front().dropout = false;
  PassReport report;
  engine_.run(pass, count_denominators(pass), 0, report);
  const std::span<const double> sums = report.rows(0, LossKind::kCrossEntropy);
  std::vector<double> each(sums.begin(), sums.end());
  for (size_t i = 0; i < each.size(); ++i)
    each[i] /= static_cast<double>(rows[i]->label_count(loss.labels));
  return each;
}

TopLogits Run::top_logits(const Adapter& adapter, const Row& row, int64_t k) {
  std::vector<int32_t> positions;
  row.each_label(loss.labels, [&](int64_t i) { positions.push_back(static_cast<int32_t>(i)); });
  TopLogits top;
  top.k = std::min(k, config().vocabulary);
  std::vector<int32_t> order(static_cast<size_t>(config().vocabulary));
  const auto tokens = std::span(row.tokens).first(static_cast<size_t>(row.length()));
  engine_.logits_at(
      tokens, positions, {{&adapter, 1.0, {}}}, [&](size_t, std::span<const float> logits) {
        std::iota(order.begin(), order.end(), 0);
        const auto at = [&](int32_t v) { return logits[static_cast<size_t>(v)]; };
        std::ranges::partial_sort(order, order.begin() + top.k, [&](int32_t a, int32_t b) {
          return at(a) != at(b) ? at(a) > at(b) : a < b;
        });
        for (int64_t i = 0; i < top.k; ++i) {
          top.tokens.push_back(order[static_cast<size_t>(i)]);
          top.logits.push_back(at(top.tokens.back()));
        }
      });
  return top;
}

void Run::clear_reported() {
  reported_.clear();
  own_terms_.clear();
}

uint64_t Run::dropout_key() const {
  return hash_combine(Random(seed, Stream::kDropout).bits(0), static_cast<uint64_t>(position.step));
}

}  // namespace ilora
