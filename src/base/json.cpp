#include "base/json.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/stand_in.h"

template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace ilora {
namespace {

[[noreturn]] void fail(const std::string& where, const std::string& what,
                       const std::string& hint = {}) {
  throw Error(ErrorKind::kFormat, fmt::format("[json] {} {}", where, what), hint);
}

[[noreturn]] void fail_at(std::string_view text, size_t offset, const std::string& where,
                          const std::string& cause) {
  refuse_stand_in(text, "json", "JSON", where);
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t last = before.rfind('\n');
  const size_t column = last == std::string_view::npos ? before.size() + 1 : before.size() - last;
  fail(where,
       fmt::format("is not valid JSON at line {}, column {}{}{}", line, column,
                   cause.empty() ? "" : ": ", cause),
       cause.empty() ? "Check that line for a missing comma, quote or bracket." : "");
}

// Why the parser stopped at `offset`, where that can be told: from what stands there, or from its
// own words, which are not ours to show.
std::string cause_of(std::string_view text, size_t offset, std::string_view words) {
  struct Sign {
    std::string_view in_words, cause;
  };
  constexpr std::array kSigns = {
      Sign{"surrogate", "a \\u escape is half of a pair of surrogates"},
      Sign{"control character", "a control character stands in a text, write it as \\n or \\u00…"},
      Sign{"ill-formed UTF-8", "a text is not UTF-8"},
      Sign{"number overflow", "a number is too large"},
      Sign{"; expected end of input", "something follows the end of the value"},
  };
  for (const auto& [in_words, cause] : kSigns) {
    if (words.find(in_words) != std::string_view::npos) return std::string(cause);
  }
  const std::string_view rest = text.substr(std::min(offset, text.size()));
  if (rest.empty()) return "it ends too early";
  constexpr std::array<std::string_view, 6> kNames = {"NaN",  "Infinity", "-Infinity",
                                                      "None", "True",     "False"};
  for (const std::string_view name : kNames) {
    if (rest.starts_with(name)) return fmt::format("JSON has no {}", name);
  }
  if (rest[0] == '\'') return "texts stand in double quotes";
  const size_t before = text.substr(0, offset).find_last_not_of(" \t\r\n");
  const bool after_comma = before != std::string_view::npos && text[before] == ',';
  if (after_comma && (rest[0] == '}' || rest[0] == ']')) return "a comma stands before the bracket";
  return {};
}

// Puts a value together from the parser's events. Not the library's own way: its ordered objects
// look for every new key among all others, and copy what they hold when they grow.
template <class Tree>
class Builder {
 public:
  Builder(std::string_view text, const std::string& where, JsonNumbers numbers)
      : text_(text), where_(where), numbers_(numbers) {}

  Tree take() { return std::move(root_); }

  // ---- the parser's events; its names ----
  bool null() { return add(nullptr); }
  bool boolean(bool x) { return add(x); }
  bool number_integer(int64_t x) { return add(x); }
  bool number_unsigned(uint64_t x) { return add(x); }
  bool number_float(double x, const std::string& written) {
    if (numbers_ == JsonNumbers::kDigits && Tree(x).dump() != written) return add(written);
    return add(x);
  }
  bool string(std::string& x) { return add(std::move(x)); }
  bool binary(typename Tree::binary_t&) { return false; }  // never in a text
  bool start_object(size_t) { return open(true); }
  bool start_array(size_t) { return open(false); }
  bool key(std::string& name) {
    open_.back().members.emplace_back(std::move(name), Tree());
    return true;
  }
  bool end_object() {
    std::vector<Member> members = std::move(open_.back().members);
    require_different(members);
    open_.pop_back();
    Tree value = Tree::object();
    fill(value.template get_ref<typename Tree::object_t&>(), members);
    return add(std::move(value));
  }
  bool end_array() {
    Tree value = typename Tree::array_t(std::move(open_.back().items));
    open_.pop_back();
    return add(std::move(value));
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& e) {
    const size_t offset = position > 0 ? position - 1 : 0;
    fail_at(text_, offset, where_, cause_of(text_, offset, e.what()));
  }

 private:
  using Member = std::pair<std::string, Tree>;
  struct Open {
    bool is_object;
    std::vector<Member> members;  // the last waits for its value
    std::vector<Tree> items;
  };

  bool open(bool is_object) {
    if (open_.size() == kJsonDepth)
      fail(where_, fmt::format("is nested more than {} deep", kJsonDepth));
    open_.push_back({is_object, {}, {}});
    return true;
  }
  template <class T>
  bool add(T&& x) {
    if (open_.empty()) {
      root_ = std::forward<T>(x);
    } else if (open_.back().is_object) {
      open_.back().members.back().second = std::forward<T>(x);
    } else {
      open_.back().items.emplace_back(std::forward<T>(x));
    }
    return true;
  }
  void require_different(const std::vector<Member>& members) const {
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const Member& member : members) names.push_back(member.first);
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    if (twice == names.end()) return;
    fail(where_, fmt::format("has the key \"{}\" twice", path_to(*twice)),
         "Each key may stand once.");
  }
  std::string path_to(std::string_view name) const {
    std::string path;
    for (size_t i = 0; i + 1 < open_.size(); ++i) {
      const Open& outer = open_[i];
      path += outer.is_object ? outer.members.back().first + "."
                              : fmt::format("[{}].", outer.items.size());
    }
    return path + std::string(name);
  }
  static void fill(nlohmann::ordered_json::object_t& object, std::vector<Member>& members) {
    object.reserve(members.size());
    // Its own emplace would search.
    auto& list = static_cast<nlohmann::ordered_json::object_t::Container&>(object);
    for (auto& [name, value] : members) list.emplace_back(std::move(name), std::move(value));
  }
  static void fill(nlohmann::json::object_t& object, std::vector<Member>& members) {
    for (auto& [name, value] : members) object.emplace(std::move(name), std::move(value));
  }

  std::string_view text_;
  const std::string& where_;
  JsonNumbers numbers_;
  std::vector<Open> open_;
  Tree root_;
};

template <class Tree>
Tree parse(std::string_view text, const std::string& where, JsonNumbers numbers) {
  // The parser takes it for the end.
  const size_t nul = text.find('\0');
  if (nul != std::string_view::npos) fail_at(text, nul, where, "a NUL byte");
  Builder<Tree> builder(text, where, numbers);
  if (!Tree::sax_parse(text.begin(), text.end(), &builder)) fail(where, "is not valid JSON");
  return builder.take();
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where, JsonNumbers numbers) {
  return parse<Json>(text, where, numbers);
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

JsonTree read_json_tree(const std::filesystem::path& path) {
  return parse<JsonTree>(read_file(path), path.string(), JsonNumbers::kValues);
}

std::string what_is_wrong(const Json::exception& error) {
  const std::string_view words = error.what();
  const auto between = [&](std::string_view before, std::string_view after) {
    const size_t begin = std::min(words.find(before), words.size() - before.size()) + before.size();
    return words.substr(begin, words.find(after, begin) - begin);
  };
  constexpr int kNoSuchKey = 403, kOtherType = 302;
  if (error.id == kNoSuchKey)
    return fmt::format("the key \"{}\" is missing", between("key '", "' not"));
  if (error.id == kOtherType)
    return fmt::format("expected {}, got {}", between("type must be ", ","),
                       between("but is ", "\n"));
  return "a value has another type than expected";
}

std::string json_text(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

void write_json(const std::filesystem::path& path, const Json& value) {
  write_file_atomic(path, json_text(value) + "\n");
}

}  // namespace ilora
