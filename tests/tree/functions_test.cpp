// What CONTRIBUTING.md says of functions, enforced: how long they are.
//
// A scanner of braces over C++ without comments and literals: a function is a braced part of a
// namespace or a class whose head has parentheses and does not end in an equals sign. A lambda
// counts into the function that it stands in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace ilora {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

namespace fs = std::filesystem;

constexpr size_t kMostLines = 60;

// The end of the literal or comment that begins at `at`; `at` where none does.
size_t skip(std::string_view code, size_t at) {
  const auto past = [&](std::string_view end, size_t from) {
    const size_t found = code.find(end, from);
    return found == std::string_view::npos ? code.size() : found + end.size();
  };
  const std::string_view rest = code.substr(at);
  if (rest.starts_with("//")) return std::min(code.find('\n', at), code.size());
  if (rest.starts_with("/*")) return past("*/", at + 2);
  if (rest.starts_with("R\"")) {
    const size_t open = code.find('(', at);
    return past(fmt::format("){}\"", code.substr(at + 2, open - at - 2)), open);
  }
  const bool in_number = at > 0 && std::isalnum(static_cast<unsigned char>(code[at - 1])) != 0;
  if (rest[0] != '"' && (rest[0] != '\'' || in_number)) return at;
  for (size_t i = at + 1; i < code.size(); ++i) {
    if (code[i] == '\\')
      ++i;
    else if (code[i] == rest[0])
      return i + 1;
  }
  return code.size();
}

// Comments and literals as spaces, lines where they were; of preprocessor lines nothing.
std::string bare(std::string_view code) {
  std::string text(code);
  for (size_t at = 0; at < text.size();) {
    const size_t end = skip(code, at);
    for (size_t i = at; i < end; ++i)
      if (text[i] != '\n') text[i] = ' ';
    at = std::max(end, at + 1);
  }
  static const std::regex directive("(^|\n)[ \t]*#([^\n]*\\\\\n)*[^\n]*");
  std::string result;
  size_t last = 0;
  for (std::sregex_iterator at(text.begin(), text.end(), directive), none; at != none; ++at) {
    result += text.substr(last, static_cast<size_t>(at->position()) - last);
    for (const char c : at->str()) result += c == '\n' ? '\n' : ' ';
    last = static_cast<size_t>(at->position() + at->length());
  }
  return result + text.substr(last);
}

struct Function {
  size_t line, lines;  // where its head begins, from 1; from there to its closing brace
};

class Scanner {
 public:
  explicit Scanner(std::string_view code) : text_(bare(code)) {}

  std::vector<Function> functions() {
    for (at_ = 0; at_ < text_.size(); ++at_) step(text_[at_]);
    return found_;
  }

 private:
  // Inside a function or an initialiser only the depth counts.
  void step(char c) {
    line_ += c == '\n' ? 1 : 0;
    if (depth_ > 0) {
      depth_ += c == '{' ? 1 : c == '}' ? -1 : 0;
      if (depth_ == 0) leave();
    } else if (c == '{') {
      enter();
    } else if (c == ';' || c == '}') {
      head_.clear();
    } else if (!head_.empty() || std::isspace(static_cast<unsigned char>(c)) == 0) {
      if (head_.empty()) first_line_ = line_;
      head_ += c;
    }
  }
  void enter() {
    static const std::regex scope(
        R"(^(template\s*<[^{]*>\s*)?(inline\s+)?(namespace|struct|class|union|enum|extern)\b[^()=]*$)");
    if (std::regex_search(head_, scope)) {
      head_.clear();
      return;
    }
    depth_ = 1;
  }
  // Behind a brace of a member's initialiser, or of an argument, the function's head goes on.
  void leave() {
    const size_t next = text_.find_first_not_of(" \n", at_ + 1);
    const char follows = next == std::string::npos ? ' ' : text_[next];
    if (follows == ',' || follows == '{' || follows == ')') {
      head_ += "{}";
      return;
    }
    const size_t end = head_.find_last_not_of(" \n");
    if (head_.find('(') != std::string::npos && head_[end] != '=')
      found_.push_back({first_line_, line_ - first_line_ + 1});
    head_.clear();
  }

  std::string text_, head_;
  size_t at_ = 0, line_ = 1, first_line_ = 1;
  int depth_ = 0;
  std::vector<Function> found_;
};

TEST(Functions, HaveAtMost60Lines) {
  const fs::path root = ILORA_SOURCE_DIR;
  size_t count = 0;
  for (const char* folder : {"src", "include", "examples", "bench", "tests"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path path = entry.path();
      if (path.extension() != ".h" && path.extension() != ".cpp") continue;
      for (const Function& f : Scanner(read_file(path)).functions()) {
        ++count;
        EXPECT_LE(f.lines, kMostLines)
            << path.lexically_relative(root).generic_string() << ":" << f.line;
      }
    }
  }
  EXPECT_GT(count, 1000U) << "the scanner finds no functions";
}

std::vector<size_t> lengths(std::string_view code) {
  std::vector<size_t> found;
  for (const Function& f : Scanner(code).functions()) found.push_back(f.lines);
  return found;
}

TEST(FunctionScanner, CountsFromTheHeadToTheClosingBrace) {
  EXPECT_THAT(
      lengths("namespace a {\nint f() {\n  return 1;\n}\n\nvoid g(int x,\n       int y) {}\n}"),
      ElementsAre(3, 2));
  EXPECT_THAT(lengths("template <class T>\nT f(T x) {\n  return [&] { return x; }();\n}\n"),
              ElementsAre(4));
  EXPECT_THAT(
      lengths("struct A final : B {\n  A() : x_{1},\n        y_(2) {\n  }\n  int x() { return "
              "x_; }\n  int x_ = f({1});\n};\nTEST(A, B) {\n}\n"),
      ElementsAre(3, 1, 2));
}

TEST(FunctionScanner, PassesDataAndLiteralsOver) {
  EXPECT_THAT(
      lengths("const int kTable[] = {\n  f(1),\n  2,\n};\nenum class E : int { kA, kB };\n"),
      IsEmpty());
  EXPECT_THAT(
      lengths("#define F(x) \\\n  { x }\nint f() {\n  g('}', \"}\\\"}\", R\"(}\")\");  // }\n  "
              "/* } */ h(1'000);\n}\n"),
      ElementsAre(4));
}

}  // namespace
}  // namespace ilora
