// Runs a parsed template.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include "base/error.h"
#include "text/jinja.h"

namespace ilora::jinja {
namespace {

// What a template may do at most: a stranger's is read too.
constexpr int kMostDepth = 50;                 // of lists in lists
constexpr int64_t kMostTurns = 1'000'000;      // of all its loops
constexpr size_t kMostText = size_t{1} << 24;  // bytes of a text that it puts together
constexpr size_t kMostItems = 1'000'000;       // of a list

// Whether a value is at most so deep and holds `object` nowhere: then it may become a part of it.
bool may_join(const Value& value, const Value::Object* object, int depth = kMostDepth) {
  if (depth == 0 || (object != nullptr && value.object() == object)) return false;
  const auto joins = [&](const Value& part) { return may_join(part, object, depth - 1); };
  if (value.list() != nullptr) return std::ranges::all_of(*value.list(), joins);
  if (value.object() != nullptr)
    return std::ranges::all_of(*value.object(), joins, &std::pair<std::string, Value>::second);
  return true;
}

class Renderer {
 public:
  Renderer(const Value::Object& variables, const std::string& where) : where_(where) {
    scopes_.push_back(variables);
  }

  std::string run(const std::vector<Node>& program, std::vector<Span>* marked) {
    body(program);
    if (marked != nullptr) *marked = std::move(marked_);
    return std::move(out_);
  }

 private:
  using Kind = Node::Kind;

  // ---- statements
  void body(const std::vector<Node>& nodes) {
    for (const Node& node : nodes) {
      statement(node);
      if (leaving_ != nullptr) return;
    }
  }
  void statement(const Node& node) {
    switch (node.kind) {
      case Kind::kText:
        out_ += node.text;
        return;
      case Kind::kOutput:
        out_ += value(node.parts[0]).printed();
        if (out_.size() > kMostText) refuse("a text that long", where_);
        return;
      case Kind::kSet:
        return assign(node);
      case Kind::kIf:
        return body(value(node.parts[0]).truth() ? node.body : node.other);
      case Kind::kFor:
        return loop(node);
      case Kind::kBreak:
        leaving_ = &node;
        return;
      case Kind::kMacro:
        if (scopes_.size() > 1) refuse("a macro inside a loop or another macro", where_);
        macros_[node.text] = &node;
        return;
      case Kind::kMarked: {
        if (captures_ > 0) refuse("'generation' in what is written later", where_);
        const size_t begin = out_.size();
        body(node.body);
        marked_.emplace_back(begin, out_.size());
        return;
      }
      default:
        break;
    }
    ILORA_CHECK(false, "an expression as a statement");
  }
  void assign(const Node& node) {
    Value assigned = node.parts.empty() ? Value(captured(node.body)) : value(node.parts[0]);
    if (node.text.empty()) return set(node.names[0], std::move(assigned));
    const Value* space = look_up(node.names[0]);
    if (space == nullptr || space->object() == nullptr)
      refuse(fmt::format("setting an attribute of '{}'", node.names[0]), where_);
    if (!may_join(assigned, space->object())) refuse("a value inside itself", where_);
    Value shared = *space;  // the same object
    shared.put(node.text, std::move(assigned));
  }
  // What the statements write, in the place of writing it.
  std::string captured(const std::vector<Node>& nodes) {
    std::string outer = std::exchange(out_, {});
    ++captures_;
    body(nodes);
    --captures_;
    return std::exchange(out_, std::move(outer));
  }
  // A set inside a loop ends with its turn.
  void set(const std::string& name, Value assigned) {
    if (!may_join(assigned, nullptr)) refuse("a list that deep", where_);
    for (auto& [known, old] : scopes_.back()) {
      if (known != name) continue;
      old = std::move(assigned);
      return;
    }
    scopes_.back().emplace_back(name, std::move(assigned));
  }
  void bind(const Node& node, const Value& item) {
    if (node.names.size() == 1) return set(node.names[0], item);
    const Value::List* parts = item.list();
    if (parts == nullptr || parts->size() != node.names.size())
      refuse(fmt::format("a loop over {} by {} names", item.kind(), node.names.size()), where_);
    for (size_t i = 0; i < node.names.size(); ++i) set(node.names[i], (*parts)[i]);
  }
  Value::List items_of(const Value& list) const {
    if (list.list() != nullptr) return *list.list();
    Value::List keys;
    if (list.object() != nullptr) {
      for (const auto& [key, unused] : *list.object()) keys.emplace_back(key);
    } else if (!list.is_undefined()) {
      refuse(fmt::format("a loop over {}", list.kind()), where_);
    }
    return keys;
  }
  void loop(const Node& node) {
    Value::List items = items_of(value(node.parts[0]));
    if (node.parts.size() > 1) {
      std::erase_if(items, [&](const Value& item) {
        scopes_.emplace_back();
        bind(node, item);
        const bool kept = value(node.parts[1]).truth();
        scopes_.pop_back();
        return !kept;
      });
    }
    const auto count = std::ssize(items);
    for (int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(i);
      if (++turns_ > kMostTurns) refuse(fmt::format("more than {} turns", kMostTurns), where_);
      scopes_.emplace_back();
      bind(node, items[at]);
      set("loop", Value::Object{{"index0", i},
                                {"index", i + 1},
                                {"first", i == 0},
                                {"last", i + 1 == count},
                                {"length", int64_t{count}},
                                {"revindex", count - i},
                                {"revindex0", count - i - 1},
                                {"previtem", i > 0 ? items[at - 1] : Value()},
                                {"nextitem", i + 1 < count ? items[at + 1] : Value()}});
      body(node.body);
      scopes_.pop_back();
      const bool ends = leaving_ != nullptr && leaving_->text == "break";
      leaving_ = nullptr;
      if (ends) break;
    }
    if (count == 0) body(node.other);
  }

