#include "continual/method.h"

#include "base/error.h"

namespace ilora {

Segment trained_segment(Run& run, const std::vector<const Row*>& rows) {
  return cross_entropy_segment(rows, run.trained(), run.loss);
}

Pass Method::plan(Run& run, const std::vector<const Row*>& current) {
  Pass pass;
  pass.segments.push_back(trained_segment(run, current));
  return pass;
}

std::vector<std::string> Method::scored(const Run& run) const {
  std::vector<std::string> names;
  for (const Learner& learner : run.learners()) names.push_back(learner.name);
  return names;
}

std::vector<Exported> Method::exported(Run& run) {
  std::vector<Exported> all;
  for (const std::string& name : scored(run)) {
    if (const Adapter* adapter = run.find(name); adapter != nullptr) all.push_back({name, adapter});
  }
  return all;
}

Answerer Method::answer_with(Run& run, const std::string& learner, int64_t task) {
  static_cast<void>(task);
  const Adapter* adapter = run.find(learner);
  ILORA_CHECK(adapter != nullptr, "no learner {}", learner);
  return run.answerer_of(*adapter);
}

}  // namespace ilora
