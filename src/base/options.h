// The one list of options: what a configuration may hold, written once. Reading YAML, `--set
// key=value`, checks, the resolved configuration and help come from it, and what a run that goes on
// may be given anew.
//
// Callers: every part that has options adds them (`list.add("train.epochs", &epochs, "passes over a
// task", {.min = 1})`); the command line loads a file, applies overrides and writes the result into
// the run folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ilora {

// What another value of an option changes.
enum class OptionRole : uint8_t {
  kResult,    // what is computed
  kRounding,  // where sums are cut and rounded: other bits, the same result but for that
  kHow,       // how it is computed, kept and told: the same bits
  kWhere      // where something is read or written
};

// The first thing that an option counts for; it counts for all that comes after it, too.
enum class OptionStage : uint8_t { kModel, kAnswers, kTraining };

// What a value must satisfy, what it means, and what documentation says beside it.
struct OptionRules {
  // Of numbers, and of each element of a list of numbers.
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool above_min = false;  // true: min itself is not allowed
  // Of strings, and of each element of a list of strings; empty: anything.
  std::vector<std::string> choices = {};
  std::string source = {};  // where the default comes from ("PEFT's default", "paper, section 5")
  // Names other programs use ("lr"): never accepted, but recognised in hints.
  std::vector<std::string> also_called = {};
  OptionRole role = OptionRole::kResult;
  // With another value, what was learned, kept or scored so far would mean something else.
  bool fixed_once_learned = false;
  OptionStage from = OptionStage::kTraining;
};

class OptionList {
 public:
  using Target = std::variant<bool*, int64_t*, double*, std::string*, std::vector<std::string>*,
                              std::vector<int64_t>*>;

  // Registers a variable under a dotted key; its present value is the default. The variable must
  // outlive the list. A key is unique, and no key is a section of another; a default obeys its own
  // rules (programmer errors otherwise).
  void add(std::string key, Target target, std::string help, OptionRules rules = {});

  // Whose the options are that are added from here on: a method's; empty: every run's.
  void set_owner(std::string owner) { owner_ = std::move(owner); }

  // What choosing a preset sets: `value` (as set() takes it) of option `key`.
  struct PresetValue {
    std::string choice, key, value;
  };
  // Makes option `key`, a text with choices, a preset. Choosing one sets its values, whether that
  // is read before or after them, except of options that are given explicitly; what the other
  // choices set goes back to its default. Every key and value must be fit for the list.
  void add_preset(const std::string& key, std::vector<PresetValue> values);

  // Reads YAML: nested maps give dotted keys. Strict: an unknown or misplaced key, a key given
  // twice, a value of the wrong type or out of range throws Error(kUsage) naming `where`:line and
  // the key, with what would be right.
  void load_yaml(const std::filesystem::path& path);
  void load_yaml_text(std::string_view text, const std::string& where);

  // One override, "train.epochs=3"; lists as "a,b" or "[a, b]". The same checks; `where` names the
  // source in errors.
  void set(std::string_view assignment, const std::string& where = "--set");

  // What a text option may be, where that is not known where it is added.
  void set_choices(std::string_view key, std::vector<std::string> choices);

  bool has(std::string_view key) const;
  // Throws Error(kUsage) for an unknown key, with what was probably meant.
  void require(std::string_view key, const std::string& where) const;
  bool given(std::string_view key) const;  // set by a file or an override, not left at its default
  std::string value_text(std::string_view key) const;  // the present value as YAML
  std::vector<std::string> keys() const;               // in the order of add()
  const OptionRules& rules(std::string_view key) const;
  // Whether an option counts for `owner`: it is every run's, or `owner`'s own.
  bool concerns(std::string_view key, std::string_view owner) const;
  // The keys that are `wanted`, for a sentence: "seed, lora.*", with a section in place of its
  // options where it has several and all are wanted.
  using KeyFilter = std::function<bool(std::string_view key)>;
  std::string keys_text(const KeyFilter& wanted) const;

  // Every text of the options that are `wanted`, one after another where an option is a list.
  using TextVisitor = std::function<void(const std::string& key, std::string& text)>;
  void visit_texts(const KeyFilter& wanted, const TextVisitor& visit);

  // Every option with its present value, by section, the help as end-of-line comment.
  std::string to_yaml() const;
  std::string help_text() const;  // for a terminal

  // A value as written: one scalar or a list of scalars. The readers of YAML and of overrides
  // produce it.
  struct Written {
    bool list = false;
    std::vector<std::string> items;  // exactly one where `list` is false
  };
  // Checks and stores one value; `where` is "file:line" or "--set". The common end of every way in.
  void assign(std::string_view key, const Written& value, const std::string& where);
  // True for "train" where "train.epochs" is an option.
  bool is_section(std::string_view key) const;

 private:
  struct Option {
    std::string key, owner, help;
    Target target;
    OptionRules rules;
    std::string default_text;
    bool given = false;
  };

  struct Line {
    const Option* option;  // null: a section opens here
    std::string name;      // the option's name in its section, or the section's whole path
    std::ptrdiff_t depth;
  };

  struct Preset {
    std::string key;
    std::vector<PresetValue> values;
  };

  const Option* find(std::string_view key) const;
  void store_value(std::string_view key, const Written& value, const std::string& where);
  Written read_text(std::string_view key, std::string_view text) const;
  void apply(const Preset& preset);
  const Option& at(std::string_view key) const;
  std::string suggest(std::string_view key) const;  // the hint for an unknown key

  // The options below a section in the order they are written: its own first, then section by
  // section.
  std::vector<Line> lines(const std::string& section = {}) const;

  std::vector<Option> options_;
  std::vector<Preset> presets_;
  std::string owner_;  // of what is added next
};

// Optimal-string-alignment distance: insertions, deletions, replacements, swaps of neighbours.
int edit_distance(std::string_view a, std::string_view b);

}  // namespace ilora
