// Jinja's grammar, as far as jinja.h says: text and tags, and inside tags expressions by descent.
#include <cctype>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "text/jinja.h"
#include "text/jinja_pieces.h"

namespace ilora::jinja {
namespace {

struct Token {
  enum class Kind : uint8_t { kName, kText, kInteger, kReal, kSign, kEnd };
  Kind kind = Kind::kEnd;
  std::string text;
};

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// The tokens of one tag's inside.
std::vector<Token> tokens_of(std::string_view s, const std::string& where) {
  std::vector<Token> tokens;
  size_t i = 0;
  const auto take = [&](Token::Kind kind, size_t end) {
    tokens.push_back({kind, std::string(s.substr(i, end - i))});
    i = end;
  };
  while (i < s.size()) {
    const char c = s[i];
    size_t end = i;
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++i;
    } else if (c == '\'' || c == '"') {
      std::string text;
      for (++i; i < s.size() && s[i] != c; ++i) {
        if (s[i] != '\\' || i + 1 == s.size()) {
          text += s[i];
          continue;
        }
        const char escaped = s[++i];
        if (std::string_view("ntr\\'\"").find(escaped) == std::string_view::npos)
          refuse(fmt::format("the escape \\{}", escaped), where);
        text += escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped == 'r' ? '\r' : escaped;
      }
      if (i == s.size()) refuse("a text without its end", where);
      ++i;
      tokens.push_back({Token::Kind::kText, text});
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      while (end < s.size() && (std::isdigit(static_cast<unsigned char>(s[end])) != 0)) ++end;
      const bool real = end + 1 < s.size() && s[end] == '.' &&
                        std::isdigit(static_cast<unsigned char>(s[end + 1])) != 0;
      if (real)
        for (++end; end < s.size() && std::isdigit(static_cast<unsigned char>(s[end])) != 0;) ++end;
      take(real ? Token::Kind::kReal : Token::Kind::kInteger, end);
    } else if (is_name_character(c)) {
      while (end < s.size() && is_name_character(s[end])) ++end;
      take(Token::Kind::kName, end);
    } else {
      static const std::set<std::string_view> kTwo = {"==", "!=", "<=", ">=", "//", "**"};
      take(Token::Kind::kSign, i + (kTwo.contains(s.substr(i, 2)) ? 2 : 1));
    }
  }
  return tokens;
}

// Templates nest a few levels. A stranger's may nest until the stack ends, in parsing or later.
constexpr int kMostDepth = 100;

// One level further down while it lives.
class Level {
 public:
  Level(int& depth, const std::string& where) : depth_(depth) {
    if (++depth_ > kMostDepth)
      refuse(fmt::format("more than {} levels of nesting", kMostDepth), where);
  }
  ~Level() { --depth_; }
  Level(const Level&) = delete;

 private:
  int& depth_;
};

Node make(Node::Kind kind, std::vector<Node> parts, std::string text = {}) {
  return {.kind = kind, .text = std::move(text), .parts = std::move(parts)};
}
Node literal(Value value) {
  return {.kind = Node::Kind::kLiteral, .value = std::move(value)};
}

// Expressions of one tag, from the loosest binding to the tightest.
class ExpressionParser {
 public:
  ExpressionParser(std::vector<Token> tokens, const std::string& where)
      : tokens_(std::move(tokens)), where_(where) {
    // A chain of operators is a tree as deep as it is long.
    constexpr size_t kMostTokens = 2000;
    if (tokens_.size() > kMostTokens)
      refuse(fmt::format("a tag of more than {} words", kMostTokens), where_);
    tokens_.push_back({});
  }

