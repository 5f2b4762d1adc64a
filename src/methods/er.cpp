// er: experience replay (Chaudhry et al. 2019, "On tiny episodic memories in continual learning").
//
//   loss = mean over current and replayed rows of the cross-entropy
#include "continual/keeps_rows.h"
#include "continual/replay.h"
#include "methods/registry.h"

namespace ilora {
namespace {

class ExperienceReplay : public Method, public KeepsRows {
 public:
  void add_options(OptionList& options) override { replay_.add_options(options, "er"); }
  void check(const ModelConfig&) const override { replay_.check(); }
  Pass plan(Run& run, const std::vector<const Row*>& current) override {
    Pass pass = Method::plan(run, current);
    replay_.add_to(pass, run);
    return pass;
  }
  void after_update(Run& run, const std::vector<const Row*>& current) override {
    replay_.remember(run, current);
  }
  void visit(StateVisitor& visitor) override { replay_.visit(visitor, "er.memory"); }
  int64_t forget(const RowFilter& leaves) override { return replay_.forget(leaves); }

 private:
  Replay replay_;
};

}  // namespace

std::unique_ptr<Method> make_er() {
  return std::make_unique<ExperienceReplay>();
}

}  // namespace ilora
