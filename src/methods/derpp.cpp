// derpp: dark experience replay with labels, DER++ (Buzzega et al. 2020, "Dark experience for
// general continual learning", arXiv 2004.07211), for a causal language model.
//
//   loss = mean CE(current rows; w) + alpha * mean T^2 KL(z' || w; rows') + beta * mean CE(rows''; w)
//
// rows' and rows'' are two draws from one memory. With a row the memory keeps z', the top_k largest
// logits at each of its labels that the adapter gave when the row entered; p of KL is their softmax at
// temperature T (model/losses/logit_distillation.cpp). The paper compares all logits by their squared
// distance, which for a vocabulary of tens of thousands neither fits nor says much of its tail.
#include "continual/keeps_rows.h"
#include "continual/replay.h"
#include "methods/registry.h"

namespace ilora {
namespace {

class DarkExperienceReplay : public Method, public KeepsRows {
 public:
  DarkExperienceReplay() {
    replay_.keep_with = [this](Run& run, Row& row) {
      if (row.top_logits.k == 0) row.top_logits = run.top_logits(run.fast(), row, top_k_);
    };
  }
  void add_options(OptionList& options) override;
  void check(const ModelConfig&) const override { replay_.check(); }
  Footprint footprint(const ModelConfig&, int64_t) const override {
    return {.losses = {divergence(LossReduction::kSequence)}};
  }
  Pass plan(Run& run, const std::vector<const Row*>& current) override;
  void after_update(Run& run, const std::vector<const Row*>& current) override {
    replay_.remember(run, current);
  }
  void visit(StateVisitor& visitor) override { replay_.visit(visitor, "derpp.memory"); }
  int64_t forget(const RowFilter& leaves) override { return replay_.forget(leaves); }

 private:
  Loss divergence(LossReduction reduction) const {
    return {.kind = LossKind::kLogitDistillation,
            .weight = alpha_,
            .parameters = {.reduction = reduction, .temperature = temperature_}};
  }

  Replay replay_;
  double alpha_ = 0.5, beta_ = 0.5, temperature_ = 1;
  int64_t top_k_ = 64;
  bool second_draw_ = true;
};

void DarkExperienceReplay::add_options(OptionList& options) {
  replay_.add_memory_options(options, "derpp");
  options.add("derpp.alpha", &alpha_, "weight of the divergence from the kept logits; 0: none",
              {.min = 0, .source = "ours; the authors have 0.1 to 1, of a squared distance"});
  options.add("derpp.beta", &beta_,
              "weight of the replayed rows' cross-entropy; 0: none, plain DER",
              {.min = 0, .source = "the authors' code: 0.5 for most of their benchmarks"});
  options.add(
      "derpp.temperature", &temperature_, "T, of both distributions",
      {.min = 0, .above_min = true, .source = "ours: at 1 the kept logits hold nearly all"});
  options.add("derpp.top_k", &top_k_, "logits kept for each label of a row",
              {.min = 1, .source = "ours: 64 of 8 bytes", .fixed_once_learned = true});
  options.add("derpp.second_draw", &second_draw_,
              "each of the two terms draws rows of its own; false: both have the same rows",
              {.source = "paper"});
}

// Logits are kept of the labels that a run had then.
void require_logits_of_labels(const std::vector<const Row*>& rows, const Run& run) {
  for (const Row* row : rows) {
    const int64_t labels = row->label_count(run.loss.labels);
    if (std::ssize(row->top_logits.tokens) == labels * row->top_logits.k) continue;
    throw Error(ErrorKind::kUsage,
                fmt::format("[derpp] expected kept logits for {} labels of a row, as "
                            "train.train_on_prompt has it, got {} (task {}, row {})",
                            labels, std::ssize(row->top_logits.tokens) / row->top_logits.k,
                            row->task + 1, number_in_file(row->id)),
                "train.train_on_prompt must stay as it was when the row was learned.");
  }
}

Pass DarkExperienceReplay::plan(Run& run, const std::vector<const Row*>& current) {
  Pass pass = Method::plan(run, current);
  const bool distils = alpha_ != 0, replays = beta_ != 0,
             apart = second_draw_ && distils && replays;
  const auto taken = replay_.take(run, current, apart ? 2 : 1);
  if (taken.empty() || !(distils || replays)) return pass;
  const Segment plain = pass.segments.front();
  if (distils) require_logits_of_labels(taken.front(), run);
  Segment labelled = plain, dark = plain;
  labelled.rows = taken.back();
  dark.rows = taken.front();
  dark.losses = {divergence(run.loss.reduction)};
  if (distils && replays && !apart) labelled.losses.push_back(dark.losses.front());
  if (distils && (apart || !replays)) pass.segments.push_back(dark);
  if (!replays) return pass;
  pass.segments.push_back(labelled);
  // Two means of cross-entropy, not one over both.
  const LossKind kind = LossKind::kCrossEntropy;
  const double all = run.denominators(pass)[kind];
  const auto own = [&](const Segment& segment) { return run.denominators({{segment}})[kind]; };
  pass.segments.front().losses.front().weight = all / own(plain);
  pass.segments.back().losses.front().weight = beta_ * all / own(labelled);
  return pass;
}

}  // namespace

std::unique_ptr<Method> make_derpp() {
  return std::make_unique<DarkExperienceReplay>();
}

}  // namespace ilora
