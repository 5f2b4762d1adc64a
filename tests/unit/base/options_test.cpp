#include "base/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Config {
  std::string model;
  int64_t epochs = 3;
  double learning_rate = 1e-4;
  std::string schedule = "cosine";
  bool shuffle = true;
  std::vector<std::string> modules = {"q", "v"};
  std::vector<int64_t> layers;
  double decay = 0.5;
  int64_t memory = 50;

  OptionList list() {
    OptionList list;
    list.add("model", &model, "path of the model");
    list.add("train.epochs", &epochs, "passes over each task", {.min = 1, .max = 100});
    list.add("train.learning_rate", &learning_rate, "step size",
             {.min = 0, .above_min = true, .source = "PEFT's default", .also_called = {"lr"}});
    list.add("train.schedule", &schedule, "how the step size changes",
             {.choices = {"constant", "linear", "cosine"}});
    list.add("train.shuffle", &shuffle, "");
    list.add("lora.modules", &modules, "adapted\nmatrices", {.choices = {"q", "k", "v", "o"}});
    list.add("lora.layers", &layers, "layers; empty: all", {.min = 0});
    list.add("method.ilora.decay", &decay, "weight of the slow state", {.min = 0, .max = 1});
    list.add("method.memory", &memory, "rows kept", {.min = 0});
    return list;
  }
};

struct Failure {
  std::string message, hint;
};

Failure failure_of(const std::string& yaml) {
  Config config;
  OptionList list = config.list();
  try {
    list.load_yaml_text(yaml, "run.yaml");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return {error.what(), error.hint()};
  }
  ADD_FAILURE() << "accepted:\n" << yaml;
  return {};
}

TEST(Options, ReadsEveryType) {
  Config config;
  OptionList list = config.list();
  list.load_yaml_text(R"(
model: ../a b.gguf
train:
  epochs: 7
  learning_rate: 2e-5
  schedule: "linear"
  shuffle: false
lora:
  modules: [k, o]
  layers:
    - 3
    - 4
method: {ilora: {decay: 1}, memory: 0}
)",
                      "run.yaml");
  EXPECT_EQ(config.model, "../a b.gguf");
  EXPECT_EQ(config.epochs, 7);
  EXPECT_EQ(config.learning_rate, 2e-5);
  EXPECT_EQ(config.schedule, "linear");
  EXPECT_FALSE(config.shuffle);
  EXPECT_THAT(config.modules, ElementsAre("k", "o"));
  EXPECT_THAT(config.layers, ElementsAre(3, 4));
  EXPECT_EQ(config.decay, 1.0);
  EXPECT_EQ(config.memory, 0);
}

TEST(Options, KeepsDefaultsAndKnowsWhatWasGiven) {
  Config config;
  OptionList list = config.list();
  list.load_yaml_text("", "run.yaml");
  list.load_yaml_text("train:\n", "run.yaml");  // a section whose keys are all commented out
  EXPECT_EQ(config.epochs, 3);
  list.load_yaml_text("train: {epochs: 3}", "run.yaml");
  EXPECT_TRUE(list.given("train.epochs"));
  EXPECT_FALSE(list.given("train.shuffle"));
  EXPECT_EQ(list.value_text("lora.modules"), "[q, v]");
}

