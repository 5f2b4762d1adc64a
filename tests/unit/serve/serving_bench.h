// A workbench on the tiny model, with adapters that say different things, as tests of serving need it.
#pragma once

#include <memory>
#include <string>

#include "base/random.h"
#include "serve/served_learners.h"
#include "train/workbench.h"

namespace ilora::test {

struct ServingBench {
  ServingBench()
      : model(ModelOptions{ILORA_SOURCE_DIR "/tests/data/tiny-model", "auto", "f32"}),
        bench(model, recipe) {}

  // `number` decides its values.
  Adapter adapter(uint64_t number) const {
    LoraOptions options;
    options.rank = 4;
    Adapter made(model.config(), options);
    const Random random(number, Stream::kTest, 0);
    const Tensor values = made.values();
    for (int64_t i = 0; i < values.size(); ++i)
      values.ptr<float>()[i] = static_cast<float>(random.uniform(static_cast<uint64_t>(i)) - 0.5);
    return made;
  }
  std::shared_ptr<const ServedLearner> learner(uint64_t number) {
    if (number == 0) return std::make_shared<const ServedLearner>("base");
    return std::make_shared<const ServedLearner>("learner", bench.engine, adapter(number));
  }

  Recipe recipe;
  LoadedModel model;
  Workbench bench;
};

}  // namespace ilora::test
