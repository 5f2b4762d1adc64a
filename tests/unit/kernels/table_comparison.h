// Two tables run on the same operands, and how far apart their results are.
#pragma once

#include <cmath>
#include <initializer_list>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/operations.h"
#include "tests/unit/kernels/block.h"

namespace ilora::test {

// The largest error of one operation over all its cases, for one type of operands read and one type
// written.
struct OpError {
  std::string op;
  DType input = DType::kF32;   // the type of the "T|G" arguments read (F32 where there are none)
  DType output = DType::kF32;  // the type of the output in question
  double max_error = 0;  // |a - b| / max |b| over the output; infinite where only one is finite
  std::string worst;     // the case, output and element it was found at
  int64_t elements = 0;  // how many elements were compared
};

class TableComparison {
 public:
  TableComparison(const Kernels& judged, const Kernels& reference)
      : judged_(judged), reference_(reference) {}

  std::vector<OpError> results() const {
    std::vector<OpError> list;
    for (const auto& entry : errors_) list.push_back(entry.second);
    return list;
  }

 protected:
  // Runs `call` with both tables on copies of `outputs` and records how far apart they come out.
  template <class Call>
  void compare(const std::string& op, DType input, std::initializer_list<const Block*> outputs,
               const std::string& where, Call call) {
    std::vector<Block> first, second;
    std::vector<Tensor> first_views, second_views;
    for (const Block* output : outputs) {
      first.push_back(*output);
      second.push_back(*output);
    }
    for (const Block& block : first) first_views.push_back(block.view());
    for (const Block& block : second) second_views.push_back(block.view());
    call(judged_, first_views);
    call(reference_, second_views);
    for (size_t i = 0; i < first.size(); ++i) {
      record(op, input, first[i], second[i],
             fmt::format("{} {} output {}", dtype_name(input), where, i));
    }
  }

  const Kernels& judged_;
  const Kernels& reference_;

 private:
  using Key = std::tuple<std::string, DType, DType>;

  void record(const std::string& op, DType input, const Block& a, const Block& b,
              const std::string& where) {
    OpError& error = errors_[Key(op, input, b.view().dtype)];
    error.op = op;
    error.input = input;
    error.output = b.view().dtype;
    double largest = std::numeric_limits<double>::min();
    for (int64_t r = 0; r < b.rows(); ++r) {
      for (int64_t c = 0; c < b.width(); ++c) {
        if (std::isfinite(b.at(r, c))) largest = std::max(largest, std::abs(b.at(r, c)));
      }
    }
    const auto note = [&](double value, const std::string& text) {
      if (value > error.max_error) {
        error.max_error = value;
        error.worst = where + text;
      }
    };
    for (int64_t r = 0; r < b.rows(); ++r) {
      for (int64_t c = 0; c < b.width(); ++c, ++error.elements) {
        const double x = a.at(r, c), y = b.at(r, c);
        if (x == y || (std::isnan(x) && std::isnan(y))) continue;
        const double distance = std::abs(x - y) / largest;
        note(std::isfinite(distance) ? distance : std::numeric_limits<double>::infinity(),
             fmt::format(" at ({}, {}): {} against {}", r, c, x, y));
      }
    }
    if (!a.padding_intact())
      note(std::numeric_limits<double>::infinity(), ": wrote outside its rows");
  }

  std::map<Key, OpError> errors_;
};

}  // namespace ilora::test