  // ---- expressions
  // Loops see what is around them; a macro its own names and the template's, not its caller's.
  const Value* look_up(const std::string& name) const {
    for (size_t i = scopes_.size(); i-- > 0;) {
      if (i > 0 && i < first_scope_) continue;
      for (const auto& [known, value] : scopes_[i]) {
        if (known == name) return &value;
      }
    }
    return nullptr;
  }

  Value value(const Node& n) {
    switch (n.kind) {
      case Kind::kLiteral:
        return n.value;
      case Kind::kName: {
        const Value* found = look_up(n.text);
        return found != nullptr ? *found : Value();
      }
      case Kind::kAttribute:
        return attribute(value(n.parts[0]), n.text);
      case Kind::kItem:
        return item(value(n.parts[0]), value(n.parts[1]));
      case Kind::kSlice:
        return slice(n);
      case Kind::kCall:
        return call(n);
      case Kind::kFilter:
        return filter(n.text, value(n.parts[0]), arguments(n), where_);
      case Kind::kTest:
        return test(n.text, value(n.parts[0]), arguments(n), where_);
      case Kind::kUnary:
        return unary(n);
      case Kind::kBinary:
        return binary(n);
      case Kind::kChoice:
        return value(n.parts[value(n.parts[0]).truth() ? 1 : 2]);
      case Kind::kList: {
        Value::List list;
        for (const Node& part : n.parts) list.push_back(value(part));
        return list;
      }
      case Kind::kObject: {
        Value object(Value::Object{});
        for (size_t i = 0; i + 1 < n.parts.size(); i += 2)
          object.put(value(n.parts[i]).printed(), value(n.parts[i + 1]));
        return object;
      }
      default:
        break;
    }
    ILORA_CHECK(false, "a statement as an expression");
  }

