#include "model/losses/loss_term.h"

namespace ilora {

void LossTerm::plan(const Pass& pass, const Packed& packed, const Denominators& denominators,
                    size_t segment, size_t index, int64_t top) {
  loss_ = &pass.segments[segment].losses[index];
  segment_ = segment;
  index_ = index;
  denominator_ = denominators[loss_->kind];
  top_ = top;
  gradient_ = packed.segments[segment].gradient;
  choose_rows(pass, packed);
}

void LossTerm::plan_largest(const Loss& loss, int64_t rows, int64_t top) {
  loss_ = &loss;
  top_ = top;
  gradient_ = true;
  rows_ = rows;
}

void LossTerm::tell(PassReport& report, int64_t row, const Scalar& term, double own) const {
  report.terms[loss_->kind] += term.real;
  report.imaginary += term.imaginary;
  report.segments[segment_][index_].rows[static_cast<size_t>(row)] += own;
}

void LossTerm::weigh_labels(const Pass& pass, const Packed& packed, double factor,
                            std::vector<float>& scale) const {
  scale.clear();
  const Segment& segment = pass.segments[segment_];
  for (const PackedSequence& sequence : packed.sequences_of(segment_)) {
    const int64_t count =
        segment.rows[static_cast<size_t>(sequence.row)]->label_count(segment.labels);
    const auto labels = static_cast<double>(count);
    const bool per_row = loss_->parameters.reduction == LossReduction::kSequence;
    const double share = per_row ? 1.0 / labels : 1.0;
    scale.insert(
        scale.end(), static_cast<size_t>(count),
        static_cast<float>(loss_->weight_of(sequence.row) * share * factor / denominator_));
  }
}

double count_rows(const Segment& segment, const Loss&) {
  return static_cast<double>(segment.rows.size());
}

double count_rows_or_labels(const Segment& segment, const Loss& loss) {
  if (loss.parameters.reduction == LossReduction::kSequence) return count_rows(segment, loss);
  double labels = 0;
  for (const Row* row : segment.rows)
    labels += static_cast<double>(row->label_count(segment.labels));
  return labels;
}

}  // namespace ilora
