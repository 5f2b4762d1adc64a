#include "base/yaml_check.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace ilora {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';  // a carriage return stands before a line feed alone
}
bool ends_line(char c) {
  return c == '\n';
}
bool is_bracket(char c) {
  return c == '[' || c == ']' || c == '{' || c == '}';
}

// Walks through the text as the parser's scanner does, as far as it takes to know where a token may
// begin. What two readers could understand differently is refused.
class Walk {
 public:
  Walk(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  void run() {
    refuse_control_characters();
    while (at_ < text_.size()) {
      if (column() == 0) begin_line();
      if (at_ < text_.size()) step();
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& what, const std::string& hint = {}) const {
    const auto end = text_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, text_.size()));
    const auto line = 1 + std::count(text_.begin(), end, '\n');
    throw Error(ErrorKind::kUsage, fmt::format("[config] {} ({}:{})", what, where_, line), hint);
  }
  [[noreturn]] void refuse_mark(const std::string& what) const {
    refuse(fmt::format("expected a name or a value, got {}", what),
           "Put it into quotes where it is meant as a text.");
  }

  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\n';
  }
  bool blank_or_end(size_t ahead) const { return is_blank(peek(ahead)) || ends_line(peek(ahead)); }
  size_t column() const { return at_ - line_; }

  void refuse_control_characters() {
    for (at_ = 0; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\r' && peek(1) != '\n') refuse("expected a line feed after a carriage return");
      if (static_cast<unsigned char>(c) < 0x20 && !is_blank(c) && !ends_line(c))
        refuse("expected text, got a control character");
    }
    at_ = 0;
  }

  void begin_line() {
    const std::string_view three = text_.substr(at_, 3);
    const bool document = (three == "---" || three == "...") && blank_or_end(3);
    if (document) at_ += 3;
    if (peek() == '%') refuse_mark("a directive (%)");
    while (is_blank(peek())) ++at_;
    if (ends_line(peek())) return;
    if (column() > kYamlColumns)
      refuse(fmt::format("indented by more than {} columns", kYamlColumns));
    if (brackets_ > 0) return;  // a plain text goes on
    if (plain_ && !document && column() > node_ && peek() != '#') {
      constexpr std::string_view kMarks = "!&*?|>'\"[]{},:-%@`";
      if (kMarks.find(peek()) == std::string_view::npos) return;
      refuse("expected a text on one line, got a second line that begins with a mark",
             "Put the text into quotes.");
    }
    plain_ = after_quote_ = false;
    first_ = true;
    key_ = column();
  }

  void step() {
    const char c = peek();
    if (ends_line(c)) return end_line();
    if (is_blank(c)) {  // NOLINT(bugprone-branch-clone): the order of the branches decides
      ++at_;
    } else if (c == '#' && (!plain_ || is_blank(text_[at_ - 1]))) {
      skip_line();
    } else if (separates(c)) {
      separator(c);
    } else if (!plain_ || (brackets_ > 0 && is_bracket(c))) {
      token();
    } else {
      ++at_;
    }
  }

  void end_line() {
    if (brackets_ == 0 && plain_ && first_)
      refuse("expected `name: value`, got a text alone", "Write both on one line.");
    ++at_;
    line_ = at_;
  }

  // Whether a token may begin after `c`.
  bool separates(char c) const {
    if (brackets_ == 0) return c == ':' && blank_or_end(1);
    const char next = peek(1);
    if (c == ':')
      return blank_or_end(1) || next == ',' || next == ']' || next == '}' ||
             (!plain_ && after_quote_);
    return c == ',' || c == '?';
  }
  void separator(char c) {
    if (brackets_ == 0) {
      if (!plain_ && !after_quote_) refuse_mark("a colon without a name");
      node_ = key_;
      first_ = false;
    }
    if (c == '?' && blank_or_end(1)) refuse_mark("a complex key (?)");
    plain_ = after_quote_ = false;
    ++at_;
  }

  void token() {
    const char c = peek();
    const bool quoted_before = std::exchange(after_quote_, false);
    if (c == '!') refuse_mark("a tag (!)");
    if (c == '&') refuse_mark("an anchor (&)");
    if (c == '*') refuse_mark("an alias (*)");
    if (c == '?' && blank_or_end(1)) refuse_mark("a complex key (?)");
    if (c == '@' || c == '`') refuse_mark("a reserved mark (@ or `)");
    if (is_bracket(c)) return bracket(c);
    if (brackets_ == 0 && c == ',') refuse_mark("a comma outside of brackets");
    if (brackets_ == 0 && quoted_before) refuse_mark("more after its end");
    if (c == '-' && blank_or_end(1) && brackets_ == 0) return dash();
    if (after_dash_) key_ = column();
    if (c == '"' || c == '\'') return quoted(c);
    if ((c == '|' || c == '>') && brackets_ == 0) return block();
    after_dash_ = false;
    plain_ = true;
    ++at_;
  }

  void bracket(char c) {
    const bool opens = c == '[' || c == '{';
    if (!opens && brackets_ == 0) refuse_mark(fmt::format("'{}' without its beginning", c));
    brackets_ += opens ? 1 : size_t(-1);
    if (brackets_ > kYamlBrackets)
      refuse(fmt::format("more than {} brackets inside each other", kYamlBrackets));
    plain_ = first_ = after_dash_ = false;
    after_quote_ = !opens;
    ++at_;
  }

  void dash() {
    if (!first_ && !after_dash_) refuse_mark("a dash after its name");
    if (column() > kYamlColumns) refuse(fmt::format("nested over {} columns", kYamlColumns));
    node_ = column();
    after_dash_ = true;
    first_ = false;
    ++at_;
  }

  void quoted(char quote) {
    after_dash_ = false;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (ends_line(c)) line_ = at_ + 1;
      if (quote == '"' && c == '\\') {
        ++at_;
        if (ends_line(peek())) line_ = at_ + 1;
      } else if (c == quote && quote == '\'' && peek(1) == '\'') {
        ++at_;
      } else if (c == quote) {
        ++at_;
        after_quote_ = true;
        return;
      }
    }
  }

  // A block text: the lines that are indented as its first one is, deeper than what it belongs to.
  void block() {
    if (first_) refuse_mark("a block text without a name");
    after_dash_ = false;
    ++at_;
    while (peek() == '-' || peek() == '+') ++at_;
    while (is_blank(peek())) ++at_;
    if (!ends_line(peek()) && !(peek() == '#' && is_blank(text_[at_ - 1])))
      refuse("expected the end of the line after | or >", "Indent the text by two spaces.");
    size_t indent = 0, blank = 0;
    skip_line();
    while (at_ < text_.size()) {
      ++at_;
      line_ = at_;
      size_t spaces = 0;
      while (peek(spaces) == ' ') ++spaces;
      if (ends_line(peek(spaces)) || (peek(spaces) == '\r' && ends_line(peek(spaces + 1)))) {
        at_ += std::min(spaces, text_.size() - at_);
        blank = std::max(blank, spaces);
        continue;
      }
      if (indent == 0 && spaces > node_) {
        indent = spaces;
        if (blank > indent) refuse("expected the first line of a block text, got an indented one");
      }
      if (indent == 0 || spaces < indent) return;
      skip_line();
    }
  }

  void skip_line() {
    while (at_ < text_.size() && !ends_line(text_[at_])) ++at_;
    plain_ = false;
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0, line_ = 0;  // where it is; where the line began
  size_t brackets_ = 0;       // open ones
  size_t key_ = 0;            // column of what may be a key
  size_t node_ = 0;           // column of the key or dash that a value belongs to
  bool plain_ = false;        // inside a plain text; else a token may begin
  bool after_quote_ = false;  // behind what needs no blank before a colon's value: {"a":1}
  bool after_dash_ = false;
  bool first_ = false;  // nothing but blanks stands before it on the line
};

}  // namespace

void check_yaml(std::string_view text, const std::string& where) {
  if (text.size() > kYamlBytes)
    throw Error(ErrorKind::kUsage,
                fmt::format("[config] larger than {} KiB ({})", kYamlBytes >> 10, where),
                "Name a configuration, not a file of data.");
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Walk(text, where).run();
}

}  // namespace ilora
