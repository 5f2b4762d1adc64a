// What a finished run was before it learns more: copies of the files that training writes anew, so
// that the run can be put back.
#pragma once

#include <filesystem>

#include "runs/run_folder.h"

namespace ilora {

class Before {
 public:
  // `place`: the folder of the copies; of a run that learns more, RunFolder::before().
  Before(const RunFolder& folder, std::filesystem::path place)
      : folder_(folder), place_(std::move(place)) {}

  bool there() const;
  void keep() const;
  // As the run was when keep() was called; then the copies go.
  void put_back() const;
  void drop() const;

 private:
  const RunFolder& folder_;
  std::filesystem::path place_;
};

}  // namespace ilora
