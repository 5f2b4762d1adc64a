// What the subcommands of `ilora bench` share; what they measure is bench/.
#pragma once

#include "bench/subject.h"
#include "cli/command.h"

namespace ilora {

// --model, --mode, --set, --repeat.
void add_subject(CLI::App& command, BenchSubject& subject);
CLI::Option* add_profile(CLI::App& command, BenchSubject& subject);
CLI::Option* add_paced(CLI::App& command, BenchSubject& subject);

void add_bench_answers(CLI::App& bench);  // the subcommands eval and generate
void add_bench_methods(CLI::App& bench);  // the subcommand methods

// "key  value" lines, then the profile where there is one.
void print_facts(const Json& facts);

}  // namespace ilora
