// er: experience replay (Chaudhry et al. 2019, "On tiny episodic memories in continual learning").
//
//   loss = mean over current and replayed rows of the cross-entropy
#include "continual/replay.h"
#include "methods/registry.h"

namespace ilora {
namespace {

class ExperienceReplay : public Method {
 public:
  void add_options(OptionList& options) override {
    options.add("er.memory_size", &replay_.options.memory_size,
                "rows that the memory keeps over the whole sequence",
                {.min = 1, .source = "the I-LoRA paper's 500"});
  }
  Pass plan(Run& run, const std::vector<const Row*>& current) override {
    Pass pass = Method::plan(run, current);
    const auto replayed = replay_.draw(run, static_cast<int64_t>(current.size()));
    if (!replayed.empty()) pass.segments.push_back(trained_segment(run, replayed));
    return pass;
  }
  void after_update(Run& run, const std::vector<const Row*>& current) override {
    replay_.remember(run, current);
  }
  void visit(StateVisitor& visitor) override { replay_.visit(visitor, "er.memory"); }

 private:
  Replay replay_;
};

}  // namespace

std::unique_ptr<Method> make_er() {
  return std::make_unique<ExperienceReplay>();
}

}  // namespace ilora