  Node expression() {
    const Level level(depth_, where_);
    Node value = alternation();
    if (!take("if")) return value;
    Node condition = alternation();
    Node other = take("else") ? expression() : literal({});
    return make(Node::Kind::kChoice, {std::move(condition), std::move(value), std::move(other)});
  }
  bool take(std::string_view text) {
    if (!is(text)) return false;
    ++at_;
    return true;
  }
  void demand(std::string_view text) {
    if (!take(text)) refuse(fmt::format("'{}' in the place of '{}'", next().text, text), where_);
  }
  std::string name() {
    if (next().kind != Token::Kind::kName)
      refuse(fmt::format("'{}' as a name", next().text), where_);
    return tokens_[at_++].text;
  }
  void end() {
    if (next().kind != Token::Kind::kEnd) refuse(fmt::format("'{}'", next().text), where_);
  }
  // Of a for: its list ends where a filter of it may begin.
  Node without_choice() { return alternation(); }
  bool is(std::string_view text) const {
    return (next().kind == Token::Kind::kName || next().kind == Token::Kind::kSign) &&
           next().text == text;
  }

 private:
  const Token& next() const { return tokens_[at_]; }
  bool follows(std::string_view text) const {
    return at_ + 1 < tokens_.size() && tokens_[at_ + 1].text == text;
  }

  Node alternation() {
    Node left = conjunction();
    while (take("or")) left = make(Node::Kind::kBinary, {std::move(left), conjunction()}, "or");
    return left;
  }
  Node conjunction() {
    Node left = negation();
    while (take("and")) left = make(Node::Kind::kBinary, {std::move(left), negation()}, "and");
    return left;
  }
  Node negation() {
    const Level level(depth_, where_);
    if (take("not")) return make(Node::Kind::kUnary, {negation()}, "not");
    return comparison();
  }
  Node comparison() {
    Node left = sum();
    for (;;) {
      std::string op;
      for (const char* sign : {"==", "!=", "<=", ">=", "<", ">", "in"}) {
        if (op.empty() && take(sign)) op = sign;
      }
      if (op.empty() && is("not") && follows("in")) {
        at_ += 2;
        op = "not in";
      }
      if (op.empty()) return left;
      left = make(Node::Kind::kBinary, {std::move(left), sum()}, op);
    }
  }
  Node sum() {
    Node left = product();
    for (;;) {
      std::string op;
      for (const char* sign : {"+", "-", "~"}) {
        if (op.empty() && take(sign)) op = sign;
      }
      if (op.empty()) return left;
      left = make(Node::Kind::kBinary, {std::move(left), product()}, op);
    }
  }
  Node product() {
    Node left = unary();
    for (;;) {
      std::string op;
      for (const char* sign : {"*", "//", "/", "%"}) {
        if (op.empty() && take(sign)) op = sign;
      }
      if (op.empty()) return left;
      left = make(Node::Kind::kBinary, {std::move(left), unary()}, op);
    }
  }
  Node unary() {
    const Level level(depth_, where_);
    if (take("-")) return make(Node::Kind::kUnary, {unary()}, "-");
    return suffixed(primary());
  }

