// Chat templates' language: the part of Jinja (jinja.palletsprojects.com) that they are written in,
// rendered as transformers renders them (trim_blocks, lstrip_blocks, no trailing line feed).
//
// Read are: set (also of what stands up to endset), if, for, break, continue, macro, output, comments
// and trim marks; literals, lists, objects, arithmetic, comparisons, and, or, not, in, is, conditional
// expressions, subscripts, slices; loop, namespace, raise_exception; generation, which marks what the
// assistant says; and the filters, tests and methods that jinja_library.cpp lists. Anything else is
// Error(kUnsupported) naming it, where it is met. There is no clock, so that the same rows are always
// the same tokens: asked whether strftime_now is there, it is not; called all the same, it gives
// one fixed day (fixed_day). Internal to src/text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ilora::jinja {

struct Undefined {};
struct None {};

// A value; lists and objects are shared, as in Python.
class Value {
 public:
  using List = std::vector<Value>;
  using Object = std::vector<std::pair<std::string, Value>>;  // in the order of insertion

  Value() = default;  // undefined
  Value(None) : data_(None{}) {}
  Value(bool b) : data_(b) {}
  Value(int64_t i) : data_(i) {}
  Value(double d) : data_(d) {}
  Value(std::string text) : data_(std::move(text)) {}
  Value(const char* text) : data_(std::string(text)) {}
  Value(List list) : data_(std::make_shared<List>(std::move(list))) {}
  Value(Object object) : data_(std::make_shared<Object>(std::move(object))) {}

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const int64_t* integer() const { return std::get_if<int64_t>(&data_); }
  const double* real() const { return std::get_if<double>(&data_); }
  const std::string* text() const { return std::get_if<std::string>(&data_); }
  List* list() const { return pointer<List>(); }
  Object* object() const { return pointer<Object>(); }

  bool truth() const;
  bool equals(const Value& other) const;
  const Value* find(std::string_view key) const;        // of an object; null where absent
  void put(const std::string& key, Value value);        // into an object
  std::string printed() const;                          // as output writes it
  std::string python() const;                           // as Python's repr() does
  std::string json(int indent = -1, int at = 0) const;  // as Python's json.dumps
  const char* kind() const;                             // for messages

 private:
  template <class T>
  T* pointer() const {
    const auto* shared = std::get_if<std::shared_ptr<T>>(&data_);
    return shared != nullptr ? shared->get() : nullptr;
  }
  std::variant<Undefined, None, bool, int64_t, double, std::string, std::shared_ptr<List>,
               std::shared_ptr<Object>>
      data_;
};

// A part of a program: what kind of expression or statement, its name or operator, and its parts.
struct Node {
  enum class Kind : uint8_t {
    kLiteral,    // value
    kName,       // text
    kAttribute,  // parts[0] . text
    kItem,       // parts[0] [ parts[1] ]
    kSlice,      // parts[0] [ parts[1] : parts[2] : parts[3] ]; absent ones are literals None
    kCall,       // parts[0] ( the others ); names: keywords of the last ones
    kFilter,     // parts[0] | text ( the others )
    kTest,       // parts[0] is text ( the others )
    kUnary,      // text parts[0]
    kBinary,     // parts[0] text parts[1]
    kChoice,     // parts[1] where parts[0], else parts[2]
    kList,
    kObject,  // keys and values in turn
    kText,    // text, as it stands
    kOutput,  // parts[0]
    kSet,     // names = parts[0], or what body writes; text: the attribute, where one is set
    kIf,      // where parts[0]: body, else: other
    kBreak,   // the loop ends; text "continue": its turn does
    kMarked,  // body, of which render() says where it stands
    kMacro,   // text (names) writes body; parts: defaults of the last names
    kFor,     // names in parts[0], those where parts[1] (if it is there): body, else: other
  };
  Kind kind = Kind::kText;
  std::string text = {};
  Value value = {};
  std::vector<std::string> names = {};
  std::vector<Node> parts = {}, body = {}, other = {};
};

// Throws Error(kUnsupported) with what is not understood, and `where`.
std::vector<Node> parse(std::string_view source, const std::string& where);
// What the program writes, with these variables. Errors as above; raise_exception is Error(kData).
// `marked` receives where the bodies of {% generation %} stand, as bytes [begin, end).
using Span = std::pair<size_t, size_t>;
std::string render(const std::vector<Node>& program, const Value::Object& variables,
                   const std::string& where, std::vector<Span>* marked = nullptr);

// What strftime_now gives of the one day there is, 26 July 2024: the one that Llama 3's templates name
// where they have no clock. Refuses directives beyond %A %a %B %b %d %e %H %I %M %m %p %S %Y %y %%.
std::string fixed_day(const std::string& format, const std::string& where);

// The language's functions on values (jinja_library.cpp). `named`: keyword arguments.
struct Arguments {
  std::vector<Value> values;
  Value::Object named;
};
Value filter(const std::string& name, const Value& x, const Arguments& args,
             const std::string& where);
bool test(const std::string& name, const Value& x, const Arguments& args, const std::string& where);
Value method(const std::string& name, const Value& x, const Arguments& args,
             const std::string& where);
[[noreturn]] void refuse(const std::string& what, const std::string& where);

}  // namespace ilora::jinja
