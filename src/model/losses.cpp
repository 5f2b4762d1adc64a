#include "model/losses.h"

#include <algorithm>
#include <complex>

#include "model/base_weight.h"
#include "model/gemm_rows.h"

namespace ilora {

Scalar read_scalar(Tensor x, int64_t i) {
  switch (x.dtype) {
    case DType::kF32:
      return {static_cast<double>(x.ptr<float>()[i]), 0};
    case DType::kF64:
      return {x.ptr<double>()[i], 0};
    case DType::kC128: {
      const std::complex<double> z = x.ptr<std::complex<double>>()[i];
      return {z.real(), z.imag()};
    }
    default:
      break;
  }
  ILORA_CHECK(false, "read_scalar of {}", x.describe());
  return {};
}

void write_scalar(Tensor x, int64_t i, double value) {
  switch (x.dtype) {
    case DType::kF32:
      x.ptr<float>()[i] = static_cast<float>(value);
      return;
    case DType::kF64:
      x.ptr<double>()[i] = value;
      return;
    case DType::kC128:
      x.ptr<std::complex<double>>()[i] = value;
      return;
    default:
      break;
  }
  ILORA_CHECK(false, "write_scalar of {}", x.describe());
}

Tensor head_logits(PassContext& ctx, std::span<const int32_t> rows, std::vector<int32_t>& padded) {
  const Kernels& k = ctx.kernels;
  const Activations& act = ctx.act;
  const auto count = static_cast<int64_t>(rows.size());
  const int64_t n = std::min(gemm_rows(count), act.logits.shape[0]);
  ILORA_CHECK(count <= n, "{} rows in a chunk of {}", count, n);
  padded.assign(static_cast<size_t>(n), -1);
  std::copy(rows.begin(), rows.end(), padded.begin());

  const Tensor hidden = act.label_hidden.rows(0, n), hidden_g = act.label_hidden_g.rows(0, n);
  const Tensor logits = act.logits.rows(0, n);
  gather_rows(k, hidden, act.last, padded);
  if (hidden_g.dtype != hidden.dtype) k.convert(hidden_g, hidden);
  multiply_by_head(ctx, logits, hidden_g);
  return logits;
}

void CrossEntropy::run(PassContext& ctx, Tensor dlast, int64_t chunk) {
  const Kernels& k = ctx.kernels;
  const Packed& p = ctx.packed;
  const Activations& act = ctx.act;
  const auto labels = static_cast<int64_t>(p.label_rows.size());
  for (int64_t first = 0; first < labels;) {
    // A chunk never mixes labels with and without gradient.
    const int64_t limit = first < p.gradient_labels ? p.gradient_labels : labels;
    const int64_t n = std::min(chunk, limit - first);
    const auto at = static_cast<size_t>(first), count = static_cast<size_t>(n);
    const auto rows = std::span(p.label_rows).subspan(at, count);
    const Tensor logits = head_logits(ctx, rows, rows_);
    const Tensor loss = act.label_loss.rows(first, first + n);
    const auto targets = std::span(p.label_targets).subspan(at, count);
    if (!dlast || first >= p.gradient_labels) {
      k.cross_entropy(loss, logits.rows(0, n), targets);
    } else {
      k.cross_entropy_backward(loss, logits.rows(0, n), targets,
                               std::span(p.label_scale).subspan(at, count));
      const Tensor dlogits = act.dlogits_g.rows(0, logits.shape[0]);
      if (dlogits.dtype != logits.dtype) k.convert(dlogits, logits);
      const Tensor dhidden = act.label_hidden.rows(0, logits.shape[0]);
      multiply_by_head_backward(ctx, dhidden, dlogits);
      scatter_add(k, dlast, rows, dhidden);
    }
    first += n;
  }
}

void ConsistencyTerm::clear() {
  spec_ = nullptr;
  student_.clear();
  teacher_.clear();
  pairs_.clear();
}

void ConsistencyTerm::plan(const Pass& pass, const Packed& packed, const Denominators& denominators,
                           int64_t top_layer) {
  clear();
  denominator_ = denominators.consistency;
  top_ = top_layer;
  for (const PackedSequence& student : packed.sequences) {
    const Consistency& spec = pass.segments[static_cast<size_t>(student.segment)].consistency;
    if (spec.weight == 0) continue;
    ILORA_CHECK(spec_ == nullptr || (spec_->layers == spec.layers && spec_->weight == spec.weight),
                "one consistency term per pass");
    spec_ = &spec;
    const auto teacher = std::find_if(
        packed.sequences.begin(), packed.sequences.end(),
        [&](const PackedSequence& t) { return t.segment == spec.teacher && t.row == student.row; });
    ILORA_CHECK(teacher != packed.sequences.end() &&
                teacher->length - teacher->prefix == student.length - student.prefix);
    const auto begin = static_cast<int64_t>(student_.size());
    // Soft prompts are not compared: the teacher may have others, or none.
    const int64_t from = spec.positions == Positions::kAll ? student.prefix : student.first_label;
    const int64_t shift = teacher->prefix - student.prefix;
    for (int64_t i = from; i < student.length; ++i) {
      student_.push_back(static_cast<int32_t>(student.begin + i));
      teacher_.push_back(static_cast<int32_t>(teacher->begin + shift + i));
    }
    pairs_.push_back({student.segment, student.row, begin, static_cast<int64_t>(student_.size())});
  }
}

void ConsistencyTerm::add_compared(std::vector<int32_t>& rows) const {
  rows.insert(rows.end(), student_.begin(), student_.end());
  rows.insert(rows.end(), teacher_.begin(), teacher_.end());
}

bool ConsistencyTerm::compares(int64_t layer) const {
  return active() &&
         std::find(spec_->layers.begin(), spec_->layers.end(), layer) != spec_->layers.end();
}

int64_t ConsistencyTerm::layers_below_top() const {
  if (!active()) return 0;
  return std::count_if(spec_->layers.begin(), spec_->layers.end(),
                       [&](int64_t l) { return l < top_; });
}

int64_t ConsistencyTerm::seed_index(int64_t layer) const {
  int64_t index = 0;
  for (const int64_t l : spec_->layers) {
    if (l == layer) return index;
    if (l < top_) ++index;
  }
  return -1;
}

void ConsistencyTerm::at(PassContext& ctx, int64_t layer, Tensor hidden, Tensor dlast,
                         bool backward, PassReport& report) {
  if (!compares(layer)) return;
  const Kernels& k = ctx.kernels;
  const Activations& act = ctx.act;
  const int64_t width = hidden.shape[1];
  const auto layers = static_cast<double>(spec_->layers.size());
  gather_rows(k, act.pair_a, hidden, student_);
  gather_rows(k, act.pair_b, hidden, teacher_);
  k.row_squared_distance(act.pair_sum, act.pair_a, act.pair_b, spec_->one_sided);
  for (const Pair& pair : pairs_) {
    Scalar distance;
    double norm = 0;
    for (int64_t i = pair.begin; i < pair.end; ++i) {
      const Scalar d = read_scalar(act.pair_sum, i);
      distance.real += d.real;
      distance.imaginary += d.imaginary;
      const Tensor b = act.pair_b.rows(i, i + 1);
      norm += k.dot(b, b);
    }
    if (!spec_->normalise) norm = static_cast<double>((pair.end - pair.begin) * width);
    const double share = norm > 0 ? 1.0 / (norm * layers) : 0.0;
    const double weight = spec_->weight / denominator_;
    report.consistency += weight * share * distance.real;
    report.imaginary += weight * share * distance.imaginary;
    auto& rows = report.segments[static_cast<size_t>(pair.segment)].consistency;
    rows[static_cast<size_t>(pair.row)] += share * distance.real;
    for (int64_t i = pair.begin; i < pair.end; ++i)
      write_scalar(act.pair_scale, i, 2.0 * weight * share);
  }
  if (!backward) return;
  const Tensor seed =
      layer == top_ ? act.pair_top : act.pair_seeds[static_cast<size_t>(seed_index(layer))];
  k.fill(seed, 0.0);
  k.row_distance_backward(seed, act.pair_a, act.pair_b, act.pair_scale, spec_->one_sided);
  if (layer == top_) scatter_add(k, dlast, student_, seed);
}

void ConsistencyTerm::add_seed(const PassContext& ctx, int64_t layer, Tensor dx) const {
  if (!compares(layer) || layer == top_) return;
  scatter_add(ctx.kernels, dx, student_,
              ctx.act.pair_seeds[static_cast<size_t>(seed_index(layer))]);
}

}  // namespace ilora
