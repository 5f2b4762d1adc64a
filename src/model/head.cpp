#include "model/head.h"

#include <algorithm>

#include "model/base_weight.h"
#include "model/gemm_rows.h"

namespace ilora {

Tensor head_logits(PassContext& ctx, Tensor out, std::span<const int32_t> rows) {
  const Kernels& k = ctx.kernels;
  const Activations& act = ctx.act;
  const auto count = static_cast<int64_t>(rows.size());
  const int64_t n = ctx.packed.step ? count : std::min(gemm_rows(count), out.shape[0]);
  ILORA_CHECK(count <= n, "{} rows in a chunk of {}", count, n);
  ctx.head_rows.assign(static_cast<size_t>(n), -1);
  std::copy(rows.begin(), rows.end(), ctx.head_rows.begin());

  const Tensor hidden = act.label_hidden.rows(0, n), hidden_g = act.label_hidden_g.rows(0, n);
  const Tensor logits = out.rows(0, n);
  gather_rows(k, hidden, act.last, ctx.head_rows);
  if (hidden_g.dtype != hidden.dtype) k.convert(hidden_g, hidden);
  multiply_by_head(ctx, logits, hidden_g);
  return logits;
}

void label_losses(PassContext& ctx, Tensor logits, std::span<const int32_t> rows,
                  std::span<const int32_t> targets, const LabelLossVisitor& visit) {
  const auto chunk = static_cast<size_t>(logits.shape[0]);
  for (size_t first = 0; first < rows.size(); first += chunk) {
    const size_t count = std::min(chunk, rows.size() - first);
    const auto n = static_cast<int64_t>(count);
    const Tensor loss = ctx.act.label_loss.rows(0, n);  // (n) T
    const Tensor some = head_logits(ctx, logits, rows.subspan(first, count));
    ctx.kernels.cross_entropy(loss, some.rows(0, n), targets.subspan(first, count));
    for (size_t i = 0; i < count; ++i)
      visit(first + i, read_scalar(loss, static_cast<int64_t>(i)).real);
  }
}

}  // namespace ilora