  Node suffixed(Node x) {
    for (;;) {
      if (take(".")) {
        x = make(Node::Kind::kAttribute, {std::move(x)}, name());
      } else if (take("[")) {
        x = subscript(std::move(x));
      } else if (take("(")) {
        x = arguments(make(Node::Kind::kCall, {std::move(x)}));
      } else if (take("|")) {
        x = make(Node::Kind::kFilter, {std::move(x)}, name());
        if (take("(")) x = arguments(std::move(x));
      } else if (take("is")) {
        const bool negated = take("not");
        x = make(Node::Kind::kTest, {std::move(x)}, name());
        if (take("(")) x = arguments(std::move(x));
        if (negated) x = make(Node::Kind::kUnary, {std::move(x)}, "not");
      } else {
        return x;
      }
    }
  }
  Node subscript(Node x) {
    std::vector<Node> bounds(1, literal(None{}));
    bool slice = false;
    while (!take("]")) {
      if (take(":")) {
        slice = true;
        bounds.push_back(literal(None{}));
      } else {
        bounds.back() = expression();
      }
    }
    if (!slice) return make(Node::Kind::kItem, {std::move(x), std::move(bounds[0])});
    if (bounds.size() > 3) refuse("a slice of more than three bounds", where_);
    bounds.resize(3, literal(None{}));
    return make(Node::Kind::kSlice, {std::move(x), bounds[0], bounds[1], bounds[2]});
  }
  Node arguments(Node call) {
    while (!take(")")) {
      if (next().kind == Token::Kind::kName && follows("=")) {
        call.names.push_back(name());
        demand("=");
      } else if (!call.names.empty()) {
        refuse("an argument after named ones", where_);
      }
      call.parts.push_back(expression());
      if (!is(")")) demand(",");
    }
    return call;
  }
  Node primary() {
    const Token token = next();
    ++at_;
    switch (token.kind) {
      case Token::Kind::kText: {
        std::string text = token.text;
        while (next().kind == Token::Kind::kText) text += tokens_[at_++].text;
        return literal(text);
      }
      case Token::Kind::kInteger:
      case Token::Kind::kReal:
        return number(token);
      case Token::Kind::kName:
        if (token.text == "true" || token.text == "True") return literal(true);
        if (token.text == "false" || token.text == "False") return literal(false);
        if (token.text == "none" || token.text == "None") return literal(None{});
        return make(Node::Kind::kName, {}, token.text);
      case Token::Kind::kSign:
        return bracketed(token.text);
      case Token::Kind::kEnd:
        break;
    }
    refuse("an expression that ends early", where_);
  }
  Node number(const Token& token) {
    constexpr size_t kMostDigits = 18;  // of a whole number of 64 bits
    if (token.text.size() > kMostDigits) refuse(fmt::format("the number {}", token.text), where_);
    return token.kind == Token::Kind::kInteger
               ? literal(static_cast<int64_t>(std::stoll(token.text)))
               : literal(std::stod(token.text));
  }
  Node bracketed(const std::string& sign) {
    if (sign == "(") {
      Node inner = expression();
      if (!is(",")) {
        demand(")");
        return inner;
      }
      Node tuple = make(Node::Kind::kList, {std::move(inner)});
      while (!take(")")) {
        demand(",");
        if (!is(")")) tuple.parts.push_back(expression());
      }
      return tuple;
    }
    const bool list = sign == "[";
    if (!list && sign != "{") refuse(fmt::format("'{}'", sign), where_);
    Node node = make(list ? Node::Kind::kList : Node::Kind::kObject, {});
    while (!take(list ? "]" : "}")) {
      node.parts.push_back(expression());
      if (!list) {
        demand(":");
        node.parts.push_back(expression());
      }
      if (!is(list ? "]" : "}")) demand(",");
    }
    return node;
  }

  std::vector<Token> tokens_;
  const std::string& where_;
  size_t at_ = 0;
  int depth_ = 0;
};

// Statements; each block ends at a tag that its statement names.
class Parser {
 public:
  Parser(std::vector<Piece> pieces, const std::string& where)
      : pieces_(std::move(pieces)), where_(where) {}

  std::vector<Node> run() {
    std::vector<Node> body = block({});
    if (at_ < pieces_.size()) refuse(fmt::format("the statement '{}'", pieces_[at_].text), where_);
    return body;
  }

 private:
  static std::string first_word(const std::string& text) {
    const size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos) return {};
    size_t end = begin;
    while (end < text.size() && is_name_character(text[end])) ++end;
    return text.substr(begin, end - begin);
  }

  std::vector<Node> block(const std::set<std::string>& ends) {
    const Level level(depth_, where_);
    std::vector<Node> body;
    for (; at_ < pieces_.size(); ++at_) {
      const Piece& piece = pieces_[at_];
      if (piece.kind == 't') {
        body.push_back(make(Node::Kind::kText, {}, piece.text));
        continue;
      }
      if (piece.kind == '{') {
        ExpressionParser parser(tokens_of(piece.text, where_), where_);
        body.push_back(make(Node::Kind::kOutput, {parser.expression()}));
        parser.end();
        continue;
      }
      const std::string word = first_word(piece.text);
      if (ends.contains(word)) return body;
      body.push_back(statement(word, piece.text));
    }
    return body;
  }

