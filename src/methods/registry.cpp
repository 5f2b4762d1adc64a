#include "methods/registry.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/listed.h"

namespace ilora {
namespace {

constexpr std::array kMethods = {
    MethodEntry{"zero-shot", "no training: what the base model can do", "-", make_zero_shot},
    MethodEntry{"constant", "no model: the answer that most of a task's training rows have", "-",
                make_constant},
    MethodEntry{"seq", "one adapter, trained on the tasks in order", "the naive baseline",
                make_seq},
    MethodEntry{"one", "a fresh adapter for each task, which answers that task alone",
                "the bound where a row's task is known", make_one},
    MethodEntry{"mtl", "all tasks together, as many steps as the sequence takes",
                "the bound where all tasks are there at once", make_mtl},
    MethodEntry{"er", "experience replay: each batch beside one from a reservoir of earlier rows",
                "Chaudhry et al. 2019, arXiv 1902.10486", make_er},
    MethodEntry{"ewc", "a quadratic penalty holds values that earlier tasks need",
                "Kirkpatrick et al. 2017, arXiv 1612.00796", make_ewc},
    MethodEntry{"lwf", "distillation on current rows from the adapter as it was before the task",
                "Li and Hoiem 2016, arXiv 1606.09282", make_lwf},
    MethodEntry{"gem", "the gradient may not point against that of any earlier task's kept rows",
                "Lopez-Paz and Ranzato 2017, arXiv 1706.08840", make_gem},
    MethodEntry{"agem",
                "the gradient may not point against the mean one of earlier tasks' kept rows",
                "Chaudhry et al. 2019, arXiv 1812.00420", make_agem},
    MethodEntry{"l2p", "a pool of soft prompts; each row takes those whose keys are nearest to it",
                "Wang et al. 2022, arXiv 2112.08654", make_l2p},
    MethodEntry{"pp",
                "progressive prompts: a new soft prompt per task before the frozen earlier ones",
                "Razdaibiedina et al. 2023, arXiv 2301.12314", make_pp},
    MethodEntry{"ilora",
                "replay, a slow learner that follows the fast one, and consistency between the two",
                "Ren et al. 2024, arXiv 2402.18865", make_ilora},
};

}  // namespace

std::span<const MethodEntry> methods() {
  return kMethods;
}

const MethodEntry& find_method(const std::string& name) {
  const auto found = std::ranges::find(kMethods, name, &MethodEntry::name);
  if (found != kMethods.end()) return *found;
  throw Error(ErrorKind::kUsage, fmt::format("[method] there is no method '{}'", name),
              fmt::format("Choose one of: {}.", listed(kMethods, &MethodEntry::name)));
}

}  // namespace ilora
