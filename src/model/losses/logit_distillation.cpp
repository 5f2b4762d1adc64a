// logit_distillation: the distribution over tokens near the teacher's (Hinton, Vinyals and Dean
// 2015, "Distilling the knowledge in a neural network", arXiv 1503.02531). At the labelled positions
// of the segment's rows, with temperature t, p = softmax(teacher's logits / t), q = softmax(logits /
// t), p detached:
//
//   term = weight/R sum_r 1/labels_r sum_i t^2 KL(p_i || q_i)                     (sequence)
//
// and over all labels for `token`, as cross-entropy. The teacher is another segment with the same
// rows or, without one, the k largest logits that each row keeps (row.h): p is then over those
// tokens. only_better: rows whose labels the teacher predicts worse than the student, by the mean of
// -log p(label), add nothing; they stay in R, which is counted before anything is computed.
//
// Reports per row: t^2 KL summed over its labels; 0 for a row left out.
#include <algorithm>

#include "base/error.h"
#include "model/head.h"
#include "model/losses/loss_term.h"

namespace ilora {
namespace {

constexpr double kAbsent = -1e30;  // the logit of a token that was not kept

class LogitDistillationTerm : public LossTerm {
 public:
  void place(Arena& arena, const ModelConfig& config, const ActivationShape& shape) override {
    teacher_logits_ =
        arena.take("teacher_logits", shape.state, {shape.logit_rows(), config.vocabulary});
  }
  void before_labels(PassContext& ctx) override;
  Tensor at_labels(PassContext& ctx, const LabelRun& run, PassReport& report) override;

 protected:
  void choose_rows(const Pass& pass, const Packed& packed) override;

 private:
  // Where the logits of a label's teacher are.
  struct Source {
    int64_t sequence;    // of the segment's, in this micro-pass
    int32_t row;         // of the pack; -1: kept with the row
    const Row* kept_in;  // that row, and which of its labels
    int64_t label;
  };
  Tensor teacher_logits(PassContext& ctx, size_t first, size_t count);
  void fill_kept(const Source& source, int64_t at) const;

