// Jinja's values: truth, equality, printing; and the filters, tests and methods that chat templates
// use, with Python's meaning.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <utility>

#include "text/jinja.h"
#include "text/utf8.h"

namespace ilora::jinja {

bool Value::truth() const {
  if (const bool* b = boolean()) return *b;
  if (const int64_t* i = integer()) return *i != 0;
  if (const double* d = real()) return *d != 0;
  if (const std::string* t = text()) return !t->empty();
  if (const List* l = list()) return !l->empty();
  if (const Object* o = object()) return !o->empty();
  return false;
}

namespace {

// A number, or a truth value as one.
const double* number(const Value& v, double& room) {
  if (const bool* b = v.boolean()) room = *b ? 1 : 0;
  if (const int64_t* i = v.integer()) room = static_cast<double>(*i);
  if (const double* d = v.real()) room = *d;
  return v.boolean() != nullptr || v.integer() != nullptr || v.real() != nullptr ? &room : nullptr;
}

}  // namespace

bool Value::equals(const Value& other) const {
  double a = 0, b = 0;
  if (number(*this, a) != nullptr && number(other, b) != nullptr) return a == b;
  if (text() != nullptr && other.text() != nullptr) return *text() == *other.text();
  if (list() != nullptr && other.list() != nullptr) {
    return std::ranges::equal(*list(), *other.list(),
                              [](const Value& x, const Value& y) { return x.equals(y); });
  }
  if (object() != nullptr && other.object() != nullptr) {
    return object()->size() == other.object()->size() &&
           std::ranges::all_of(*object(), [&](const auto& entry) {
             const Value* same = other.find(entry.first);
             return same != nullptr && entry.second.equals(*same);
           });
  }
  return (is_none() && other.is_none()) || (is_undefined() && other.is_undefined());
}

const Value* Value::find(std::string_view key) const {
  if (object() == nullptr) return nullptr;
  for (const auto& [name, value] : *object()) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Value::put(const std::string& key, Value value) {
  for (auto& [name, old] : *object()) {
    if (name != key) continue;
    old = std::move(value);
    return;
  }
  object()->emplace_back(key, std::move(value));
}

std::string Value::printed() const {
  if (const std::string* t = text()) return *t;
  if (is_undefined()) return {};
  if (is_none()) return "None";
  if (const bool* b = boolean()) return *b ? "True" : "False";
  if (list() == nullptr && object() == nullptr) return json();
  return python();
}

namespace {

// As Python's repr() writes a text.
std::string python_text(const std::string& text) {
  const bool apostrophe = text.find('\'') != text.npos && text.find('"') == text.npos;
  const char quote = apostrophe ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n' || c == '\t' || c == '\r') {
      out += {'\\', c == '\n' ? 'n' : c == '\t' ? 't' : 'r'};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + quote;
}

}  // namespace

std::string Value::python() const {
  if (const std::string* t = text()) return python_text(*t);
  std::string inside;
  if (const List* l = list()) {
    for (const Value& v : *l) inside += (inside.empty() ? "" : ", ") + v.python();
    return "[" + inside + "]";
  }
  if (const Object* o = object()) {
    for (const auto& [key, v] : *o)
      inside += (inside.empty() ? "" : ", ") + python_text(key) + ": " + v.python();
    return "{" + inside + "}";
  }
  return printed();
}

std::string Value::json(int indent, int at) const {
  const auto line = [&](int deep) {  // a line feed and as many spaces, where there is an indent
    return indent < 0 ? std::string() : std::string(1, '\n').append(static_cast<size_t>(deep), ' ');
  };
  const std::string gap = line(at + indent), last = line(at);
  const std::string comma = indent < 0 ? ", " : ",";
  const auto quoted = [](const std::string& t) {
    std::string out = "\"";
    for (const char c : t) {
      if (c == '"' || c == '\\') {
        out += {'\\', c};
      } else if (c == '\n' || c == '\t' || c == '\r' || c == '\b' || c == '\f') {
        constexpr std::string_view kRaw = "\n\t\r\b\f", kName = "ntrbf";
        out += {'\\', kName[kRaw.find(c)]};
      } else if (static_cast<unsigned char>(c) < 0x20) {
        out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
      } else {
        out += c;
      }
    }
    return out + "\"";
  };
  std::string inside;
  if (const List* l = list()) {
    for (const Value& v : *l)
      inside += (inside.empty() ? "" : comma) + gap + v.json(indent, at + indent);
    return inside.empty() ? "[]" : fmt::format("[{}{}]", inside, last);
  }
  if (const Object* o = object()) {
    for (const auto& [key, v] : *o)
      inside +=
          (inside.empty() ? "" : comma) + gap + quoted(key) + ": " + v.json(indent, at + indent);
    return inside.empty() ? "{}" : fmt::format("{{{}{}}}", inside, last);
  }
  if (const std::string* t = text()) return quoted(*t);
  if (const bool* b = boolean()) return *b ? "true" : "false";
  if (const int64_t* i = integer()) return fmt::format("{}", *i);
  if (const double* d = real())
    return std::floor(*d) == *d && std::abs(*d) < 1e16 ? fmt::format("{:.1f}", *d)
                                                       : fmt::format("{}", *d);
  return "null";
}

const char* Value::kind() const {
  constexpr const char* kKinds[] = {"undefined", "none",   "a truth value", "a number",
                                    "a number",  "a text", "a list",        "an object"};
  return kKinds[data_.index()];
}

namespace {

constexpr const char* kSpaces = " \t\n\r\f\v";

std::string strip(const std::string& text, const std::string& characters, bool left, bool right) {
  size_t begin = 0, end = text.size();
  if (left) begin = std::min(text.find_first_not_of(characters), text.size());
  if (right) end = text.find_last_not_of(characters) + 1;
  return begin < end ? text.substr(begin, end - begin) : std::string();
}

std::string changed_case(std::string text, int (*change)(int)) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x80) c = static_cast<char>(change(c));
  }
  return text;
}

