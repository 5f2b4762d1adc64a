#include "model/row_order.h"

#include <algorithm>

namespace ilora {

std::vector<int32_t> interleaved_rows(int64_t count, int64_t head_dim) {
  std::vector<int32_t> rows(static_cast<size_t>(count));
  for (int64_t row = 0; row < count; ++row) {
    const int64_t i = row % head_dim, half = head_dim / 2;
    rows[static_cast<size_t>(row)] = static_cast<int32_t>(row - i + 2 * (i % half) + i / half);
  }
  return rows;
}

std::vector<int32_t> gguf_rows(const ModelConfig& config, Module module, int64_t count) {
  const bool turns = module == Module::kQuery || module == Module::kKey;
  if (!turns || !config.names.interleaved_in_gguf) return {};
  return interleaved_rows(count, config.head_dim);
}

std::vector<float> in_file_order(std::vector<float> values, int64_t rows,
                                 const std::vector<int32_t>& order) {
  if (order.empty()) return values;
  const int64_t columns = static_cast<int64_t>(values.size()) / rows;
  std::vector<float> moved(values.size());
  for (int64_t r = 0; r < rows; ++r)
    std::copy_n(values.begin() + r * columns, columns,
                moved.begin() + order[static_cast<size_t>(r)] * columns);
  return moved;
}

}  // namespace ilora
