// A configuration: a recipe, the methods, and the one list of all their options. Read from YAML, or
// from a run's folder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "methods/registry.h"
#include "model/model_files.h"
#include "runs/run_folder.h"
#include "train/recipe.h"

namespace ilora {

// A recipe with its list of options: the run's own and those of every method, so that one
// configuration serves all.
struct Configuration {
  Configuration();
  // Applies "key=value" overrides in order.
  void set(const std::vector<std::string>& assignments);
  // The same for a run that is there. The last that gives an option a new value although it may
  // not; none where all may.
  std::optional<std::string> change(const std::vector<std::string>& assignments,
                                    const OptionList::KeyFilter& may_change);
  Method& method();  // the one that recipe.method names

  Recipe recipe;
  OptionList options;
  std::vector<std::string> warnings;  // what a run's folder does not say and had to be assumed

 private:
  std::vector<std::pair<std::string, std::unique_ptr<Method>>> methods_;
};

// The key of "key = value", without the space around it.
std::string setting_key(const std::string& assignment);

// The options with which a run ends in the same bits, whatever they are: a run that goes on may be
// given others.
OptionList::KeyFilter keeps_bits(const OptionList& options);

// The recipe of a run folder, its paths as they lead to the run's own model and tasks from here.
std::unique_ptr<Configuration> configuration_of(const RunFolder& folder);

// How the files of a run's model differ from those that it was trained on; empty: not, or nobody
// recorded it.
std::string model_change(const RunFolder& folder, const ModelFiles& files);

std::vector<TaskText> read_tasks(const Recipe& recipe);

}  // namespace ilora