  Value attribute(const Value& x, const std::string& name) const {
    if (const Value* found = x.find(name)) return *found;
    if (x.is_undefined()) refuse(fmt::format("'{}' of something undefined", name), where_);
    return {};
  }
  Value item(const Value& x, const Value& key) const {
    if (key.text() != nullptr) return attribute(x, *key.text());
    const int64_t* index = key.integer();
    if (x.text() != nullptr && index != nullptr) return item(characters(*x.text()), key);
    if (x.list() == nullptr || index == nullptr)
      refuse(fmt::format("{} at {}", x.kind(), key.kind()), where_);
    const int64_t size = std::ssize(*x.list()), at = *index < 0 ? *index + size : *index;
    return at >= 0 && at < size ? (*x.list())[static_cast<size_t>(at)] : Value();
  }
  // A text's, each a text.
  static Value characters(const std::string& text) {
    Value::List all;
    for (size_t at = 0, end = 0; at < text.size(); at = end) {
      for (end = at + 1;
           end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80;)
        ++end;
      all.emplace_back(text.substr(at, end - at));
    }
    return all;
  }
  Value slice(const Node& n) {
    const Value whole = value(n.parts[0]);
    const bool text = whole.text() != nullptr;
    const Value x = text ? characters(*whole.text()) : whole;
    if (x.list() == nullptr) refuse(fmt::format("a slice of {}", x.kind()), where_);
    const int64_t size = std::ssize(*x.list());
    const auto bound = [&](size_t i, int64_t fallback) {
      const Value v = value(n.parts[i]);
      return v.integer() != nullptr ? *v.integer() : fallback;
    };
    const int64_t step = bound(3, 1);
    if (step == 0) refuse("a slice of step 0", where_);
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    const auto clamped = [&](size_t i, int64_t fallback) {
      if (value(n.parts[i]).is_none()) return fallback;
      const int64_t at = bound(i, 0);
      return std::clamp(at < 0 ? at + size : at, low, high);
    };
    const int64_t begin = clamped(1, step > 0 ? 0 : size - 1),
                  end = clamped(2, step > 0 ? size : -1);
    Value::List part;
    for (int64_t i = begin; step > 0 ? i < end : i > end; i += step)
      part.push_back((*x.list())[static_cast<size_t>(i)]);
    if (!text) return part;
    std::string joined;
    for (const Value& character : part) joined += *character.text();
    return joined;
  }

  Arguments arguments(const Node& n) {
    Arguments args;
    const size_t named = n.parts.size() - n.names.size();
    for (size_t i = 1; i < n.parts.size(); ++i) {
      if (i < named) {
        args.values.push_back(value(n.parts[i]));
      } else {
        args.named.emplace_back(n.names[i - named], value(n.parts[i]));
      }
    }
    return args;
  }
  Value call(const Node& n) {
    const Node& callee = n.parts[0];
    const Arguments args = arguments(n);
    if (callee.kind == Kind::kAttribute)
      return method(callee.text, value(callee.parts[0]), args, where_);
    const std::string name = callee.kind == Kind::kName ? callee.text : "an expression";
    if (const auto macro = macros_.find(name); macro != macros_.end())
      return run_macro(*macro->second, args);
    if (name == "strftime_now" && args.values.size() == 1 && args.values[0].text() != nullptr)
      return fixed_day(*args.values[0].text(), where_);
    if (name == "namespace" || name == "dict") return args.named;
    if (name == "range" && !args.values.empty()) return range(args);
    if (name == "raise_exception") {
      throw Error(ErrorKind::kData,
                  fmt::format("[chat template] the template says: {} ({})",
                              args.values.empty() ? "" : args.values[0].printed(), where_));
    }
    refuse(fmt::format("the function '{}'", name), where_);
  }
  Value run_macro(const Node& macro, const Arguments& args) {
    constexpr int kMostCalls = 50;
    const size_t count = macro.names.size(), first_default = count - macro.parts.size();
    if (args.values.size() > count)
      refuse(fmt::format("more than {} arguments of the macro '{}'", count, macro.text), where_);
    if (++calls_ > kMostCalls || ++turns_ > kMostTurns)
      refuse(fmt::format("so many calls of the macro '{}'", macro.text), where_);
    const size_t outer = std::exchange(first_scope_, scopes_.size());
    scopes_.emplace_back();
    for (size_t i = 0; i < count; ++i) {
      const auto named =
          std::ranges::find(args.named, macro.names[i], &std::pair<std::string, Value>::first);
      if (i < args.values.size()) {
        set(macro.names[i], args.values[i]);
      } else if (named != args.named.end()) {
        set(macro.names[i], named->second);
      } else {
        set(macro.names[i], i >= first_default ? value(macro.parts[i - first_default]) : Value());
      }
    }
    for (const auto& [name, unused] : args.named) {
      if (std::ranges::find(macro.names, name) == macro.names.end())
        refuse(fmt::format("the argument '{}' of the macro '{}'", name, macro.text), where_);
    }
    std::string text = captured(macro.body);
    scopes_.pop_back();
    first_scope_ = outer;
    --calls_;
    return text;
  }
  Value range(const Arguments& args) const {
    std::vector<int64_t> bounds;
    for (const Value& v : args.values) {
      if (v.integer() == nullptr) refuse(fmt::format("a range of {}", v.kind()), where_);
      bounds.push_back(*v.integer());
    }
    if (bounds.size() == 1) bounds.insert(bounds.begin(), 0);
    if (bounds.size() == 2) bounds.push_back(1);
    constexpr int64_t kMost = 100000;
    const bool huge =
        std::ranges::any_of(bounds, [](int64_t b) { return b < -kMost || b > kMost; });
    if (bounds.size() > 3 || bounds[2] == 0 || huge) refuse("such a range", where_);
    Value::List list;
    for (int64_t i = bounds[0]; bounds[2] > 0 ? i < bounds[1] : i > bounds[1]; i += bounds[2])
      list.emplace_back(i);
    return list;
  }

