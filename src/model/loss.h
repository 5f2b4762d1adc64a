// One term of a loss on one segment of a pass (pass.h), as data. What a kind computes is its file in
// model/losses/; docs/numerics.md has the equations.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/row.h"

namespace ilora {

// The kinds, one a line: model/losses/table.cpp makes the table of them from this list.
enum class LossKind : uint8_t {
  kCrossEntropy,       // of the labels
  kConsistency,        // of hidden states with the teacher's
  kLogitDistillation,  // of the distribution over tokens with the teacher's
  kCount
};
inline constexpr auto kLossKinds = static_cast<size_t>(LossKind::kCount);

// A figure for each kind.
struct PerLossKind {
  std::array<double, kLossKinds> values{};

  double& operator[](LossKind kind) { return values[static_cast<size_t>(kind)]; }
  double operator[](LossKind kind) const { return values[static_cast<size_t>(kind)]; }
};

enum class LossReduction : uint8_t {
  kSequence,  // mean over a row's labelled tokens, then over rows
  kToken,     // mean over all labelled tokens
};
enum class Positions : uint8_t { kLabelled, kAll };

// How a run takes the losses of its rows' labels.
struct LossOptions {
  LossReduction reduction = LossReduction::kSequence;
  Labels labels = Labels::kAnswer;
};

// What a kind may be told; each reads its own.
struct LossParameters {
  LossReduction reduction = LossReduction::kSequence;  // of kinds that are sums over labels

  // consistency
  std::vector<int64_t> layers{};  // hidden[l], l = 0..L; hidden[L] is after the final norm
  Positions positions = Positions::kLabelled;
  bool one_sided = false;  // only where the teacher's state is larger
  bool normalise = true;   // false: plain mean over positions and columns

  // logit_distillation
  double temperature = 1.0;
  bool only_better = false;  // only rows whose labels the teacher predicts as well as the student
};

struct Loss {
  LossKind kind = LossKind::kCrossEntropy;
  double weight = 1.0;  // 0: as if it were not there
  // The segment of the pass with the same rows that the kind compares with; -1: none.
  int teacher = -1;
  LossParameters parameters{};
  // Of each row of its segment, times `weight`; empty: 1 each. What the kind is divided by does not
  // count them.
  std::vector<float> row_weights{};

  double weight_of(int64_t row) const {
    return row_weights.empty()
               ? weight
               : weight * static_cast<double>(row_weights[static_cast<size_t>(row)]);
  }
};

}  // namespace ilora
