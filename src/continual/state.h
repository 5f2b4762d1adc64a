// What a method or the trainer keeps between steps, as one list that is visited to save and to
// load.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/row.h"
#include "tensor/tensor.h"

namespace ilora {

class StateVisitor {
 public:
  virtual ~StateVisitor() = default;
  virtual void value(const std::string& name, int64_t& x) = 0;
  // How many of something follow in the state.
  virtual void count(const std::string& name, int64_t& n) = 0;
  virtual void value(const std::string& name, double& x) = 0;
  virtual void vector(const std::string& name, Tensor flat) = 0;  // float32, of a size known before
  virtual void rows(const std::string& name,
                    std::vector<Row>& rows) = 0;  // any number, restored whole
};

// A list of numbers of any length, restored whole.
template <class T>
void visit_list(StateVisitor& visitor, const std::string& name, std::vector<T>& list) {
  auto size = static_cast<int64_t>(list.size());
  visitor.count(name + ".size", size);
  list.resize(static_cast<size_t>(size));
  for (size_t i = 0; i < list.size(); ++i) visitor.value(name + "." + std::to_string(i), list[i]);
}

}  // namespace ilora
