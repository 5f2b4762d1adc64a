// What the subcommands share. Each lives in a file of its own and adds itself to the parser.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "session/configuration.h"

namespace ilora {

// Checks of an option's number, with the project's words for what is wrong.
CLI::Validator above_zero();
CLI::Validator not_below_zero();

// --mode, as engine.mode of a configuration; --dtype, its name elsewhere, is refused with a hint.
void add_mode(CLI::App& command, std::string& mode,
              const std::string& help = "precision of the GEMMs, as engine.mode");

void add_train(CLI::App& app);
void add_forget(CLI::App& app);
void add_eval(CLI::App& app);
void add_generate(CLI::App& app);
void add_chat(CLI::App& app);
void add_serve(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_methods(CLI::App& app);
void add_measures(CLI::App& app);
void add_tasks(CLI::App& app);
void add_data(CLI::App& app);
void add_suite(CLI::App& app);
void add_sweep(CLI::App& app);
void add_compare(CLI::App& app);
void add_report(CLI::App& app);
void add_analyze(CLI::App& app);
void add_doctor(CLI::App& app);
void add_bench(CLI::App& app);

}  // namespace ilora
