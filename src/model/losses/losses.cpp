#include "model/losses/losses.h"

#include <algorithm>

#include "model/base_weight.h"
#include "model/head.h"

namespace ilora {

void Losses::clear() {
  terms_.clear();
  top_rows_.clear();
  for (Kept& kept : kept_) kept.used = false;
}

LossTerm& Losses::next_term(LossKind kind) {
  auto free = std::find_if(kept_.begin(), kept_.end(),
                           [&](const Kept& k) { return k.kind == kind && !k.used; });
  if (free == kept_.end()) {
    kept_.push_back({kind, false, loss_rules(kind).make()});
    free = kept_.end() - 1;
  }
  free->used = true;
  terms_.push_back(free->term.get());
  return *free->term;
}

void Losses::plan(const Pass& pass, const Packed& packed, const Denominators& denominators,
                  int64_t top) {
  clear();
  for (size_t s = 0; s < pass.segments.size(); ++s) {
    const std::vector<Loss>& losses = pass.segments[s].losses;
    size_t in_place = losses.size();
    for (size_t i = 0; i < losses.size(); ++i) {
      if (losses[i].weight == 0) continue;
      if (!loss_rules(losses[i].kind).in_place) {
        add_term(pass, packed, denominators, s, i, top);
        continue;
      }
      ILORA_CHECK(in_place == losses.size(), "segment {} has two losses in place of its logits", s);
      in_place = i;
    }
    if (in_place < losses.size()) add_term(pass, packed, denominators, s, in_place, top);
  }
}

void Losses::add_term(const Pass& pass, const Packed& packed, const Denominators& denominators,
                      size_t segment, size_t index, int64_t top) {
  const Loss& loss = pass.segments[segment].losses[index];
  next_term(loss.kind).plan(pass, packed, denominators, segment, index, top);
  add_top_rows(pass, packed, loss, segment, top);
}

void Losses::add_top_rows(const Pass& pass, const Packed& packed, const Loss& loss, size_t segment,
                          int64_t top) {
  const std::optional<Positions> positions = loss_rules(loss.kind).top_positions(loss, top);
  if (!positions) return;
  const Segment& own = pass.segments[segment];
  const auto students = packed.sequences_of(segment);
  const auto add = [&](const PackedSequence& of) {
    const int64_t first = of.begin + of.prefix;
    const auto add_one = [&](int64_t i) { top_rows_.push_back(static_cast<int32_t>(first + i)); };
    const Row& row = *own.rows[static_cast<size_t>(of.row)];
    if (*positions == Positions::kLabelled) return row.each_label(own.labels, add_one);
    for (int64_t i = 0; i < row.length(); ++i) add_one(i);
  };
  for (size_t i = 0; i < students.size(); ++i) {
    add(students[i]);
    if (loss.teacher >= 0) add(packed.sequences_of(static_cast<size_t>(loss.teacher))[i]);
  }
}

void Losses::plan_largest(std::span<const Loss> losses, int64_t rows, int64_t top) {
  clear();
  for (const Loss& loss : losses) next_term(loss.kind).plan_largest(loss, rows, top);
}

void Losses::place(Arena& arena, const ModelConfig& config, const ActivationShape& shape) {
  for (LossTerm* term : terms_) term->place(arena, config, shape);
}

void Losses::at_hidden(PassContext& ctx, int64_t layer, Tensor hidden, PassReport& report) {
  for (LossTerm* term : terms_) term->at_hidden(ctx, layer, hidden, report);
}

void Losses::add_seeds(const PassContext& ctx, int64_t layer, Tensor dhidden) const {
  for (const LossTerm* term : terms_) term->add_seed(ctx, layer, dhidden);
}

void Losses::at_labels(PassContext& ctx, Tensor dlast, PassReport& report) {
  const Kernels& k = ctx.kernels;
  const Packed& p = ctx.packed;
  const Activations& act = ctx.act;
  for (LossTerm* term : terms_) term->before_labels(ctx);
  const auto labels = static_cast<int64_t>(p.label_rows.size());
  for (int64_t first = 0, n = 0; first < labels; first += n) {
    // A chunk never mixes labels with and without gradient.
    const int64_t limit = first < p.gradient_labels ? p.gradient_labels : labels;
    n = std::min(act.logits.shape[0], limit - first);
    const auto rows =
        std::span(p.label_rows).subspan(static_cast<size_t>(first), static_cast<size_t>(n));
    const Tensor logits = head_logits(ctx, act.logits, rows);
    const bool gradient = dlast && first < p.gradient_labels;
    const double cap = gradient ? ctx.config.logit_soft_cap : 0;
    if (cap > 0) k.convert(act.capped_logits.rows(0, logits.shape[0]), logits);
    for (size_t s = 0; s < p.segments.size(); ++s) {
      const int64_t begin = std::max(first, p.segments[s].first_label);
      const int64_t end = std::min(first + n, p.segments[s].last_label);
      if (begin >= end) continue;
      run_labels(ctx, s, {begin, end - begin, logits.rows(begin - first, end - first), gradient},
                 report);
    }
    if (!gradient) continue;
    if (cap > 0) k.soft_cap_backward(logits, act.capped_logits.rows(0, logits.shape[0]), cap);
    const Tensor dlogits = act.dlogits_g.rows(0, logits.shape[0]);
    if (dlogits.dtype != logits.dtype) k.convert(dlogits, logits);
    const Tensor dhidden = act.label_hidden.rows(0, logits.shape[0]);
    multiply_by_head_backward(ctx, dhidden, dlogits);
    scatter_add(k, dlast, rows, dhidden);
  }
}

// The losses of a run of a segment's labels; with run.gradient the logits become their gradient.
void Losses::run_labels(PassContext& ctx, size_t segment, const LabelRun& run, PassReport& report) {
  const Kernels& k = ctx.kernels;
  Tensor dlogits;  // (n,V) T   of the losses so far
  for (LossTerm* term : terms_) {
    if (term->segment() != segment) continue;
    const Tensor own = term->at_labels(ctx, run, report);
    if (!own) continue;
    if (dlogits) k.add(own, dlogits);
    dlogits = own;
  }
  if (run.gradient && dlogits.data != run.logits.data) k.convert(run.logits, dlogits);
}

}  // namespace ilora
