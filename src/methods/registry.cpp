#include "methods/registry.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/listed.h"

namespace ilora {
namespace {

constexpr std::array kMethods = {
    MethodEntry{"zero-shot", "no training: what the base model can do", "-", "nothing", "0",
                make_zero_shot},
    MethodEntry{"constant", "no model: the answer that most of a task's training rows have", "-",
                "nothing", "0", make_constant},
    MethodEntry{"seq", "one adapter, trained on the tasks in order", "the naive baseline",
                "nothing", "1", make_seq},
    MethodEntry{"one", "a fresh adapter for each task, which answers that task alone",
                "the bound where a row's task is known",
                "an adapter for each task, and the first one", "1", make_one},
    MethodEntry{"mtl", "all tasks together, as many steps as the sequence takes",
                "the bound where all tasks are there at once", "nothing", "1", make_mtl},
    MethodEntry{"er", "experience replay: each batch beside one from a reservoir of earlier rows",
                "Chaudhry et al. 2019, arXiv 1902.10486", "memory_size rows", "2", make_er},
    MethodEntry{"ewc", "a quadratic penalty holds values that earlier tasks need",
                "Kirkpatrick et al. 2017, arXiv 1612.00796",
                "2 vectors for each earlier task, or 2 in all", "1", make_ewc},
    MethodEntry{"lwf", "distillation on current rows from the adapter as it was before the task",
                "Li and Hoiem 2016, arXiv 1606.09282", "a second adapter", "1.5", make_lwf},
    MethodEntry{"sfa",
                "the adapter is averaged with the previous task's, and trained on from there",
                "Kleiman et al. 2025, arXiv 2501.05559", "a second adapter", "1", make_sfa},
    MethodEntry{"slao", "each task begins with orthonormal A; what answers is B merged over tasks",
                "Qiao and Mahdavi 2025, arXiv 2512.23017", "a second adapter", "1", make_slao},
    MethodEntry{"pm",
                "after a task the adapter goes back towards the earlier one, by Fisher information",
                "Qiu et al. 2025, arXiv 2505.22389", "3 vectors", "1", make_pm},
    MethodEntry{
        "olora", "an adapter for each task, added up, whose A are held orthogonal to each other",
        "Wang et al. 2023, arXiv 2310.14152", "an adapter for each earlier task", "1", make_olora},
    MethodEntry{"gem", "the gradient may not point against that of any earlier task's kept rows",
                "Lopez-Paz and Ranzato 2017, arXiv 1706.08840",
                "memory_size rows for each earlier task", "1 + (t − 1)·draw/B", make_gem},
    MethodEntry{"agem",
                "the gradient may not point against the mean one of earlier tasks' kept rows",
                "Chaudhry et al. 2019, arXiv 1812.00420", "memory_size rows for each earlier task",
                "1 + draw/B", make_agem},
    MethodEntry{"ogd", "the gradient leaves out directions that earlier tasks' answers depend on",
                "Farajtabar et al. 2020, arXiv 1910.07104", "rows vectors for each earlier task",
                "1", make_ogd},
    MethodEntry{"l2p", "a pool of soft prompts; each row takes those whose keys are nearest to it",
                "Wang et al. 2022, arXiv 2112.08654", "nothing", "1 × (1 + prompt/row)", make_l2p},
    MethodEntry{"pp",
                "progressive prompts: a new soft prompt per task before the frozen earlier ones",
                "Razdaibiedina et al. 2023, arXiv 2301.12314", "length rows of width D per task",
                "1 × (1 + prompt/row)", make_pp},
    MethodEntry{"derpp", "replay, and distillation from logits that were kept with the rows",
                "Buzzega et al. 2020, arXiv 2004.07211",
                "memory_size rows, top_k logits for each label", "3", make_derpp},
    MethodEntry{"sure", "replay of the rows of highest loss, and a slow learner that answers",
                "Hazard et al. 2025, arXiv 2511.22367", "memory_size rows, a second adapter", "2",
                make_sure},
    MethodEntry{"ilora",
                "replay, a slow learner that follows the fast one, and consistency between the two",
                "Ren et al. 2024, arXiv 2402.18865", "memory_size rows, a second adapter", "2.5",
                make_ilora},
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
