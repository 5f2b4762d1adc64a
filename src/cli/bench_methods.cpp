// ilora bench methods: what a step of each method costs, beside one of `seq`.
#include <iostream>

#include "base/json.h"
#include "bench/methods.h"
#include "cli/bench.h"

namespace ilora {
namespace {

struct Arguments {
  MethodsBench bench;
  bool json = false;
};

void print_cost(const MethodCost& cost) {
  std::cout << fmt::format("| `{}` | {:.3f} | {:.2f} | {:.2f} | {:.2f} |\n", cost.method,
                           cost.seconds, cost.implied, cost.measured, cost.measured / cost.implied)
            << std::flush;
}

void run(const Arguments& a) {
  if (a.json) {
    std::cout << json_text(measure_methods(a.bench, [](const MethodCost&) {})) << "\n";
    return;
  }
  std::cout << "| method | seconds per step | counted | measured | measured / counted |\n"
               "|---|---:|---:|---:|---:|\n";
  measure_methods(a.bench, print_cost);
}

}  // namespace

void add_bench_methods(CLI::App& bench) {
  CLI::App* command =
      bench.add_subcommand("methods", "a step of each method beside one of seq, in a second task");
  auto a = std::make_shared<Arguments>();
  add_subject(*command, a->bench.subject);
  command->add_option("--methods", a->bench.methods, "comma-separated; default: all that train")
      ->delimiter(',');
  command->add_option("--rows", a->bench.rows, "rows of a step")->check(above_zero());
  command->add_option("--tokens", a->bench.tokens, "tokens of a row, the last 16 labelled")
      ->check(CLI::Range(int64_t{17}, int64_t{1} << 20));
  command->add_flag("--json", a->json, "print JSON");
  command->callback([a] { run(*a); });
}

}  // namespace ilora
