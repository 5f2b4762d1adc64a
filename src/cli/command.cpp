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

}  // namespace ilora
