// The fast table of this CPU, put together from the files of this folder.
#include "kernels/cpu/cpu.h"
#include "kernels/operations.h"

namespace ilora {
namespace {

Kernels make_table(Bf16Products products) {
  cpu::limit_targets();
  Kernels table;
  table.name = "cpu";
  table.state = DType::kF32;
  cpu::install_gemm(table, products);
  cpu::install_expand(table);
  cpu::install_stored_product(table);
  cpu::install_byte_product(table);
  cpu::install_rows(table);
  cpu::install_layernorm(table);
  cpu::install_rope_pairs(table);
  cpu::install_attention(table);
  cpu::install_attention_step(table);
  cpu::install_attention_backward(table);
  cpu::install_losses(table);
  cpu::install_vectors(table);
  const char* missing = missing_operation(table);
  ILORA_CHECK(missing == nullptr, "the fast table lacks {}", missing);
  return table;
}

}  // namespace

const Kernels& cpu_kernels(Bf16Products products) {
  static const Kernels native = make_table(Bf16Products::kNative),
                       expanded = make_table(Bf16Products::kExpanded);
  return products == Bf16Products::kNative ? native : expanded;
}

}  // namespace ilora