TEST(Options, APresetSetsWhatIsNotGivenItself) {
  struct WithPreset : Config {
    std::string preset = "plain";
    OptionList with_preset() {
      OptionList list = Config::list();
      list.add("preset", &preset, "", {.choices = {"plain", "small", "odd"}});
      list.add_preset("preset", {{"small", "train.epochs", "1"},
                                 {"small", "lora.layers", "[1, 2]"},
                                 {"odd", "train.epochs", "7"},
                                 {"odd", "train.schedule", "linear"}});
      return list;
    }
  };
  {
    WithPreset c;
    OptionList list = c.with_preset();
    list.load_yaml_text("preset: small\nlora: {modules: [v]}", "run.yaml");
    EXPECT_EQ(c.epochs, 1);
    EXPECT_THAT(c.layers, ElementsAre(1, 2));
    EXPECT_THAT(c.modules, ElementsAre("v"));
    EXPECT_FALSE(list.given("train.epochs")) << "a preset is not the user's word";
    EXPECT_THAT(list.to_yaml(), HasSubstr("epochs: 1"));
    list.set("preset=odd");  // what `small` set goes back to its default
    EXPECT_EQ(c.epochs, 7);
    EXPECT_THAT(c.layers, IsEmpty());
    EXPECT_EQ(c.schedule, "linear");
    list.set("preset=plain");
    EXPECT_EQ(c.epochs, 3);
    EXPECT_EQ(c.schedule, "cosine");
    EXPECT_THAT(list.help_text(), HasSubstr("odd: train.schedule=linear"));
  }
  for (const char* first :
       {"train: {epochs: 5}\npreset: small", "preset: small\ntrain: {epochs: 5}"}) {
    WithPreset c;
    OptionList list = c.with_preset();
    list.load_yaml_text(first, "run.yaml");
    EXPECT_EQ(c.epochs, 5) << first;
    EXPECT_THAT(c.layers, ElementsAre(1, 2));
  }
  WithPreset c;
  OptionList list = c.with_preset();
  EXPECT_THROW(list.add_preset("preset", {{"none", "train.epochs", "1"}}), Error);
  EXPECT_THROW(list.add_preset("preset", {{"small", "train.absent", "1"}}), Error);
}

TEST(Options, DottedKeysMeanTheSame) {
  Config config;
  config.list().load_yaml_text("train.epochs: 4\nmethod.ilora: {decay: 0.25}", "run.yaml");
  EXPECT_EQ(config.epochs, 4);
  EXPECT_EQ(config.decay, 0.25);
}

TEST(Options, MisspeltKeySuggestsTheNearest) {
  const Failure failure = failure_of("model: m\ntrain:\n  learnign_rate: 1\n");
  EXPECT_EQ(failure.message, "[config] unknown key train.learnign_rate (run.yaml:3)");
  EXPECT_EQ(failure.hint, "Did you mean train.learning_rate?");
  EXPECT_EQ(failure_of("train: {learning-rate: 1}").hint, "Did you mean train.learning_rate?");
  EXPECT_EQ(failure_of("modle: x").hint, "Did you mean model?");
  EXPECT_EQ(failure_of("trian: {epoch: 1}").hint, "Did you mean train.epochs?");
}

TEST(Options, MisplacedKeySuggestsItsSection) {
  EXPECT_EQ(failure_of("learning_rate: 1").hint, "Did you mean train.learning_rate?");
  EXPECT_EQ(failure_of("method: {decay: 1}").hint, "Did you mean method.ilora.decay?");
  EXPECT_EQ(failure_of("train: {memory: 1}").message,
            "[config] unknown key train.memory (run.yaml:1)");
  EXPECT_EQ(failure_of("train: {memory: 1}").hint, "Did you mean method.memory?");
}

TEST(Options, NamesOtherProgramsUseAreRecognisedNotAccepted) {
  EXPECT_EQ(failure_of("train: {lr: 1}").hint, "Did you mean train.learning_rate?");
}

TEST(Options, NothingNearListsWhatThereIs) {
  EXPECT_EQ(failure_of("lora: {zzzzzzzzz: 1}").hint, "Known in lora: modules, layers.");
  EXPECT_EQ(failure_of("zzzzzzzzz: 1").hint, "Known at the top: model, train, lora, method.");
}

