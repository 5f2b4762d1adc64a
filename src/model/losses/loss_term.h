// One loss of one segment, at work in a micro-pass: what each file of this folder implements.
//
// A kind NAME is model/losses/NAME.cpp: a class that overrides what it needs of LossTerm, its
// equation above it, and its row of the table (loss_rules.h):
//
//   template <>
//   struct LossDefinition<LossKind::kName> {
//     static constexpr LossRules kRules = {.name = "name", …, .make = make_term<NameTerm>};
//   };
//   template const LossRules& rules_of<LossKind::kName>();
//
// The order of calls in a micro-pass: choose_rows, place, at_hidden for each l as hidden[l] comes,
// before_labels, at_labels for each run of its segment's labels, add_seed as backward comes down.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/block.h"
#include "model/losses/loss_rules.h"
#include "model/report.h"
#include "tensor/scalar.h"

namespace ilora {

// Labels of one segment whose logits exist at the moment.
struct LabelRun {
  int64_t first = 0, count = 0;  // labels [first, first+count) of the micro-pass
  Tensor logits;                 // (count,V) T
  bool gradient = false;         // whether the gradient is asked for
};

class LossTerm {
 public:
  virtual ~LossTerm() = default;

  // The loss `index` of segment `segment` in this micro-pass; `top` is L.
  void plan(const Pass& pass, const Packed& packed, const Denominators& denominators,
            size_t segment, size_t index, int64_t top);
  // In place of plan(), for place() alone: some segment of `rows` rows of the pack carries `loss`.
  void plan_largest(const Loss& loss, int64_t rows, int64_t top);

  size_t segment() const { return segment_; }

  // Takes the buffers that it needs, for rows_ rows.
  virtual void place(Arena&, const ModelConfig&, const ActivationShape&) {}
  // hidden (N,D) T is hidden[layer]; the gradient with respect to it waits for add_seed().
  virtual void at_hidden(PassContext&, int64_t /*layer*/, Tensor /*hidden*/, PassReport&) {}
  // Adds the gradient with respect to hidden[layer] to dhidden (N',D) T.
  virtual void add_seed(const PassContext&, int64_t /*layer*/, Tensor /*dhidden*/) const {}
  // hidden[L] is there and no logits are yet: what must be known of whole rows.
  virtual void before_labels(PassContext&) {}
  // The loss of a run of labels. Returns its gradient with respect to the logits, (count,V) T, where
  // it is asked for: in a buffer of its own (the logits stay) or, where the kind is `in_place`, over
  // the logits.
  virtual Tensor at_labels(PassContext&, const LabelRun&, PassReport&) { return {}; }

 protected:
  // Chooses its rows of the pack; sets rows_.
  virtual void choose_rows(const Pass& pass, const Packed& packed) = 0;

  // Adds to the report: `term` as it enters the total, `own` to the loss of row `row` of the
  // segment.
  void tell(PassReport& report, int64_t row, const Scalar& term, double own) const;
  // Per label of the segment: the weight of a sum over labels that becomes the mean over rows (or
  // labels) of the whole step, times `factor`.
  void weigh_labels(const Pass& pass, const Packed& packed, double factor,
                    std::vector<float>& scale) const;
  // visit(i) for each labelled position of a sequence of the segment, behind its soft prompts.
  template <class Visit>
  void each_label(const Pass& pass, const PackedSequence& sequence, const Visit& visit) const {
    const Segment& own = pass.segments[segment_];
    own.rows[static_cast<size_t>(sequence.row)]->each_label(own.labels, visit);
  }

  const Loss* loss_ = nullptr;
  size_t segment_ = 0, index_ = 0;
  double denominator_ = 1;
  int64_t top_ = 0;
  bool gradient_ = false;  // whether the segment has gradient
  int64_t rows_ = 0;
};

// ---- for the files of the kinds ----------------------------------------------------------------

// Denominators: rows; or labelled tokens, where the loss is their mean.
double count_rows(const Segment& segment, const Loss& loss);
double count_rows_or_labels(const Segment& segment, const Loss& loss);

template <class Term>
std::unique_ptr<LossTerm> make_term() {
  return std::make_unique<Term>();
}

template <LossKind kKind>
struct LossDefinition;
template <LossKind kKind>
const LossRules& rules_of() {
  return LossDefinition<kKind>::kRules;
}

}  // namespace ilora
