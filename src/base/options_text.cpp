#include "base/options_text.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/error.h"

namespace ilora {
namespace {

std::string as_yaml(bool value) {
  return value ? "true" : "false";
}
std::string as_yaml(int64_t value) {
  return fmt::format("{}", value);
}
std::string as_yaml(double value) {
  return fmt::format("{}", value);
}  // shortest text that reads back the same
std::string as_yaml(const std::string& value) {
  return yaml_scalar(value);
}
template <class T>
std::string as_yaml(const std::vector<T>& values) {
  std::vector<std::string> items;
  items.reserve(values.size());
  for (const T& value : values) items.push_back(as_yaml(value));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// "above 0, at most 1"; empty without bounds.
std::string bounds(const OptionRules& rules) {
  const bool low = std::isfinite(rules.min), high = std::isfinite(rules.max);
  if (low && rules.above_min) {
    return high ? fmt::format("above {}, at most {}", rules.min, rules.max)
                : fmt::format("above {}", rules.min);
  }
  if (low && high) return fmt::format("from {} to {}", rules.min, rules.max);
  if (low) return fmt::format("at least {}", rules.min);
  if (high) return fmt::format("at most {}", rules.max);
  return {};
}

std::string with_bounds(const std::string& what, const OptionRules& rules, const char* separator) {
  const std::string range = bounds(rules);
  return range.empty() ? what : what + separator + range;
}

struct Expectation {
  const OptionRules& rules;
  std::string choices() const { return fmt::format("{}", fmt::join(rules.choices, ", ")); }
  std::string operator()(const bool*) const { return "true or false"; }
  std::string operator()(const int64_t*) const { return with_bounds("a whole number", rules, " "); }
  std::string operator()(const double*) const { return with_bounds("a number", rules, " "); }
  const char* what() const { return rules.role == OptionRole::kWhere ? "path" : "text"; }
  std::string operator()(const std::string*) const {
    return rules.choices.empty() ? fmt::format("a {}", what()) : "one of " + choices();
  }
  std::string operator()(const std::vector<int64_t>*) const {
    return with_bounds("a list of whole numbers", rules, ", each ");
  }
  std::string operator()(const std::vector<std::string>*) const {
    return rules.choices.empty() ? fmt::format("a list of {}s", what())
                                 : "a list of any of " + choices();
  }
};

// What is said of an option below its help: what is allowed, what another value changes, where the
// default is from.
std::vector<std::string> remarks(const OptionList::Target& target, const OptionRules& rules) {
  std::vector<std::string> all = {expectation(target, rules)};
  if (rules.role == OptionRole::kHow) all.emplace_back("the same bits");
  if (rules.role == OptionRole::kRounding) all.emplace_back("changes rounding alone");
  if (rules.fixed_once_learned) all.emplace_back("fixed once a task is learned");
  if (!rules.source.empty()) all.push_back("default: " + rules.source);
  return all;
}

std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace

std::string yaml_scalar(const std::string& text) {
  constexpr std::string_view kPlainMarks = "_./-+%@";
  const auto plain = [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           kPlainMarks.find(c) != std::string_view::npos;
  };
  if (text.empty() || !std::ranges::all_of(text, plain)) return quoted(text);
  if (text == "null" || text == "Null" || text == "NULL" || text == "...") return quoted(text);
  const char first = text[0], second = text.size() > 1 ? text[1] : ' ';
  const bool dash =
      first == '-' && second != '.' && std::isalnum(static_cast<unsigned char>(second)) == 0;
  return dash || first == '%' || first == '@' ? quoted(text) : text;
}

std::string value_as_yaml(const OptionList::Target& target) {
  return std::visit([](const auto* value) { return as_yaml(*value); }, target);
}

std::string expectation(const OptionList::Target& target, const OptionRules& rules) {
  return std::visit(Expectation{rules}, target);
}

std::vector<OptionList::Line> OptionList::lines(const std::string& section) const {
  const auto rest_of = [&](const Option& option) -> std::string {
    if (section.empty()) return option.key;
    return option.key.starts_with(section + ".") ? option.key.substr(section.size() + 1) : "";
  };
  std::vector<Line> lines;
  std::vector<std::string> below;
  const auto depth = section.empty() ? 0 : 1 + std::ranges::count(section, '.');
  for (const Option& option : options_) {
    const std::string rest = rest_of(option);
    const size_t dot = rest.find('.');
    if (rest.empty()) continue;
    if (dot == std::string::npos) {
      lines.push_back({&option, rest, depth});
    } else if (std::ranges::find(below, rest.substr(0, dot)) == below.end()) {
      below.push_back(rest.substr(0, dot));
    }
  }
  for (const std::string& name : below) {
    const std::string path = section.empty() ? name : section + "." + name;
    lines.push_back({nullptr, path, depth});
    for (Line& line : this->lines(path)) lines.push_back(std::move(line));
  }
  return lines;
}

std::string OptionList::to_yaml() const {
  std::string text;
  for (const Line& line : lines()) {
    const std::string indent(static_cast<size_t>(2 * line.depth), ' ');
    if (line.option == nullptr) {
      text += fmt::format("{}{}:\n", indent, line.name.substr(line.name.rfind('.') + 1));
      continue;
    }
    text += fmt::format("{}{}: {}", indent, line.name, value_as_yaml(line.option->target));
    text += line.option->help.empty() ? "\n" : fmt::format("  # {}\n", one_line(line.option->help));
  }
  return text;
}

std::string OptionList::help_text() const {
  std::string text;
  for (const Line& line : lines()) {
    if (line.option == nullptr) {
      text += fmt::format("{}{}\n", text.empty() ? "" : "\n", line.name);
      continue;
    }
    const Option& o = *line.option;
    text += fmt::format("  {} = {}\n      {}\n", o.key, o.default_text, one_line(o.help));
    text += fmt::format("      {}\n", fmt::join(remarks(o.target, o.rules), "; "));
    for (const Preset& preset : presets_) {
      for (const PresetValue& v : preset.values) {
        if (preset.key == o.key)
          text += fmt::format("        {}: {}={}\n", v.choice, v.key, v.value);
      }
    }
  }
  return text;
}

}  // namespace ilora
