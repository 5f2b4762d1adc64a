// cross_entropy: -log p(token) at the labelled positions of the segment's rows.
//
//   term = weight/R sum_r 1/labels_r sum_i -log softmax(logits_i)[target_i]      (sequence)
//   term = weight/(sum_r labels_r) sum_r sum_i ...                               (token)
//
// Reports per row: summed over its labels.
#include "model/losses/loss_term.h"

namespace ilora {
namespace {

class CrossEntropyTerm : public LossTerm {
 public:
  Tensor at_labels(PassContext& ctx, const LabelRun& run, PassReport& report) override {
    const Kernels& k = ctx.kernels;
    const Packed& p = ctx.packed;
    const auto first = static_cast<size_t>(run.first), count = static_cast<size_t>(run.count);
    const size_t own = first - static_cast<size_t>(p.segments[segment_].first_label);
    const auto targets = std::span(p.label_targets).subspan(first, count);
    const auto scale = std::span(scale_).subspan(own, count);
    const Tensor loss = ctx.act.label_loss.rows(0, run.count);  // (n) T
    if (run.gradient) {
      k.cross_entropy_backward(loss, run.logits, targets, scale);
    } else {
      k.cross_entropy(loss, run.logits, targets);
    }
    for (size_t i = 0; i < count; ++i) {
      const Scalar nll = read_scalar(loss, static_cast<int64_t>(i));
      const auto weight = static_cast<double>(scale[i]);
      tell(report, p.sequence_of_label(first + i).row, {weight * nll.real, weight * nll.imaginary},
           nll.real);
    }
    return run.gradient ? run.logits : Tensor();
  }

 protected:
  void choose_rows(const Pass& pass, const Packed& packed) override {
    weigh_labels(pass, packed, 1.0, scale_);
  }

 private:
  std::vector<float> scale_;  // per label of the segment
};

}  // namespace

template <>
struct LossDefinition<LossKind::kCrossEntropy> {
  static constexpr LossRules kRules = {
      .name = "cross_entropy",
      .reads_logits = true,
      .in_place = true,
      .denominator = count_rows_or_labels,
      .top_positions = [](const Loss&, int64_t) { return std::optional(Positions::kLabelled); },
      .more_head_products = [](const Loss&) { return int64_t{0}; },
      .make = make_term<CrossEntropyTerm>,
  };
};
template const LossRules& rules_of<LossKind::kCrossEntropy>();

}  // namespace ilora