// Each word's first letter large, the others small.
std::string titled(std::string text) {
  bool inside = false;
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) c = static_cast<char>(inside ? std::tolower(byte) : std::toupper(byte));
    inside = byte >= 0x80 || std::isalpha(byte) != 0;
  }
  return text;
}

std::string replaced(const std::string& text, const std::string& from, const std::string& to) {
  if (from.empty()) return text;
  std::string out;
  size_t at = 0;
  for (size_t found; (found = text.find(from, at)) != text.npos; at = found + from.size())
    out.append(text, at, found - at).append(to);
  return out.append(text, at);
}

// Without a separator: at runs of white space, as Python does.
Value::List split(const std::string& text, const std::string* separator, int64_t most) {
  Value::List parts;
  size_t at = 0;
  if (separator != nullptr) {
    for (size_t found; most != 0 && (found = text.find(*separator, at)) != text.npos; --most) {
      parts.emplace_back(text.substr(at, found - at));
      at = found + separator->size();
    }
    parts.emplace_back(text.substr(at));
    return parts;
  }
  while ((at = text.find_first_not_of(kSpaces, at)) != text.npos) {
    const size_t end = std::min(text.find_first_of(kSpaces, at), text.size());
    parts.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return parts;
}

int64_t length_of(const Value& x, const std::string& where) {
  if (x.list() != nullptr) return std::ssize(*x.list());
  if (x.object() != nullptr) return std::ssize(*x.object());
  if (x.text() == nullptr) refuse(fmt::format("the length of {}", x.kind()), where);
  int64_t characters = 0;
  for (const char c : *x.text()) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return characters;
}

Value items_of(const Value& x) {
  Value::List items;
  for (const auto& [key, value] : *x.object()) items.emplace_back(Value::List{Value(key), value});
  return items;
}

const std::string* text_argument(const Arguments& args, size_t i) {
  return i < args.values.size() ? args.values[i].text() : nullptr;
}

Value joined(const Value& x, const Arguments& args) {
  const std::string* between = text_argument(args, 0);
  std::string text;
  bool first = true;
  for (const Value& v : *x.list()) {
    if (!first && between != nullptr) text += *between;
    text += v.printed();
    first = false;
  }
  return text;
}

// map('filter') and map(attribute='name'); selectattr('name') and with a test ('name', 'equalto', x).
Value of_each(const std::string& name, const Value& x, const Arguments& args,
              const std::string& where) {
  const auto attribute =
      std::ranges::find(args.named, "attribute", &std::pair<std::string, Value>::first);
  const bool by_attribute = attribute != args.named.end() && attribute->second.text() != nullptr;
  const std::string* first = by_attribute ? attribute->second.text() : text_argument(args, 0);
  if (first == nullptr || args.named.size() > (by_attribute ? 1 : 0) ||
      (by_attribute && !args.values.empty()))
    refuse(fmt::format("the filter '{}' with such arguments", name), where);
  Value::List out;
  for (const Value& v : *x.list()) {
    const Value* part = v.find(*first);
    if (name == "map") {
      const Arguments rest{
          by_attribute ? Value::List() : Value::List(args.values.begin() + 1, args.values.end()),
          {}};
      out.push_back(by_attribute ? (part != nullptr ? *part : Value())
                                 : filter(*first, v, rest, where));
      continue;
    }
    const Value value = part != nullptr ? *part : Value();
    bool holds = value.truth();
    if (const std::string* is = text_argument(args, 1)) {
      const Arguments rest{Value::List(args.values.begin() + 2, args.values.end()), {}};
      holds = test(*is, value, rest, where);
    }
    if (holds == (name == "selectattr")) out.push_back(v);
  }
  return out;
}

}  // namespace

