// Reference values of tests/golden/make_analysis.py, as Eigen's matrices.
#pragma once

#include <Eigen/Core>
#include <string>
#include <vector>

#include "base/json.h"

namespace ilora::testing {

inline Json analysis_reference(const std::string& part) {
  return read_json(std::string(ILORA_SOURCE_DIR) + "/tests/golden/analysis/reference.json")
      .at(part);
}

inline Eigen::MatrixXd matrix_of(const Json& rows) {
  Eigen::MatrixXd m(static_cast<Eigen::Index>(rows.size()),
                    static_cast<Eigen::Index>(rows.at(0).size()));
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t j = 0; j < rows[i].size(); ++j)
      m(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = rows[i][j].get<double>();
  }
  return m;
}

inline Eigen::VectorXd vector_of(const Json& list) {
  const auto values = list.get<std::vector<double>>();
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

}  // namespace ilora::testing
