// consistency: hidden states near the teacher's (Ren et al. 2024, "Analyzing and Reducing
// Catastrophic Forgetting in Parameter Efficient Tuning", arXiv 2402.18865, eq. for L_MSE;
// normalised). h the segment's states, h' the teacher's, detached:
//
//   c_r  = mean over layers of [ sum over positions |h - h'|^2 / sum over positions |h'|^2 ]
//   term = weight/R sum_r c_r
//
// normalise false divides by positions * D instead; one_sided counts only columns where h' is
// larger. Soft prompts are not compared: the teacher may have others, or none. Reports per row: c_r.
#include <algorithm>

#include "model/losses/loss_term.h"

namespace ilora {
namespace {

class ConsistencyTerm : public LossTerm {
 public:
  void place(Arena& arena, const ModelConfig& config, const ActivationShape& shape) override;
  void at_hidden(PassContext& ctx, int64_t layer, Tensor hidden, PassReport& report) override;
  void add_seed(const PassContext& ctx, int64_t layer, Tensor dhidden) const override;

 protected:
  void choose_rows(const Pass& pass, const Packed& packed) override;

 private:
  struct Pair {
    int64_t row;         // among the segment's rows
    int64_t begin, end;  // its compared positions, as indices into student_ and teacher_
  };
  // Where `layer` stands among the compared ones; -1: it is not compared.
  int64_t index_of(int64_t layer) const {
    const std::vector<int64_t>& layers = loss_->parameters.layers;
    const auto found = std::find(layers.begin(), layers.end(), layer);
    return found == layers.end() ? -1 : found - layers.begin();
  }
  void distances(const PassContext& ctx, int64_t width, PassReport& report) const;

  std::vector<int32_t> student_, teacher_;  // rows of the pack
  std::vector<Pair> pairs_;
  Tensor a_, b_;               // (rows,D) T    the two hidden states
  Tensor sum_, scale_;         // (rows) T
  std::vector<Tensor> seeds_;  // per compared layer: (rows,D) T, its gradient
};

void ConsistencyTerm::choose_rows(const Pass& pass, const Packed& packed) {
  student_.clear();
  teacher_.clear();
  pairs_.clear();
  ILORA_CHECK(loss_->teacher >= 0, "consistency without a teacher");
  const auto students = packed.sequences_of(segment_),
             teachers = packed.sequences_of(static_cast<size_t>(loss_->teacher));
  ILORA_CHECK(students.size() == teachers.size());
  for (size_t s = 0; s < students.size(); ++s) {
    const PackedSequence &student = students[s], &teacher = teachers[s];
    ILORA_CHECK(student.row == teacher.row &&
                student.length - student.prefix == teacher.length - teacher.prefix);
    const auto begin = static_cast<int64_t>(student_.size());
    const bool all = loss_->parameters.positions == Positions::kAll;
    const auto add = [&](int64_t i) {
      student_.push_back(static_cast<int32_t>(student.begin + student.prefix + i));
      teacher_.push_back(static_cast<int32_t>(teacher.begin + teacher.prefix + i));
    };
    if (all) {
      for (int64_t i = 0; i < student.length - student.prefix; ++i) add(i);
    } else {
      each_label(pass, student, add);
    }
    pairs_.push_back({student.row, begin, static_cast<int64_t>(student_.size())});
  }
  rows_ = static_cast<int64_t>(student_.size());
}

void ConsistencyTerm::place(Arena& arena, const ModelConfig& config, const ActivationShape& shape) {
  a_ = arena.take("consistency.a", shape.state, {rows_, config.width});
  b_ = arena.take("consistency.b", shape.state, {rows_, config.width});
  sum_ = arena.take("consistency.sum", shape.state, {rows_});
  scale_ = arena.take("consistency.scale", shape.state, {rows_});
  seeds_.clear();
  for (size_t i = 0; i < loss_->parameters.layers.size(); ++i)
    seeds_.push_back(
        arena.take("consistency.seed", shape.state, {gradient_ ? rows_ : 0, config.width}));
}

void ConsistencyTerm::at_hidden(PassContext& ctx, int64_t layer, Tensor hidden,
                                PassReport& report) {
  const int64_t index = index_of(layer);
  if (index < 0 || rows_ == 0) return;
  const Kernels& k = ctx.kernels;
  const bool one_sided = loss_->parameters.one_sided;
  gather_rows(k, a_, hidden, student_);
  gather_rows(k, b_, hidden, teacher_);
  k.row_squared_distance(sum_, a_, b_, one_sided);
  distances(ctx, hidden.shape[1], report);
  if (!gradient_) return;
  const Tensor seed = seeds_[static_cast<size_t>(index)];
  k.fill(seed, 0.0);
  k.row_distance_backward(seed, a_, b_, scale_, one_sided);
}

// sum_ to the report and to scale_, the weight of each position's distance.
void ConsistencyTerm::distances(const PassContext& ctx, int64_t width, PassReport& report) const {
  const auto layers = static_cast<double>(loss_->parameters.layers.size());
  for (const Pair& pair : pairs_) {
    Scalar distance;
    for (int64_t i = pair.begin; i < pair.end; ++i) {
      const Scalar d = read_scalar(sum_, i);
      distance.real += d.real;
      distance.imaginary += d.imaginary;
    }
    auto norm = static_cast<double>((pair.end - pair.begin) * width);
    if (loss_->parameters.normalise) {
      norm = 0;
      for (int64_t i = pair.begin; i < pair.end; ++i) {
        const Tensor b = b_.rows(i, i + 1);
        norm += ctx.kernels.dot(b, b);
      }
    }
    const double share = norm > 0 ? 1.0 / (norm * layers) : 0.0;
    const double weight = loss_->weight_of(pair.row) / denominator_;
    tell(report, pair.row, {weight * share * distance.real, weight * share * distance.imaginary},
         share * distance.real);
    for (int64_t i = pair.begin; i < pair.end; ++i) write_scalar(scale_, i, 2.0 * weight * share);
  }
}

void ConsistencyTerm::add_seed(const PassContext& ctx, int64_t layer, Tensor dhidden) const {
  const int64_t index = index_of(layer);
  if (index < 0 || !gradient_) return;
  scatter_add(ctx.kernels, dhidden, student_, seeds_[static_cast<size_t>(index)]);
}

std::optional<Positions> top_positions(const Loss& loss, int64_t top) {
  const std::vector<int64_t>& layers = loss.parameters.layers;
  if (std::find(layers.begin(), layers.end(), top) == layers.end()) return {};
  return loss.parameters.positions;
}

}  // namespace

template <>
struct LossDefinition<LossKind::kConsistency> {
  static constexpr LossRules kRules = {
      .name = "consistency",
      .denominator = count_rows,
      .top_positions = top_positions,
      .more_head_products = [](const Loss&) { return int64_t{0}; },
      .make = make_term<ConsistencyTerm>,
  };
};
template const LossRules& rules_of<LossKind::kConsistency>();

}  // namespace ilora
