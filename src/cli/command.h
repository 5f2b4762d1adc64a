// What the subcommands share. Each lives in a file of its own and adds itself to the parser.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "methods/registry.h"
#include "train/recipe.h"
#include "train/run_folder.h"

namespace ilora {

void add_train(CLI::App& app);
void add_eval(CLI::App& app);
void add_generate(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_methods(CLI::App& app);
void add_measures(CLI::App& app);
void add_tasks(CLI::App& app);
void add_suite(CLI::App& app);
void add_report(CLI::App& app);
void add_doctor(CLI::App& app);
void add_bench(CLI::App& app);

// A recipe with its list of options: the run's own and those of every method, so that one
// configuration serves all.
struct Configuration {
  Configuration();
  // Applies "key=value" overrides in order.
  void set(const std::vector<std::string>& assignments);
  Method& method();  // the one that recipe.method names

  Recipe recipe;
  OptionList options;

 private:
  std::vector<std::pair<std::string, std::unique_ptr<Method>>> methods_;
};

// The recipe of a run folder.
std::unique_ptr<Configuration> configuration_of(const RunFolder& folder);

std::vector<TaskText> read_tasks(const Recipe& recipe);

}  // namespace ilora
