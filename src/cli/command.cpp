#include "cli/command.h"

#include <cstdlib>

#include "base/error.h"

namespace ilora {
namespace {

CLI::Validator number(const std::string& wanted, bool (*fits)(double)) {
  const auto check = [wanted, fits](std::string& text) -> std::string {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    const bool whole = end != text.c_str() && *end == '\0';
    return whole && fits(value) ? "" : fmt::format("expected {}, got '{}'", wanted, text);
  };
  return {check, ""};
}

}  // namespace

CLI::Validator above_zero() {
  return number("a number above 0", [](double x) { return x > 0; });
}

CLI::Validator not_below_zero() {
  return number("a number of at least 0", [](double x) { return x >= 0; });
}

void add_mode(CLI::App& command, std::string& mode, const std::string& help) {
  command.add_option("--mode", mode, help)
      ->check(
          CLI::IsMember({"auto", "f32", "bf16", "bf16-expanded", "int8", "int8-f32", "int8-bf16"}));
  const auto refuse = [](const std::string&) {
    throw CLI::ValidationError("--dtype", "the precision is chosen by --mode");
  };
  command.add_option_function<std::string>("--dtype", refuse)->group("");  // not in --help
}

}  // namespace ilora
