// The list of operations: that it is complete is checked when it is compiled.
#include "kernels/operations.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>

#include "tests/unit/kernels/op_cases.h"

namespace ilora {
namespace {

TEST(Operations, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for_each_operation([&](const auto& row) { names.insert(row.name); });
  EXPECT_EQ(names.size(), kOperationCount);
}

TEST(Operations, EveryTableHasThemAll) {
  EXPECT_EQ(missing_operation(cpu_kernels()), nullptr);
  for (const DType state : {DType::kF32, DType::kF64, DType::kC128})
    EXPECT_EQ(missing_operation(reference_kernels(state)), nullptr) << dtype_name(state);
}

TEST(Operations, AreMissedByName) {
  Kernels table = cpu_kernels();
  table.rope = {};
  EXPECT_STREQ(missing_operation(table), "rope");
  EXPECT_STREQ(missing_operation(Kernels()), operation<&Kernels::adamw>().name);  // the last
}

// A row without cases is an operation that no fast table is compared on.
TEST(Operations, EachHasCases) {
  const Kernels& table = reference_kernels(DType::kF32);
  std::set<std::string> compared;
  for (const test::OpError& e : test::compare_tables(table, table, DType::kBF16)) {
    EXPECT_GT(e.elements, 0) << e.op;
    compared.insert(e.op);
  }
  for_each_operation([&](const auto& row) {
    EXPECT_EQ(compared.erase(row.name), 1u) << "op_cases.h has no case of " << row.name;
  });
  for (const std::string& name : compared)
    ADD_FAILURE() << "cases of " << name << ", which is none";
}

TEST(Operations, HaveTolerancesByTypes) {
  const Tolerance& t = operation<&Kernels::attention>().tolerance;
  EXPECT_EQ(operation_tolerance("attention", DType::kF32, DType::kF32), t.f32);
  EXPECT_EQ(operation_tolerance("attention", DType::kBF16, DType::kF32), t.bf16_inputs);
  EXPECT_EQ(operation_tolerance("attention", DType::kF32, DType::kBF16), t.bf16_output);
  EXPECT_ANY_THROW(operation_tolerance("attraction", DType::kF32, DType::kF32));
}

TEST(Operations, KnowTheirOutputs) {
  const auto& row = operation<&Kernels::kl_divergence_backward>();
  EXPECT_TRUE(row.outputs.contains(0));
  EXPECT_FALSE(row.outputs.contains(1));  // logits stay
  EXPECT_TRUE(row.outputs.contains(2));
  EXPECT_FALSE(Outputs().contains(0));
}

TEST(Operations, LargestLeavesOutWhatIsNotFinite) {
  const float inf = std::numeric_limits<float>::infinity();
  Buffer b(DType::kF32, {2, 3});
  const float values[] = {1, -3, inf, 2, std::numeric_limits<float>::quiet_NaN(), 100};
  std::copy(std::begin(values), std::end(values), b.ptr<float>());
  EXPECT_EQ(largest(b.view().columns(0, 2)), 3.0);
  EXPECT_EQ(largest(std::span<const float>(values, 2)), 3.0);
}

}  // namespace
}  // namespace ilora
