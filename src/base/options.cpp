#include "base/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/options_text.h"

namespace ilora {
namespace {

std::string_view leaf_of(std::string_view key) {
  const size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

std::string_view section_of(std::string_view key) {
  const size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : key.substr(0, dot);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string_view without_quotes(std::string_view text) {
  const bool quoted = text.size() > 1 && (text.front() == '"' || text.front() == '\'') &&
                      text.front() == text.back();
  return quoted ? text.substr(1, text.size() - 2) : text;
}

// A number written in full: nothing before or after it, finite.
template <class T>
bool parse_number(std::string_view text, T* value) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  const auto [last, code] = std::from_chars(text.data(), end, *value);
  return code == std::errc{} && last == end && !text.empty() &&
         std::isfinite(static_cast<double>(*value));
}

bool parse(std::string_view text, bool* value) {
  *value = text == "true";
  return text == "true" || text == "false";
}
bool parse(std::string_view text, int64_t* value) {
  return parse_number(text, value);
}
bool parse(std::string_view text, double* value) {
  return parse_number(text, value);
}
bool parse(std::string_view text, std::string* value) {
  *value = text;
  return true;
}

bool allowed(const OptionRules&, bool) {
  return true;
}
bool allowed(const OptionRules& rules, double value) {
  return value <= rules.max && (rules.above_min ? value > rules.min : value >= rules.min);
}
bool allowed(const OptionRules& rules, int64_t value) {
  return allowed(rules, static_cast<double>(value));
}
bool allowed(const OptionRules& rules, const std::string& value) {
  return rules.choices.empty() || std::ranges::find(rules.choices, value) != rules.choices.end();
}
template <class T>
bool allowed(const OptionRules& rules, const std::vector<T>& values) {
  return std::ranges::all_of(values, [&](const T& v) { return allowed(rules, v); });
}

// True where the value reads as the target's type and obeys the rules; nothing is stored otherwise.
template <class T>
bool store(const OptionRules& rules, const OptionList::Written& written, T* target) {
  T value{};
  if (written.list || !parse(written.items.at(0), &value) || !allowed(rules, value)) return false;
  *target = std::move(value);
  return true;
}
template <class T>
bool store(const OptionRules& rules, const OptionList::Written& written, std::vector<T>* target) {
  if (!written.list) return false;
  std::vector<T> values;
  for (const std::string& item : written.items) {
    T value{};
    if (!parse(item, &value) || !allowed(rules, value)) return false;
    values.push_back(std::move(value));
  }
  *target = std::move(values);
  return true;
}

std::string shown(const OptionList::Written& written) {
  if (!written.list) return yaml_scalar(written.items.at(0));
  std::vector<std::string> items;
  for (const std::string& item : written.items) items.push_back(yaml_scalar(item));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

// The closest choice to a misspelt one, or nothing.
std::string nearest_choice(const OptionRules& rules, const OptionList::Written& written) {
  for (const std::string& item : written.items) {
    if (allowed(rules, item)) continue;
    const auto best = std::ranges::min_element(
        rules.choices, {}, [&](const std::string& choice) { return edit_distance(choice, item); });
    if (best != rules.choices.end() && edit_distance(*best, item) <= 2) {
      return fmt::format("Did you mean {}?", *best);
    }
  }
  return {};
}

}  // namespace

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    next[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      next[j] =
          std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) next[j] = std::min(next[j], before[j - 2] + 1);
    }
    before = std::exchange(row, std::exchange(next, before));
  }
  return row[b.size()];
}

void OptionList::add(std::string key, Target target, std::string help, OptionRules rules) {
  ILORA_CHECK(!key.empty() && find(key) == nullptr && !is_section(key), "option {}", key);
  for (std::string_view s = section_of(key); !s.empty(); s = section_of(s)) {
    ILORA_CHECK(find(s) == nullptr, "section {} of option {} is an option", s, key);
  }
  std::visit(
      [&](auto* value) {
        ILORA_CHECK(value != nullptr && allowed(rules, *value), "default of {}", key);
      },
      target);
  options_.push_back({std::move(key), owner_, std::move(help), target, std::move(rules),
                      value_as_yaml(target), false});
}