TEST(Options, WrongTypesSayWhatIsAllowed) {
  EXPECT_EQ(failure_of("train:\n  epochs: three").message,
            "[config] train.epochs: expected a whole number from 1 to 100, got three (run.yaml:2)");
  EXPECT_THAT(failure_of("train: {epochs: 2.5}").message, HasSubstr("got 2.5"));
  EXPECT_THAT(failure_of("train: {epochs: 2x}").message, HasSubstr("got 2x"));
  EXPECT_THAT(failure_of("train: {epochs: [2]}").message, HasSubstr("got [2]"));
  EXPECT_THAT(failure_of("train: {epochs: {a: 2}}").message, HasSubstr("got \"a map\""));
  EXPECT_THAT(failure_of("train: {epochs: 99999999999999999999}").message,
              HasSubstr("a whole number"));
  EXPECT_THAT(failure_of("train: {learning_rate: .nan}").message,
              HasSubstr("a number above 0, got .nan"));
  EXPECT_THAT(failure_of("train: {learning_rate: nan}").message,
              HasSubstr("a number above 0, got nan"));
  EXPECT_THAT(failure_of("train: {shuffle: 1}").message, HasSubstr("true or false, got 1"));
  EXPECT_THAT(failure_of("lora: {modules: q}").message,
              HasSubstr("a list of any of q, k, v, o, got q"));
  EXPECT_THAT(failure_of("lora: {layers: [1, x]}").message,
              HasSubstr("a list of whole numbers, each at least 0, got [1, x]"));
  EXPECT_THAT(failure_of("lora: {layers: [[1]]}").message, HasSubstr("plain values"));
}

TEST(Options, OutOfRangeSaysTheRange) {
  EXPECT_THAT(failure_of("train: {epochs: 0}").message, HasSubstr("from 1 to 100, got 0"));
  EXPECT_THAT(failure_of("train: {learning_rate: 0}").message, HasSubstr("above 0, got 0"));
  EXPECT_THAT(failure_of("method: {ilora: {decay: 1.5}}").message,
              HasSubstr("from 0 to 1, got 1.5"));
  EXPECT_THAT(failure_of("lora: {layers: [-1]}").message, HasSubstr("got [-1]"));
}

TEST(Options, WrongChoiceNamesAllAndSuggests) {
  const Failure failure = failure_of("train: {schedule: cosin}");
  EXPECT_THAT(failure.message, HasSubstr("expected one of constant, linear, cosine, got cosin"));
  EXPECT_EQ(failure.hint, "Did you mean cosine?");
  EXPECT_THAT(failure_of("train: {schedule: step}").hint, IsEmpty());
}

TEST(Options, MalformedDocuments) {
  EXPECT_THAT(failure_of("a: [1,\nb: 2").message, HasSubstr("(run.yaml:2)"));
  EXPECT_THAT(failure_of("- a\n- b").message, HasSubstr("got a list"));
  EXPECT_THAT(failure_of("hello").message, HasSubstr("got a single value"));
  EXPECT_THAT(failure_of("train: 5").message, HasSubstr("expected keys below this section, got 5"));
  EXPECT_THAT(failure_of("model:").message, HasSubstr("model: expected a value, got none"));
  EXPECT_THAT(failure_of("train: {epochs: }").message, HasSubstr("expected a value"));
  EXPECT_EQ(failure_of("train:\n  epochs: 1\ntrain.epochs: 2").message,
            "[config] expected train.epochs once, got it again after run.yaml:2 (run.yaml:3)");
}