  Node statement(const std::string& word, const std::string& text) {
    ExpressionParser parser(tokens_of(text, where_), where_);
    if (word == "if") return branch(parser);
    if (word == "for") return loop(parser);
    if (word == "generation") return marked(parser);
    if (word == "break" || word == "continue") return leave(parser, word);
    if (word == "macro") return macro(parser);
    if (word != "set") refuse(fmt::format("the statement '{}'", word), where_);
    parser.demand("set");
    Node node{.kind = Node::Kind::kSet, .names = {parser.name()}};
    if (parser.take(".")) node.text = parser.name();
    if (parser.take("=")) {
      node.parts.push_back(parser.expression());
      parser.end();
      return node;
    }
    parser.end();
    ++at_;
    node.body = block({"endset"});
    ended();
    return node;
  }
  Node macro(ExpressionParser& parser) {
    parser.demand("macro");
    Node node{.kind = Node::Kind::kMacro, .text = parser.name()};
    parser.demand("(");
    while (!parser.take(")")) {
      node.names.push_back(parser.name());
      if (parser.take("=")) {
        node.parts.push_back(parser.expression());
      } else if (!node.parts.empty()) {
        refuse("a parameter after one with a default", where_);
      }
      if (!parser.is(")")) parser.demand(",");
    }
    parser.end();
    ++at_;
    const int loops = std::exchange(loops_, 0);  // those around it are not its own
    node.body = block({"endmacro"});
    loops_ = loops;
    ended();
    return node;
  }
  Node branch(ExpressionParser& parser) {
    if (!parser.take("if")) parser.demand("elif");
    Node node = make(Node::Kind::kIf, {parser.expression()});
    parser.end();
    ++at_;
    node.body = block({"elif", "else", "endif"});
    const std::string word = ended();
    if (word == "elif") {
      ExpressionParser next(tokens_of(pieces_[at_].text, where_), where_);
      node.other.push_back(branch(next));
    } else if (word == "else") {
      ++at_;
      node.other = block({"endif"});
      ended();
    }
    return node;
  }
  Node leave(ExpressionParser& parser, const std::string& word) const {
    if (loops_ == 0) refuse(fmt::format("'{}' outside a loop", word), where_);
    parser.demand(word);
    parser.end();
    return make(Node::Kind::kBreak, {}, word);
  }
  Node marked(ExpressionParser& parser) {
    parser.demand("generation");
    parser.end();
    ++at_;
    Node node{.kind = Node::Kind::kMarked};
    node.body = block({"endgeneration"});
    ended();
    return node;
  }
  Node loop(ExpressionParser& parser) {
    parser.demand("for");
    Node node{.kind = Node::Kind::kFor, .names = {parser.name()}};
    while (parser.take(",")) node.names.push_back(parser.name());
    parser.demand("in");
    node.parts.push_back(parser.without_choice());
    if (parser.take("if")) node.parts.push_back(parser.expression());
    parser.end();
    ++at_;
    ++loops_;
    node.body = block({"else", "endfor"});
    --loops_;
    if (ended() == "else") {
      ++at_;
      node.other = block({"endfor"});
      ended();
    }
    return node;
  }
  std::string ended() const {
    if (at_ == pieces_.size()) refuse("a block without its end", where_);
    return first_word(pieces_[at_].text);
  }

  std::vector<Piece> pieces_;
  const std::string& where_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;  // around the present statement
};

}  // namespace

void refuse(const std::string& what, const std::string& where) {
  throw Error(ErrorKind::kUnsupported,
              fmt::format("[chat template] {} is not supported ({})", what, where),
              "Use `template: raw`, which writes the prompt and the answer as they are.");
}

std::vector<Node> parse(std::string_view source, const std::string& where) {
  return Parser(pieces_of(source, where), where).run();
}

}  // namespace ilora::jinja
