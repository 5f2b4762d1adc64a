// Templates are rendered as transformers renders them (tests/golden/make_chat.py), and what is not
// known is said by its name.
#include "text/jinja.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/json.h"

namespace ilora {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

jinja::Value::Object variables(const Json& entry) {
  jinja::Value::List messages;
  for (const Json& m : entry["messages"]) {
    messages.emplace_back(jinja::Value::Object{{"role", m["role"].get<std::string>()},
                                               {"content", m["content"].get<std::string>()}});
  }
  return {{"messages", std::move(messages)},
          {"add_generation_prompt", entry["generation"].get<bool>()},
          {"bos_token", "<s>"},
          {"eos_token", "</s>"}};
}

// The template of a family itself, where shared/ is there.
std::string shared_template(const std::string& name) {
  const fs::path path = fs::path(ILORA_SOURCE_DIR) / ".." / "shared" / "tokenizers" /
                        name.substr(name.find(':') + 1) / "tokenizer_config.json";
  return fs::exists(path) ? read_json(path)["chat_template"].get<std::string>() : std::string();
}

TEST(Jinja, RendersAsTransformers) {
  const Json cases = read_json(ILORA_SOURCE_DIR "/tests/golden/chat/chat.json");
  ASSERT_GE(cases.size(), 10u);
  for (const Json& entry : cases) {
    const auto name = entry["name"].get<std::string>();
    SCOPED_TRACE(name);
    const std::string source =
        entry["template"].is_null() ? shared_template(name) : entry["template"].get<std::string>();
    if (source.empty()) continue;
    const std::vector<jinja::Node> program = jinja::parse(source, name);
    ASSERT_EQ(entry["results"].size(), 20u);
    for (const Json& result : entry["results"]) {
      if (result["text"].is_null()) {
        EXPECT_THROW(jinja::render(program, variables(result), name), Error);
        continue;
      }
      EXPECT_EQ(jinja::render(program, variables(result), name), result["text"].get<std::string>());
    }
  }
}

std::string rendered(const std::string& source, const jinja::Value::Object& variables = {}) {
  return jinja::render(jinja::parse(source, "here"), variables, "here");
}

TEST(Jinja, LoopsMayBeLeft) {
  EXPECT_EQ(rendered("{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}"
                     "{% for j in [1, 2] %}{% if j == 2 %}{% break %}{% endif %}{{ j }}{% endfor %}"
                     "{% if i > 2 %}{% break %}{% endif %}{{ i }};{% endfor %}."),
            "10;12;1.")
      << "a break leaves its own loop";
  EXPECT_EQ(rendered("{% for i in [] %}{% break %}{% else %}none{% endfor %}"), "none");
  EXPECT_THROW(jinja::parse("{% break %}", "here"), Error);
  EXPECT_THROW(jinja::parse("{% for i in [] %}{% else %}{% break %}{% endfor %}", "here"), Error);
}

TEST(Jinja, HasOneDayAndNoClock) {
  EXPECT_EQ(rendered("{{ strftime_now('%d %b %Y, %B %m') }}{{ strftime_now is defined }}"),
            "26 Jul 2024, July 07False");
}

TEST(Jinja, AMacroSeesItsOwnNamesAndTheTemplates) {
  EXPECT_EQ(rendered("{% set a = 1 %}{% macro f(b) %}{{ a }}{{ b }}{{ c is defined }}{% endmacro %}"
                     "{% for c in [3] %}{% set a = 2 %}{{ f() }}{{ f(c) }}{% endfor %}"),
            "1False13False");
  EXPECT_EQ(rendered("{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}"
                     "{{ f(3) }}"),
            "3210");
}

TEST(Jinja, TellsWhatIsMarked) {
  std::vector<jinja::Span> marked;
  const auto program = jinja::parse(
      "a{% for i in [1, 2] %}{% generation %}b{{ i }}{% endgeneration %} {% endfor %}", "here");
  EXPECT_EQ(jinja::render(program, {}, "here", &marked), "ab1 b2 ");
  EXPECT_EQ(marked, (std::vector<jinja::Span>{{1, 3}, {4, 6}}));
}
std::string told(const std::string& source) {
  try {
    return "rendered: " + rendered(source);
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(Jinja, NamesWhatItDoesNotKnow) {
  const std::pair<const char*, const char*> cases[] = {
      {"{% include 'f' %}", "the statement 'include'"},
      {"{% macro f() %}{% endmacro %}{{ f(1) }}", "more than 0 arguments of the macro 'f'"},
      {"{% macro f(a) %}{% endmacro %}{{ f(b=1) }}", "the argument 'b' of the macro 'f'"},
      {"{% macro f(a=1, b) %}{% endmacro %}", "a parameter after one with a default"},
      {"{% for i in [1] %}{% macro f() %}{% endmacro %}{% endfor %}", "a macro inside a loop"},
      {"{% macro f() %}{% generation %}a{% endgeneration %}{% endmacro %}{{ f() }}",
       "'generation' in what is written later"},
      {"{{ 'a' | rot13 }}", "the filter 'rot13'"},
      {"{{ 1 is prime }}", "the test 'prime'"},
      {"{{ 'a'.encode() }}", "the method 'encode'"},
      {"{{ strftime_now('%j') }}", "%j of a date"},
      {"{{ clock() }}", "the function 'clock'"},
      {"{{ x.y }}", "'y' of something undefined"},
      {"{{ 1 + 'a' }}", "a number + a text"},
      {"{% if true %}x", "a block without its end"},
      {"{% endif %}", "the statement 'endif'"},
      {"{{ 'a }}", "a tag without its end"},
      {"{{ 'a' 1 }}", "'1'"},
      {"{{ (1 }}", "')'"},
      {"{{ '\\q' }}", "the escape"}};
  for (const auto& [source, what] : cases) {
    EXPECT_THAT(told(source), HasSubstr(what)) << source;
    EXPECT_THAT(told(source), HasSubstr("here")) << source;
  }
}

TEST(Jinja, FollowsPython) {
  EXPECT_EQ(rendered("{{ [1, 2, 3][::-1] | join('-') }}"), "3-2-1");
  EXPECT_EQ(rendered("{{ [1, 2, 3][1:] | tojson }}{{ [1, 2][5] is defined }}"), "[2, 3]False");
  EXPECT_EQ(rendered("{{ {'a': [true, none, 1.5], 'b': 'ö\"'} | tojson }}"),
            R"({"a": [true, null, 1.5], "b": "ö\""})");
  EXPECT_EQ(rendered("{{ {'a': [1, {}]} | tojson(indent=2) }}"),
            "{\n  \"a\": [\n    1,\n    {}\n  ]\n}");
  EXPECT_EQ(rendered("{{ 'a b  c'.split() | length }}{{ 'a,b,c'.split(',', 1)[1] }}"), "3b,c");
  EXPECT_EQ(rendered("{{ 'x' if false else 'y' }}{{ not 1 == 2 }}{{ 1 not in [2] }}"), "yTrueTrue");
  EXPECT_EQ(rendered("{{ -7 // 2 }} {{ 7 % -3 }} {{ 'größe' | length }}"), "-4 -2 5");
  EXPECT_EQ(rendered("{% set x = 1 %}{% for i in range(3) %}{% set x = i %}{% endfor %}{{ x }}"),
            "1");
  EXPECT_EQ(rendered("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}"), "a1");
  EXPECT_EQ(rendered("{{ missing | default('d') }}{{ '' | default('e', true) }}"), "de");
}

// Bounded, whatever it says: depth, turns, lengths, numbers.
TEST(Jinja, AStrangersTemplateEnds) {
  const auto many = [](const std::string& text, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
  };
  const int n = 100000;
  for (const auto& [source, what] : std::vector<std::pair<std::string, std::string>>{
           {"{{ " + many("(", n) + "1" + many(")", n) + " }}", "a tag of more than"},
           {"{{ " + many("(", 500) + "1" + many(")", 500) + " }}", "levels of nesting"},
           {"{{ " + many("not ", 500) + "1 }}", "levels of nesting"},
           {"{{ " + many("-", 500) + "1 }}", "levels of nesting"},
           {"{{ 1" + many(" + 1", n) + " }}", "a tag of more than"},
           {many("{% if true %}", n) + many("{% endif %}", n), "levels of nesting"},
           {"{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "turns"},
           {"{% set n = namespace(t='xx') %}{% for i in range(100) %}{% set n.t = n.t ~ n.t %}{% "
            "endfor %}",
            "a text that long"},
           {"{% set n = namespace(t=[1]) %}{% for i in range(100) %}{% set n.t = n.t + n.t %}{% "
            "endfor %}",
            "a list that long"},
           {"{% set n = namespace() %}{% set n.a = [n] %}{{ n }}", "a value inside itself"},
           {"{% set n = namespace(t=1) %}{% for i in range(1000) %}{% set n.t = [n.t] %}{% endfor "
            "%}",
            "a value inside itself"},
           {"{{ 99999999999999999999 }}", "the number"},
           {"{{ 3000000000 * 3000000000 }}", "arithmetic with such numbers"},
           {"{{ range(-999999999999999999, 99) }}", "such a range"}}) {
    std::string told;
    try {
      jinja::render(jinja::parse(source, "here"), {}, "here");
    } catch (const Error& e) {
      told = e.what();
    }
    EXPECT_THAT(told, HasSubstr(what)) << source.substr(0, 60);
  }
}

}  // namespace
}  // namespace ilora