TEST(Options, OverridesObeyTheSameRules) {
  Config config;
  OptionList list = config.list();
  list.set("train.epochs=9");
  list.set(" train.learning_rate = +1e-3 ");
  list.set("model=a: b # c=d");
  list.set("lora.modules=k, o");
  list.set("lora.layers=[1,2]");
  EXPECT_EQ(config.epochs, 9);
  EXPECT_EQ(config.learning_rate, 1e-3);
  EXPECT_EQ(config.model, "a: b # c=d");
  EXPECT_THAT(config.modules, ElementsAre("k", "o"));
  EXPECT_THAT(config.layers, ElementsAre(1, 2));
  list.set("lora.modules=[\"v\", 'q']");  // as a config.yaml may have it
  list.set("model=\"\"");
  EXPECT_THAT(config.modules, ElementsAre("v", "q"));
  EXPECT_EQ(config.model, "");
  list.set("model=it's");
  EXPECT_EQ(config.model, "it's");
  list.set("lora.layers=[]");
  EXPECT_THAT(config.layers, IsEmpty());
  list.set("model=");
  EXPECT_EQ(config.model, "");

  const auto message = [&](const char* text) -> std::string {
    try {
      list.set(text);
    } catch (const Error& error) {
      return std::string(error.what()) + " | " + error.hint();
    }
    return "accepted";
  };
  EXPECT_EQ(message("train.epoch=1"),
            "[config] unknown key train.epoch (--set train.epoch=1) | Did you mean train.epochs?");
  EXPECT_THAT(message("train.epochs=many"), HasSubstr("a whole number from 1 to 100, got many"));
  EXPECT_THAT(message("train.epochs"), HasSubstr("expected key=value"));
  EXPECT_THAT(message("train=1"), HasSubstr("expected keys below this section"));
  EXPECT_EQ(config.epochs, 9) << "a refused value must not be stored";
}

TEST(Options, ResolvedConfigurationReadsBackTheSame) {
  Config config;
  OptionList list = config.list();
  config.model = "a\"b\\c: #\n\x01 é";
  config.learning_rate = 0.1 + 0.2;
  config.modules = {"o"};
  config.layers = {};
  const std::string yaml = list.to_yaml();
  Config back;
  OptionList back_list = back.list();
  back_list.load_yaml_text(yaml, "config.yaml");
  EXPECT_EQ(back.model, config.model);
  EXPECT_EQ(back.learning_rate, config.learning_rate);
  EXPECT_EQ(back.modules, config.modules);
  EXPECT_EQ(back.layers, config.layers);
  EXPECT_EQ(back_list.to_yaml(), yaml);
  for (const std::string& key : list.keys()) EXPECT_TRUE(back_list.given(key)) << key;
}

TEST(Options, AnyTextSurvivesTheResolvedConfiguration) {
  for (const std::string text :
       {"",    "null", "~",  "-",    "--",   "-x",   "...", "true", "1",
        "- a", "%x",   "@x", "a: b", " a",   "[",    "{",   "'",    "*a",
        "&a",  "!a",   "|",  ">",    "\x7f", "\r\n", "a#b", "./x",  "日本"}) {
    Config config;
    config.model = text;
    Config back;
    back.list().load_yaml_text(config.list().to_yaml(), "config.yaml");
    EXPECT_EQ(back.model, text);
  }
}

TEST(Options, YamlIsGroupedAndExplainsItself) {
  Config config;
  config.model = "m.gguf";
  EXPECT_EQ(config.list().to_yaml(), R"(model: m.gguf  # path of the model
train:
  epochs: 3  # passes over each task
  learning_rate: 0.0001  # step size
  schedule: cosine  # how the step size changes
  shuffle: true
lora:
  modules: [q, v]  # adapted matrices
  layers: []  # layers; empty: all
method:
  memory: 50  # rows kept
  ilora:
    decay: 0.5  # weight of the slow state
)");
}

TEST(Options, HelpNamesDefaultRangeAndSource) {
  Config config;
  const OptionList list = config.list();
  config.epochs = 99;  // documentation shows the default, not the present value
  EXPECT_THAT(list.help_text(), HasSubstr("  train.epochs = 3\n      passes over each task\n"
                                          "      a whole number from 1 to 100\n"));
  EXPECT_THAT(list.help_text(), HasSubstr("a number above 0; default: PEFT's default\n"));
}

// Options that differ in what another value changes; the last two are a method's.
struct Roles {
  std::string output = "run";
  int64_t threads = 1, chunk = 2, rank = 3, size = 4, rate = 5;