  std::vector<Source> sources_;         // per label of the segment
  std::vector<float> scale_;            // likewise; 0 where the row is left out
  std::vector<int32_t> rows_of_chunk_;  // scratch
  std::vector<double> lead_;            // scratch: per sequence, teacher's loss less the student's
  Tensor teacher_logits_;               // (chunk,V) T   then the gradient
};

void LogitDistillationTerm::choose_rows(const Pass& pass, const Packed& packed) {
  const auto students = packed.sequences_of(segment_);
  const Segment& segment = pass.segments[segment_];
  sources_.clear();
  for (size_t s = 0; s < students.size(); ++s) {
    const PackedSequence& student = students[s];
    const Row& row = *segment.rows[static_cast<size_t>(student.row)];
    const int64_t labels = row.label_count(segment.labels);
    int64_t first = -1;  // of the teacher's tokens, the row's first
    if (loss_->teacher >= 0) {
      const PackedSequence& teacher = packed.sequences_of(static_cast<size_t>(loss_->teacher))[s];
      ILORA_CHECK(teacher.row == student.row);
      first = teacher.begin + teacher.prefix;
    } else {
      ILORA_CHECK(std::ssize(row.top_logits.tokens) == labels * row.top_logits.k &&
                      row.top_logits.logits.size() == row.top_logits.tokens.size() &&
                      row.top_logits.k > 0,
                  "row {} keeps {} logits of a teacher for {} labels", row.id,
                  row.top_logits.logits.size(), labels);
    }
    int64_t label = 0;
    each_label(pass, student, [&](int64_t i) {
      sources_.push_back({static_cast<int64_t>(s), first < 0 ? -1 : static_cast<int32_t>(first + i),
                          &row, label++});
    });
  }
  const double t = loss_->parameters.temperature;
  weigh_labels(pass, packed, t * t, scale_);
  rows_ = static_cast<int64_t>(sources_.size());
}

// (count,V) T, of labels [first, first+count) of the segment, in teacher_logits_.
Tensor LogitDistillationTerm::teacher_logits(PassContext& ctx, size_t first, size_t count) {
  const auto n = static_cast<int64_t>(count);
  if (loss_->teacher >= 0) {
    rows_of_chunk_.clear();
    for (size_t i = first; i < first + count; ++i) rows_of_chunk_.push_back(sources_[i].row);
    return head_logits(ctx, teacher_logits_, rows_of_chunk_).rows(0, n);
  }
  const Tensor logits = teacher_logits_.rows(0, n);
  ctx.kernels.fill(logits, kAbsent);
  for (size_t i = 0; i < count; ++i) fill_kept(sources_[first + i], static_cast<int64_t>(i));
  return logits;
}

// Row `at` of teacher_logits_: the logits that are kept.
void LogitDistillationTerm::fill_kept(const Source& source, int64_t at) const {
  const TopLogits& kept = source.kept_in->top_logits;
  const Tensor row = teacher_logits_.rows(at, at + 1).reshaped({teacher_logits_.shape[1]});
  for (int64_t i = source.label * kept.k; i < (source.label + 1) * kept.k; ++i)
    write_scalar(row, kept.tokens[static_cast<size_t>(i)],
                 static_cast<double>(kept.logits[static_cast<size_t>(i)]));
}

void LogitDistillationTerm::before_labels(PassContext& ctx) {
  if (!loss_->parameters.only_better || sources_.empty()) return;
  const Packed& p = ctx.packed;
  const auto first_label = static_cast<size_t>(p.segments[segment_].first_label);
  const auto rows = std::span(p.label_rows).subspan(first_label, sources_.size());
  const auto targets = std::span(p.label_targets).subspan(first_label, sources_.size());
  lead_.assign(p.sequences_of(segment_).size(), 0.0);
  const auto lead = [&](size_t label) -> double& {
    return lead_[static_cast<size_t>(sources_[label].sequence)];
  };
  label_losses(ctx, teacher_logits_, rows, targets,
               [&](size_t label, double loss) { lead(label) -= loss; });
  const auto chunk = static_cast<size_t>(teacher_logits_.shape[0]);
  for (size_t first = 0; first < sources_.size(); first += chunk) {
    const size_t count = std::min(chunk, sources_.size() - first);
    const Tensor loss = ctx.act.label_loss.rows(0, static_cast<int64_t>(count));  // (n) T
    ctx.kernels.cross_entropy(loss, teacher_logits(ctx, first, count),
                              targets.subspan(first, count));
    for (size_t i = 0; i < count; ++i)
      lead(first + i) += read_scalar(loss, static_cast<int64_t>(i)).real;
  }
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (lead(i) > 0) scale_[i] = 0;
  }
}

Tensor LogitDistillationTerm::at_labels(PassContext& ctx, const LabelRun& run, PassReport& report) {
  const Kernels& k = ctx.kernels;
  const double t = loss_->parameters.temperature;
  const auto count = static_cast<size_t>(run.count);
  const auto own = static_cast<size_t>(run.first - ctx.packed.segments[segment_].first_label);
  const Tensor teacher = teacher_logits(ctx, own, count);
  const Tensor loss = ctx.act.label_loss.rows(0, run.count);  // (n) T
  const auto scale = std::span(scale_).subspan(own, count);
  if (run.gradient) {
    k.kl_divergence_backward(loss, run.logits, teacher, t, scale);
  } else {
    k.kl_divergence(loss, run.logits, teacher, t);
  }
  const auto sequences = ctx.packed.sequences_of(segment_);
  for (size_t i = 0; i < count; ++i) {
    if (scale[i] == 0) continue;
    const Scalar kl = read_scalar(loss, static_cast<int64_t>(i));
    const auto weight = static_cast<double>(scale[i]);
    tell(report, sequences[static_cast<size_t>(sources_[own + i].sequence)].row,
         {weight * kl.real, weight * kl.imaginary}, t * t * kl.real);
  }
  return run.gradient ? teacher : Tensor();
}

// The teacher's; and where rows are chosen first, both once more.
int64_t more_head_products(const Loss& loss) {
  const int64_t teacher = loss.teacher >= 0 ? 1 : 0;
  return loss.parameters.only_better ? 2 * teacher + 1 : teacher;
}

}  // namespace

template <>
struct LossDefinition<LossKind::kLogitDistillation> {
  static constexpr LossRules kRules = {
      .name = "logit_distillation",
      .reads_logits = true,
      .denominator = count_rows_or_labels,
      .top_positions = [](const Loss&, int64_t) { return std::optional(Positions::kLabelled); },
      .more_head_products = more_head_products,
      .make = make_term<LogitDistillationTerm>,
  };
};
template const LossRules& rules_of<LossKind::kLogitDistillation>();

}  // namespace ilora