const OptionList::Option* OptionList::find(std::string_view key) const {
  const auto it = std::ranges::find(options_, key, &Option::key);
  return it == options_.end() ? nullptr : &*it;
}

const OptionList::Option& OptionList::at(std::string_view key) const {
  const Option* option = find(key);
  ILORA_CHECK(option != nullptr, "no option {}", key);
  return *option;
}

bool OptionList::has(std::string_view key) const {
  return find(key) != nullptr;
}
bool OptionList::given(std::string_view key) const {
  return at(key).given;
}
std::string OptionList::value_text(std::string_view key) const {
  return value_as_yaml(at(key).target);
}

std::vector<std::string> OptionList::keys() const {
  std::vector<std::string> keys;
  for (const Option& option : options_) keys.push_back(option.key);
  return keys;
}

const OptionRules& OptionList::rules(std::string_view key) const {
  return at(key).rules;
}

bool OptionList::concerns(std::string_view key, std::string_view owner) const {
  const std::string& own = at(key).owner;
  return own.empty() || own == owner;
}

std::string OptionList::keys_text(const KeyFilter& wanted) const {
  std::vector<std::string> names;
  for (const Option& option : options_) {
    if (!wanted(option.key)) continue;
    const std::string_view section = section_of(option.key);
    const auto beside = [&](const Option& other) { return section_of(other.key) == section; };
    const bool whole =
        !section.empty() && std::ranges::count_if(options_, beside) > 1 &&
        std::ranges::all_of(options_, [&](const Option& o) { return !beside(o) || wanted(o.key); });
    const std::string name = whole ? fmt::format("{}.*", section) : option.key;
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

void OptionList::visit_texts(const KeyFilter& wanted, const TextVisitor& visit) {
  for (const Option& option : options_) {
    if (!wanted(option.key)) continue;
    if (const auto* text = std::get_if<std::string*>(&option.target)) visit(option.key, **text);
    if (const auto* list = std::get_if<std::vector<std::string>*>(&option.target)) {
      for (std::string& text : **list) visit(option.key, text);
    }
  }
}

bool OptionList::is_section(std::string_view key) const {
  return std::ranges::any_of(options_, [&](const Option& option) {
    return option.key.size() > key.size() && option.key.starts_with(key) &&
           option.key[key.size()] == '.';
  });
}

void OptionList::assign(std::string_view key, const Written& value, const std::string& where) {
  store_value(key, value, where);
  std::ranges::find(options_, key, &Option::key)->given = true;
  for (const Preset& preset : presets_) {
    if (preset.key == key) apply(preset);
  }
}

void OptionList::store_value(std::string_view key, const Written& value, const std::string& where) {
  const auto it = std::ranges::find(options_, key, &Option::key);
  if (it == options_.end() && is_section(key)) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[config] {}: expected keys below this section, got {} ({})", key,
                            shown(value), where),
                suggest(std::string(key) + "."));
  }
  require(key, where);
  Written written = value;
  if (it->rules.role == OptionRole::kWhere) {
    for (std::string& path : written.items) path = expand_home(path);
  }
  const bool stored =
      std::visit([&](auto* target) { return store(it->rules, written, target); }, it->target);
  if (!stored) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[config] {}: expected {}, got {} ({})", key,
                            expectation(it->target, it->rules), shown(value), where),
                nearest_choice(it->rules, value));
  }
}

// A value written as one text: `--set`, and what presets hold. Quotes around a value are taken off,
// so that what a config.yaml shows may be given as it stands.
OptionList::Written OptionList::read_text(std::string_view key, std::string_view text) const {
  const Option* option = find(key);
  const bool list =
      option != nullptr && (std::holds_alternative<std::vector<std::string>*>(option->target) ||
                            std::holds_alternative<std::vector<int64_t>*>(option->target));
  Written value{list, {}};
  if (!list) {
    value.items.emplace_back(without_quotes(text));
    return value;
  }
  if (text.starts_with('[') && text.ends_with(']')) text = trimmed(text.substr(1, text.size() - 2));
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    value.items.emplace_back(without_quotes(trimmed(text.substr(0, comma))));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return value;
}