  Value unary(const Node& n) {
    const Value x = value(n.parts[0]);
    if (n.text == "not") return !x.truth();
    if (x.integer() != nullptr) return -*x.integer();
    if (x.real() != nullptr) return -*x.real();
    refuse(fmt::format("minus {}", x.kind()), where_);
  }
  Value binary(const Node& n) {
    const Value a = value(n.parts[0]);
    if (n.text == "and") return a.truth() ? value(n.parts[1]) : a;
    if (n.text == "or") return a.truth() ? a : value(n.parts[1]);
    const Value b = value(n.parts[1]);
    if (n.text == "==") return a.equals(b);
    if (n.text == "!=") return !a.equals(b);
    if (n.text == "in") return contains(b, a);
    if (n.text == "not in") return !contains(b, a);
    if (n.text == "~") return joined(a.printed(), b.printed());
    if (n.text == "+" && a.text() != nullptr && b.text() != nullptr)
      return joined(*a.text(), *b.text());
    if (n.text == "+" && a.list() != nullptr && b.list() != nullptr) {
      Value::List both = *a.list();
      if (both.size() + b.list()->size() > kMostItems) refuse("a list that long", where_);
      both.insert(both.end(), b.list()->begin(), b.list()->end());
      return both;
    }
    if (a.integer() == nullptr || b.integer() == nullptr)
      refuse(fmt::format("{} {} {}", a.kind(), n.text, b.kind()), where_);
    return arithmetic(*a.integer(), n.text, *b.integer());
  }
  Value joined(const std::string& a, const std::string& b) const {
    if (a.size() + b.size() > kMostText) refuse("a text that long", where_);
    return a + b;
  }
  Value arithmetic(int64_t a, const std::string& op, int64_t b) const {
    constexpr int64_t kMost = int64_t{1} << 31;  // larger ones would leave 64 bits in a product
    if (std::max(std::abs(a), std::abs(b)) > kMost) refuse("arithmetic with such numbers", where_);
    if (op == "<") return a < b;
    if (op == "<=") return a <= b;
    if (op == ">") return a > b;
    if (op == ">=") return a >= b;
    if (op == "+") return a + b;
    if (op == "-") return a - b;
    if (op == "*") return a * b;
    if (b == 0) refuse("a division by zero", where_);
    if (op == "/") return static_cast<double>(a) / static_cast<double>(b);
    const int64_t remainder = ((a % b) + b) % b;  // Python's, of the divisor's sign
    if (op == "%") return remainder;
    return (a - remainder) / b;
  }
  bool contains(const Value& all, const Value& one) const {
    if (all.text() != nullptr && one.text() != nullptr)
      return all.text()->find(*one.text()) != std::string::npos;
    if (all.list() != nullptr)
      return std::ranges::any_of(*all.list(), [&](const Value& v) { return v.equals(one); });
    if (all.object() != nullptr) return one.text() != nullptr && all.find(*one.text()) != nullptr;
    if (all.is_undefined()) return false;
    refuse(fmt::format("{} in {}", one.kind(), all.kind()), where_);
  }

  const std::string& where_;
  std::vector<Value::Object> scopes_;  // the template's, and those of what is under way
  size_t first_scope_ = 1;  // of the macro that is under way; before it the template's alone
  std::map<std::string, const Node*> macros_;
  int calls_ = 0, captures_ = 0;  // under way
  std::string out_;
  std::vector<Span> marked_;
  const Node* leaving_ = nullptr;  // the break or continue that is under way
  int64_t turns_ = 0;
};

}  // namespace

std::string render(const std::vector<Node>& program, const Value::Object& variables,
                   const std::string& where, std::vector<Span>* marked) {
  return Renderer(variables, where).run(program, marked);
}

}  // namespace ilora::jinja