std::string fixed_day(const std::string& format, const std::string& where) {
  constexpr std::pair<char, const char*> kParts[] = {
      {'A', "Friday"}, {'a', "Fri"}, {'B', "July"}, {'b', "Jul"}, {'d', "26"},
      {'e', "26"},     {'H', "00"},  {'I', "12"},   {'M', "00"},  {'m', "07"},
      {'p', "AM"},     {'S', "00"},  {'Y', "2024"}, {'y', "24"},  {'%', "%"}};
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    const auto part = std::ranges::find(kParts, format[++i], &std::pair<char, const char*>::first);
    if (part == std::end(kParts)) refuse(fmt::format("%{} of a date", format[i]), where);
    out += part->second;
  }
  return out;
}

Value filter(const std::string& name, const Value& x, const Arguments& args,
             const std::string& where) {
  if (name == "default" || name == "d") {
    const bool empty_too = args.values.size() > 1 && args.values[1].truth();
    const bool absent = x.is_undefined() || (empty_too && !x.truth());
    return absent && !args.values.empty() ? args.values[0] : x;
  }
  if (name == "length" || name == "count") return length_of(x, where);
  if (name == "tojson") {
    int64_t indent = -1;
    for (const auto& [key, value] : args.named) {
      if (key == "indent" && value.integer() != nullptr)
        indent = *value.integer();
      else if (key != "ensure_ascii")
        refuse("tojson with " + key, where);
    }
    return x.json(static_cast<int>(indent));
  }
  if (name == "string") return x.printed();
  if (name == "title" && x.text() != nullptr) return method(name, x, args, where);
  if (name == "safe") return x;
  if (const std::string* t = x.text()) {
    if (name == "trim" && args.values.empty()) return strip(*t, kSpaces, true, true);
    if (name == "upper" || name == "lower" || name == "replace")
      return method(name, x, args, where);
    if (name == "capitalize") {
      std::string text = changed_case(*t, std::tolower);
      if (!text.empty()) text.front() = changed_case(text.substr(0, 1), std::toupper).front();
      return text;
    }
    if (name == "int") return static_cast<int64_t>(std::strtoll(t->c_str(), nullptr, 10));
  }
  if (x.list() != nullptr) {
    const Value::List& l = *x.list();
    if (name == "list") return l;
    if (name == "first") return l.empty() ? Value() : l.front();
    if (name == "last") return l.empty() ? Value() : l.back();
    if (name == "join") return joined(x, args);
    if (name == "reverse") return Value::List(l.rbegin(), l.rend());
  }
  if (x.list() != nullptr && (name == "map" || name == "selectattr" || name == "rejectattr"))
    return of_each(name, x, args, where);
  if (x.object() != nullptr && name == "items") return items_of(x);
  if (x.object() != nullptr && name == "list") return method("keys", x, {}, where);
  if (x.object() != nullptr && name == "dictsort" && args.values.empty() && args.named.empty()) {
    Value sorted = items_of(x);
    const auto key = [](const Value& item) {  // without regard to case, as Jinja does
      return changed_case(*item.list()->front().text(), std::tolower);
    };
    std::ranges::stable_sort(*sorted.list(), {}, key);
    return sorted;
  }
  refuse(fmt::format("the filter '{}' of {}", name, x.kind()), where);
}