void OptionList::set(std::string_view assignment, const std::string& where) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[config] expected key=value, got {} ({})", assignment, where),
                "Write for example train.epochs=3.");
  }
  const std::string_view key = trimmed(assignment.substr(0, equals));
  assign(key, read_text(key, trimmed(assignment.substr(equals + 1))),
         fmt::format("{} {}", where, assignment));
}

void OptionList::require(std::string_view key, const std::string& where) const {
  if (has(key)) return;
  throw Error(ErrorKind::kUsage, fmt::format("[config] unknown key {} ({})", key, where),
              suggest(key));
}

void OptionList::set_choices(std::string_view key, std::vector<std::string> choices) {
  const auto option = std::ranges::find(options_, key, &Option::key);
  ILORA_CHECK(option != options_.end(), "no option {}", key);
  option->rules.choices = std::move(choices);
}

void OptionList::add_preset(const std::string& key, std::vector<PresetValue> values) {
  const Option& option = at(key);
  for (const PresetValue& v : values) {
    ILORA_CHECK(std::ranges::find(option.rules.choices, v.choice) != option.rules.choices.end(),
                "{} has no choice {}", key, v.choice);
    ILORA_CHECK(v.key != key && find(v.key) != nullptr, "preset of {}: no option {}", key, v.key);
  }
  presets_.push_back({key, std::move(values)});
}

void OptionList::apply(const Preset& preset) {
  const std::string& choice = *std::get<std::string*>(at(preset.key).target);
  const auto store_text = [&](const std::string& key, const std::string& text) {
    if (!at(key).given) store_value(key, read_text(key, text), preset.key + " " + choice);
  };
  for (const PresetValue& v : preset.values) store_text(v.key, at(v.key).default_text);
  for (const PresetValue& v : preset.values) {
    if (v.choice == choice) store_text(v.key, v.value);
  }
}

std::string OptionList::suggest(std::string_view key) const {
  // A right name in the wrong place, or a name other programs use, is surer than any spelling
  // distance.
  std::vector<std::string> elsewhere;
  for (const Option& option : options_) {
    const bool alias =
        std::ranges::find(option.rules.also_called, leaf_of(key)) != option.rules.also_called.end();
    if (leaf_of(option.key) == leaf_of(key) || alias) elsewhere.push_back(option.key);
  }
  if (!elsewhere.empty()) return fmt::format("Did you mean {}?", fmt::join(elsewhere, " or "));

  const Option* best = nullptr;
  int best_distance = 0;
  for (const Option& option : options_) {
    const int misplaced = section_of(option.key) == section_of(key) ? 0 : 1;
    const int distance = std::min(edit_distance(option.key, key),
                                  edit_distance(leaf_of(option.key), leaf_of(key)) + misplaced);
    if (best == nullptr || distance < best_distance) {
      best = &option;
      best_distance = distance;
    }
  }
  const int tolerance = std::max(2, static_cast<int>(leaf_of(key).size()) / 3);
  if (best != nullptr && best_distance <= tolerance)
    return fmt::format("Did you mean {}?", best->key);

  // Nothing is near: say what there is, in that section if it exists, else at the top.
  std::vector<std::string> known;
  const std::string_view section =
      is_section(section_of(key)) ? section_of(key) : std::string_view{};
  for (const Option& option : options_) {
    if (!option.key.starts_with(section)) continue;
    std::string_view rest = option.key;
    rest.remove_prefix(section.empty() ? 0 : section.size() + 1);
    const std::string name(rest.substr(0, rest.find('.')));
    if (std::ranges::find(known, name) == known.end()) known.push_back(name);
  }
  if (section.empty()) return fmt::format("Known at the top: {}.", fmt::join(known, ", "));
  return fmt::format("Known in {}: {}.", section, fmt::join(known, ", "));
}

}  // namespace ilora
