// The command line's entry: subcommands live one file each beside this one. The only place that
// turns errors into exit codes (base/exit_code.h).
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

#include "base/error.h"
#include "base/exit_code.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/export.h"
#include "cli/interrupt.h"
#include "cli/memory.h"

namespace {

constexpr const char* kWhatItDoes =
    "Teaches a large language model one task after another without forgetting the earlier ones.";

int exit_code(const ilora::Error& e) {
  return e.kind() == ilora::ErrorKind::kInterrupted
             ? ilora::exit_code_of_signal(ilora::stop_signal())
             : ilora::exit_code_of(e.kind());
}

// The command line as a person typed it: a word that is no command, and those that are.
void explain(const CLI::App& app, int argc, char** argv, const CLI::ParseError& e) {
  const CLI::App* at = &app;
  std::string path = "ilora";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    std::vector<std::string> known;
    const CLI::App* next = nullptr;
    for (const CLI::App* command : at->get_subcommands([](const CLI::App*) { return true; })) {
      if (command->get_name() == word) next = command;
      known.push_back(command->get_name());
    }
    if (next != nullptr) {
      at = next;
      path += " " + word;
    } else if (!known.empty() && !word.starts_with("-")) {
      ilora::log().error("there is no command '{}'", word);
      ilora::log().error("  Choose one of: {}.", fmt::join(known, ", "));
      return;
    }
  }
  ilora::log().error("{}", e.what());
  ilora::log().error("  `{} --help` lists what there is.", path);
}

}  // namespace

int main(int argc, char** argv) {
  ilora::restart_with_short_waits(argv);
  ilora::ignore_file_size_signal();
  ilora::explain_lost_pages();
  CLI::App app{kWhatItDoes, "ilora"};
  app.set_version_flag("--version", "ilora " ILORA_VERSION);
  app.require_subcommand(1);
  bool quiet = false;
  app.add_flag("-q,--quiet", quiet, "only warnings and errors");
  app.parse_complete_callback([&] { ilora::log().set_quiet(quiet); });
  ilora::add_train(app);
  ilora::add_eval(app);
  ilora::add_generate(app);
  ilora::add_chat(app);
  ilora::add_serve(app);
  ilora::add_export(app);
  ilora::add_compare(app);
  ilora::add_sweep(app);
  ilora::add_memory(app);
  ilora::add_forget(app);
  ilora::add_report(app);
  ilora::add_analyze(app);
  ilora::add_methods(app);
  ilora::add_measures(app);
  ilora::add_tasks(app);
  ilora::add_data(app);
  ilora::add_suite(app);
  ilora::add_tokenize(app);
  ilora::add_doctor(app);
  ilora::add_bench(app);
  try {
    app.parse(argc, argv);
    if (!std::cout.flush()) {
      ilora::log().error("standard output could not be written");
      return ilora::kExitFailed;
    }
    return ilora::kExitDone;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    explain(app, argc, argv, e);
    return ilora::kExitUsage;
  } catch (const ilora::Error& e) {
    ilora::log().error("{}", e.what());
    if (!e.hint().empty()) ilora::log().error("  {}", e.hint());
    return exit_code(e);
  } catch (const std::filesystem::filesystem_error& e) {
    ilora::log().error("{}: {}", e.path1().empty() ? "a file" : e.path1().string(),
                       e.code().message());
    std::error_code gone;
    const auto here = std::filesystem::current_path(gone);
    if (here.empty()) ilora::log().error("  The folder that the program was started in is gone.");
    return ilora::kExitFailed;
  } catch (const std::bad_alloc&) {
    ilora::log().error("not enough memory; lower engine.max_tokens");
    return ilora::kExitMemory;
  } catch (const std::exception& e) {
    ilora::log().error("{}", e.what());
    return ilora::kExitFailed;
  }
}
