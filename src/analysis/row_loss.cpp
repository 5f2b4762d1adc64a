#include "analysis/row_loss.h"

#include "base/error.h"

namespace ilora {

double add_row_gradient(Engine& engine, const Adapter& adapter, std::span<const Row* const> rows,
                        const LossOptions& loss, Tensor gradient) {
  const PromptShape& prompts = adapter.layout().prompts();
  if (prompts.keys > 0) {
    throw Error(ErrorKind::kUnsupported,
                "[analyze] the loss of a pool of prompts (l2p) has no gradient here: which prompts "
                "a row takes is a choice");
  }
  Segment segment =
      cross_entropy_segment({rows.begin(), rows.end()}, {{&adapter, 1.0, gradient}}, loss);
  segment.dropout = false;
  if (prompts.rows > 0) segment.prefixes = {Prefix::first(prompts.rows)};
  const Pass pass{{segment}};
  PassReport report;
  engine.run(pass, count_denominators(pass), 0, report);
  return report.total();
}

}  // namespace ilora