  OptionList list() {
    OptionList list;
    list.add("output", &output, "", {.role = OptionRole::kWhere});
    list.add("engine.threads", &threads, "", {.role = OptionRole::kHow});
    list.add("engine.chunk", &chunk, "", {.min = 1, .role = OptionRole::kRounding});
    list.add("lora.rank", &rank, "", {.source = "paper", .fixed_once_learned = true});
    list.set_owner("er");
    list.add("er.size", &size, "", {.fixed_once_learned = true});
    list.add("er.rate", &rate, "", {.fixed_once_learned = true});
    return list;
  }
};

TEST(Options, SayWhatAnotherValueChanges) {
  Roles roles;
  const OptionList list = roles.list();
  EXPECT_EQ(list.rules("engine.threads").role, OptionRole::kHow);
  EXPECT_EQ(list.rules("lora.rank").role, OptionRole::kResult);
  EXPECT_THAT(list.help_text(), HasSubstr("      a whole number; the same bits\n"));
  EXPECT_THAT(list.help_text(), HasSubstr("at least 1; changes rounding alone\n"));
  EXPECT_THAT(list.help_text(), HasSubstr("fixed once a task is learned; default: paper\n"));
  EXPECT_THAT(list.help_text(), HasSubstr("a path\n"));
  EXPECT_THROW(list.rules("absent"), Error);
}

TEST(Options, BelongToEveryRunOrToAMethod) {
  Roles roles;
  const OptionList list = roles.list();
  EXPECT_TRUE(list.concerns("lora.rank", "seq"));
  EXPECT_TRUE(list.concerns("er.size", "er"));
  EXPECT_FALSE(list.concerns("er.size", "seq"));
}

TEST(Options, AreListedForASentence) {
  Roles roles;
  const OptionList list = roles.list();
  const auto fixed = [&](std::string_view key) { return list.rules(key).fixed_once_learned; };
  EXPECT_EQ(list.keys_text(fixed), "lora.rank, er.*") << "one of a section is named";
  EXPECT_EQ(list.keys_text([](std::string_view key) { return key.starts_with("engine.c"); }),
            "engine.chunk");
  EXPECT_EQ(list.keys_text([](std::string_view) { return false; }), "");
}

TEST(Options, TextsAreVisitedOneByOne) {
  Config config;
  config.model = "m";
  OptionList list = config.list();
  std::vector<std::string> seen;
  list.visit_texts([](std::string_view key) { return key != "train.schedule"; },
                   [&](const std::string& key, std::string& text) {
                     seen.push_back(key + " " + text);
                     text += "!";
                   });
  EXPECT_THAT(seen, ElementsAre("model m", "lora.modules q", "lora.modules v"));
  EXPECT_EQ(config.model, "m!");
  EXPECT_THAT(config.modules, ElementsAre("q!", "v!"));
}

TEST(Options, LoadsFilesAndNamesThem) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "a.yaml", "train:\n  epoch: 1\n");
  Config config;
  OptionList list = config.list();
  try {
    list.load_yaml(folder / "a.yaml");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr((folder / "a.yaml").string() + ":2"));
  }
  EXPECT_THROW(list.load_yaml(folder / "absent.yaml"), Error);
}

TEST(Options, ProgrammerErrorsAreCaught) {
  Config config;
  OptionList list = config.list();
  EXPECT_THROW(list.add("train.epochs", &config.memory, "again"), Error);
  EXPECT_THROW(list.add("train", &config.memory, "a section"), Error);
  EXPECT_THROW(list.add("model.x", &config.memory, "below an option"), Error);
  EXPECT_THROW(list.add("x", &config.memory, "default out of range", {.max = 1}), Error);
  EXPECT_THROW(list.given("absent"), Error);
}

TEST(EditDistance, CountsTheFourEdits) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("abc", "abc"), 0);
  EXPECT_EQ(edit_distance("abc", "ac"), 1);
  EXPECT_EQ(edit_distance("abc", "abcd"), 1);
  EXPECT_EQ(edit_distance("abc", "axc"), 1);
  EXPECT_EQ(edit_distance("abc", "acb"), 1);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
}

}  // namespace
}  // namespace ilora