bool test(const std::string& name, const Value& x, const Arguments& args,
          const std::string& where) {
  if (name == "defined") return !x.is_undefined();
  if (name == "undefined") return x.is_undefined();
  if (name == "none") return x.is_none();
  if (name == "true" || name == "false")
    return x.boolean() != nullptr && *x.boolean() == (name == "true");
  if (name == "boolean") return x.boolean() != nullptr;
  if (name == "string") return x.text() != nullptr;
  if (name == "mapping") return x.object() != nullptr;
  if (name == "sequence" || name == "iterable")
    return x.list() != nullptr || x.object() != nullptr || x.text() != nullptr;
  if (name == "number") return x.integer() != nullptr || x.real() != nullptr;
  if (name == "integer") return x.integer() != nullptr;
  if ((name == "equalto" || name == "eq") && args.values.size() == 1)
    return x.equals(args.values[0]);
  refuse(fmt::format("the test '{}'", name), where);
}

Value method(const std::string& name, const Value& x, const Arguments& args,
             const std::string& where) {
  const std::string* first = text_argument(args, 0);
  if (const std::string* t = x.text()) {
    if (name == "startswith" && first != nullptr) return t->starts_with(*first);
    if (name == "endswith" && first != nullptr) return t->ends_with(*first);
    if (name == "strip" || name == "lstrip" || name == "rstrip") {
      return strip(*t, first != nullptr ? *first : kSpaces, name != "rstrip", name != "lstrip");
    }
    if (name == "upper") return changed_case(*t, std::toupper);
    if (name == "title" && args.values.empty()) return titled(*t);
    if (name == "lower") return changed_case(*t, std::tolower);
    if (name == "replace" && first != nullptr && text_argument(args, 1) != nullptr)
      return replaced(*t, *first, *text_argument(args, 1));
    if (name == "split") {
      const bool limited = args.values.size() > 1 && args.values[1].integer() != nullptr;
      return split(*t, first, limited ? *args.values[1].integer() : -1);
    }
    if (name == "find" && first != nullptr) {
      const size_t found = t->find(*first);
      return found == t->npos ? int64_t{-1} : static_cast<int64_t>(found);
    }
  }
  if (x.object() != nullptr) {
    if (name == "items") return items_of(x);
    if (name == "get" && first != nullptr) {
      const Value* found = x.find(*first);
      if (found != nullptr) return *found;
      return args.values.size() > 1 ? args.values[1] : Value(None{});
    }
    if (name == "keys" || name == "values") {
      Value::List list;
      for (const auto& [key, value] : *x.object())
        list.push_back(name == "keys" ? Value(key) : value);
      return list;
    }
  }
  refuse(fmt::format("the method '{}' of {}", name, x.kind()), where);
}

}  // namespace ilora::jinja
