#include "bench/flops.h"

#include "model/losses/loss_rules.h"
#include "model/top_rows.h"

namespace ilora {
namespace {

// Whether the last block is computed above its attention at labelled positions alone (top_rows.h).
bool narrow_top(const Pass& pass, const ModelConfig& c) {
  for (const Segment& s : pass.segments) {
    for (const Loss& loss : s.losses) {
      const auto positions = loss_rules(loss.kind).top_positions(loss, c.layers);
      if (loss.weight != 0 && positions == Positions::kAll) return false;
    }
    for (const AdapterUse& use : s.uses) {
      for (const Module m : kAboveAttention) {
        if (use.adapter->layout().find(c.layers - 1, m) != nullptr) return false;
      }
    }
  }
  return true;
}

// How often the head multiplies a labelled position of a segment: forward, and back where it has
// gradient; and what its losses ask for beside that.
double head_products(const Segment& s) {
  double products = reads_logits(s) ? (s.has_gradient() ? 2.0 : 1.0) : 0.0;
  for (const Loss& loss : s.losses) {
    if (loss.weight != 0)
      products += static_cast<double>(loss_rules(loss.kind).more_head_products(loss));
  }
  return products;
}

}  // namespace

double gemm_flops(const Pass& pass, const ModelConfig& c) {
  double all = 0;
  for (int64_t l = 0; l < c.layers; ++l) all += static_cast<double>(c.gemm_parameters(l));
  const auto first_inputs = static_cast<double>(c.attention_input_parameters(0));
  const auto last = static_cast<double>(c.gemm_parameters(c.layers - 1));
  const auto last_inputs = static_cast<double>(c.attention_input_parameters(c.layers - 1));
  const bool narrow = narrow_top(pass, c);
  double flops = 0;
  for (const Segment& s : pass.segments) {
    const double directions = s.has_gradient() ? 4.0 : 2.0;
    const double head = 2.0 * head_products(s) * static_cast<double>(c.vocabulary * c.width);
    for (size_t r = 0; r < s.rows.size(); ++r) {
      const auto tokens = static_cast<double>(s.fed_length(static_cast<int64_t>(r)));
      const auto labels = static_cast<double>(s.rows[r]->label_count(s.labels));
      flops += directions * tokens * all;
      if (s.has_gradient()) flops -= 2 * tokens * first_inputs;  // layer 0: no dX of its input
      if (narrow) flops -= directions * (tokens - labels) * (last - last_inputs);
      flops += head * labels;
    }
  }
  return flops;
}

}  // namespace ilora
