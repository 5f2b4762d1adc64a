#include "continual/run.h"

#include <cstring>

#include "base/random.h"

namespace ilora {

Run::Run(Engine& engine, Adapter fast, uint64_t run_seed)
    : seed(run_seed), engine_(engine), gradient_(DType::kF32, {fast.layout().size()}) {
  learners_.push_back({"fast", std::make_unique<Adapter>(std::move(fast))});
}

Adapter* Run::find(const std::string& name) {
  for (const Learner& learner : learners_) {
    if (learner.name == name) return learner.adapter.get();
  }
  return nullptr;
}

Adapter& Run::add_copy_of_fast(const std::string& name) {
  ILORA_CHECK(find(name) == nullptr, "two learners called {}", name);
  Adapter copy(config(), fast().options());
  kernels().convert(copy.values(), fast().values());
  learners_.push_back({name, std::make_unique<Adapter>(std::move(copy))});
  return *learners_.back().adapter;
}

PassReport Run::run(const Pass& pass, uint64_t dropout_key) {
  PassReport report;
  engine_.run(pass, count_denominators(pass, engine_.options().loss), dropout_key, report);
  return report;
}

uint64_t Run::dropout_key() const {
  return hash_combine(Random(seed, Stream::kDropout).bits(0), static_cast<uint64_t>(position.step));
}

}  // namespace ilora
