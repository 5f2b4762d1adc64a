// Bad input: every mistake ends with a message that names the thing and says what would be right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class BadInput : public ::testing::Test {
 protected:
  // A training run that must fail with `code`; its messages.
  std::string failure(const Settings& more, int code = 1, const ChildOptions& options = {}) {
    Settings all = {"train.epochs=1", "data.tasks=task"};
    all.insert(all.end(), more.begin(), more.end());
    const Outcome outcome =
        run_ilora(folder_, train_arguments(tiny_settings(folder_ / "run", "er", all)), options);
    EXPECT_EQ(outcome.code, code) << outcome.all();
    EXPECT_EQ(outcome.signal, 0);
    return outcome.err;
  }

  // A copy of the task alpha in `<folder>/tasks/task`, in which files may be replaced.
  fs::path task() {
    const fs::path to = folder_ / "tasks/task";
    fs::create_directories(to.parent_path());
    fs::copy(data_folder("tiny-tasks/alpha"), to,
             fs::copy_options::recursive | fs::copy_options::skip_existing);
    return to;
  }
  std::string tasks() { return "data.folder=" + task().parent_path().string(); }

  TemporaryFolder folder_;
};

TEST_F(BadInput, NoSuchModel) {
  EXPECT_THAT(failure({tasks(), "model.path=/no/such/model.gguf"}),
              HasSubstr("/no/such/model.gguf"));
  EXPECT_THAT(failure({tasks(), "model.path="}, 2),
              AllOf(HasSubstr("model.path"), HasSubstr("model.sh")));
  fs::create_directories(folder_ / "empty");
  EXPECT_THAT(failure({tasks(), "model.path=" + (folder_ / "empty").string()}),
              HasSubstr("config.json"));
}

// Text that no reader may follow to its end: nested too deep for what walks through it later, with
// more behind its end, with a key twice.
TEST_F(BadInput, JsonThatIsNotWhatItSeems) {
  const std::string deep(200'000, '['), row = R"({"prompt": "a", "answer": "b"})";
  struct Case {
    std::string text, said;
  };
  for (const auto& [text, said] : {
           Case{"[" + deep, "nested more than 256 deep"},
           {"[" + row + "]" + std::string(1, '\0') + "[" + row + "]", "a NUL byte"},
           {R"([{"prompt": "a", "answer": "b", "answer": "c"}])", "\"[0].answer\" twice"},
           {R"([{"prompt": "a \ud83d b", "answer": "c"}])", "half of a pair of surrogates"},
           {R"([{"prompt": "a", "answer": 1e400}])", "a number is too large"},
       }) {
    write_file_atomic(task() / "train.json", text);
    EXPECT_THAT(failure({tasks()}), AllOf(HasSubstr("train.json"), HasSubstr(said)));
  }
  const fs::path model = folder_ / "model";
  fs::copy(data_folder("tiny-model"), model);
  for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json"}) {
    const std::string whole = read_file(model / name);
    write_file_atomic(model / name, "{\"x\": " + deep);
    EXPECT_THAT(failure({"data.tasks=alpha", "model.path=" + model.string()}),
                AllOf(HasSubstr(name), HasSubstr("nested more than 256 deep")));
    write_file_atomic(model / name, whole);
  }
}

// yaml-cpp never ends on these.
TEST_F(BadInput, YamlThatItsParserMayNotSee) {
  for (const char* text : {"!a, b", "method: er\n,#,\n", "a: &x [1]\nb: *x\n"}) {
    write_file_atomic(folder_ / "config.yaml", text);
    const Outcome outcome = run_ilora(folder_, {"train", (folder_ / "config.yaml").string()});
    EXPECT_EQ(outcome.code, 2) << outcome.all();
    EXPECT_THAT(outcome.err, HasSubstr("config.yaml:"));
  }
  write_file_atomic(task() / "task.yaml", "measure: !a, b\n");
  EXPECT_THAT(failure({tasks()}, 2), HasSubstr("task.yaml:1"));
}

TEST_F(BadInput, ANameThatIsNotUtf8IsRefusedInJsonToo) {
  const fs::path odd = folder_ / "tasks/bad\xff";
  fs::create_directories(odd.parent_path());
  fs::copy(data_folder("tiny-tasks/alpha"), odd);
  const Outcome outcome =
      run_ilora(folder_, {"data", "check", (folder_ / "tasks").string(), "--json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.all(), AllOf(HasSubstr("is not UTF-8"), Not(HasSubstr("exception"))));
}

TEST_F(BadInput, AHomeThatNoShellHasExpanded) {
  const ChildOptions options{.environment = {{"HOME", folder_.path().string()}}};
  EXPECT_EQ(run_ilora(folder_, train_arguments(tiny_settings("~/run", "seq", {"train.epochs=1"})),
                      options)
                .code,
            0);
  EXPECT_TRUE(fs::exists(folder_ / "run/results.json"));
  EXPECT_THAT(failure({tasks(), "output=~nobody/run"}, 2), HasSubstr("~nobody/run"));
}

// The first half of a model file: one made here, and the real one where there is one.
TEST_F(BadInput, HalfAGguf) {
  const fs::path whole = fs::path(ILORA_SOURCE_DIR) / "tests/golden/quant/types.gguf";
  const std::string bytes = read_file(whole);
  const fs::path half = folder_ / "half.gguf";
  write_file_atomic(half, bytes.substr(0, bytes.size() / 2));
  EXPECT_THAT(failure({tasks(), "model.path=" + half.string()}), HasSubstr("half.gguf"));
  write_file_atomic(half, bytes.substr(0, 20));
  EXPECT_THAT(failure({tasks(), "model.path=" + half.string()}), HasSubstr("half.gguf"));
  write_file_atomic(half, "");
  EXPECT_THAT(failure({tasks(), "model.path=" + half.string()}), HasSubstr("half.gguf"));
}

TEST_F(BadInput, HalfARealGguf) {
  const char* model = std::getenv("ILORA_MODEL");
  if (model == nullptr || *model == '\0') GTEST_SKIP() << "set ILORA_MODEL to a GGUF file";
  const fs::path half = folder_ / "half.gguf";
  fs::copy(model, half);
  fs::resize_file(half, fs::file_size(half) / 2);
  EXPECT_THAT(failure({tasks(), "model.path=" + half.string()}),
              AllOf(HasSubstr("half.gguf"), HasSubstr("expected")));
}

TEST_F(BadInput, HalfASafetensorsModel) {
  const fs::path model = folder_ / "model";
  fs::copy(data_folder("tiny-model"), model);
  fs::resize_file(model / "model.safetensors", fs::file_size(model / "model.safetensors") / 2);
  EXPECT_THAT(failure({tasks(), "model.path=" + model.string()}), HasSubstr("model.safetensors"));
}

TEST_F(BadInput, MisspeltKey) {
  EXPECT_THAT(failure({"train.learning_rat=1"}, 2), HasSubstr("train.learning_rate"));
  EXPECT_THAT(failure({"ilora.gama=1"}, 2), HasSubstr("ilora.gamma"));
  write_file_atomic(folder_ / "config.yaml", "method: er\nlora:\n  lora_alpha: 3\n");
  const Outcome outcome = run_ilora(folder_, {"train", (folder_ / "config.yaml").string()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("config.yaml:3"), HasSubstr("lora.alpha")));
}

TEST_F(BadInput, UnknownMethodModuleAndValues) {
  EXPECT_THAT(failure({tasks(), "method=nothing"}, 2),
              AllOf(HasSubstr("nothing"), HasSubstr("ilora")));
  EXPECT_THAT(failure({tasks(), "method=ilra"}, 2), HasSubstr("Did you mean ilora?"));
  EXPECT_THAT(failure({tasks(), "lora.targets=q_proj,attn"}, 2),
              AllOf(HasSubstr("attn"), HasSubstr("v_proj")));
  EXPECT_THAT(failure({tasks(), "lora.targets=[]"}, 2), HasSubstr("lora.targets"));
  EXPECT_THAT(failure({tasks(), "train.batch_size=0"}, 2), HasSubstr("train.batch_size"));
  EXPECT_THAT(failure({tasks(), "train.epochs=many"}, 2), HasSubstr("train.epochs"));
  EXPECT_THAT(failure({tasks(), "eval.measures=accuracy"}, 2),
              AllOf(HasSubstr("accuracy"), HasSubstr("choice")));
  EXPECT_THAT(failure({tasks(), "eval.measures=choice,exact"}, 2), HasSubstr("eval.measures"));
  EXPECT_THAT(failure({tasks(), "er.memory_size=0"}, 2), HasSubstr("er.memory_size"));
}

TEST_F(BadInput, NoTasks) {
  EXPECT_THAT(failure({"data.folder=/no/such/folder", "data.tasks="}),
              HasSubstr("/no/such/folder"));
  fs::create_directories(folder_ / "empty");
  EXPECT_THAT(failure({"data.folder=" + (folder_ / "empty").string(), "data.tasks="}),
              HasSubstr("train.json"));
  EXPECT_THAT(failure({tasks(), "data.tasks=absent"}),
              AllOf(HasSubstr("absent"), HasSubstr("data.tasks"), HasSubstr("are: task")));
}

TEST_F(BadInput, MeasureOfATaskThatThereIsNot) {
  write_file_atomic(task() / "task.yaml", "measure: chioce\n");
  EXPECT_THAT(failure({tasks()}, 2), AllOf(HasSubstr("chioce"), HasSubstr("task/task.yaml")));
}

TEST_F(BadInput, LearnersAndSettingsThatARunHasNot) {
  const Settings settings = tiny_settings(folder_ / "run", "seq", {tasks(), "train.epochs=1"});
  ASSERT_EQ(run_ilora(folder_, train_arguments(settings)).code, 0);
  const std::string run = folder_ / "run", data = data_folder("tiny-tasks/alpha").string();
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"eval", run, "--data", data, "--learner", "slow"},
           {"generate", "hello", "--run", run, "--learner", "slow"}}) {
    const Outcome outcome = run_ilora(folder_, words);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("'slow'"), HasSubstr("are: fast")));
  }
  for (const char* setting : {"lora.rank=4", "train.epochs=9", "er.ratio=2", "data.tasks=beta"}) {
    const Outcome outcome = run_ilora(folder_, {"eval", run, "--data", data, "--set", setting});
    EXPECT_EQ(outcome.code, 2) << setting;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(setting), HasSubstr("no effect")));
  }
  EXPECT_EQ(run_ilora(folder_, {"eval", run, "--data", data, "--set", "data.max_length=64"}).code,
            0);
}

TEST_F(BadInput, TaskWithoutATestSplit) {
  const std::string setting = tasks();
  fs::remove(folder_ / "tasks/task/test.json");
  EXPECT_THAT(failure({setting}), HasSubstr("task/test.json"));
}

TEST_F(BadInput, TaskWithoutTheEvaluatedSplit) {
  const std::string setting = tasks();
  fs::remove(folder_ / "tasks/task/eval.json");
  EXPECT_THAT(failure({setting, "eval.split=eval"}), AllOf(HasSubstr("task"), HasSubstr("eval")));
}

TEST_F(BadInput, TwoTasksOfOneName) {
  const std::string setting = tasks();
  fs::create_directories(folder_ / "tasks/more");
  fs::copy(folder_ / "tasks/task", folder_ / "tasks/more/task");
  EXPECT_THAT(failure({setting, "data.tasks=task,more/task"}, 2), HasSubstr("named task"));
}

TEST_F(BadInput, AnswersThatLeaveNoRoomForThePrompt) {
  EXPECT_THAT(
      failure({tasks(), "eval.measures=exact", "data.max_length=24", "eval.max_new_tokens=24"}, 2),
      AllOf(HasSubstr("data.max_length"), HasSubstr("eval.max_new_tokens")));
}

TEST_F(BadInput, SoftPromptsThatLeaveNoRoomForARow) {
  for (const char* setting : {"pp.length=2000", "l2p.length=2000"}) {
    const std::string method = std::string(setting).substr(0, std::string(setting).find('.'));
    EXPECT_THAT(failure({tasks(), "method=" + method, setting}, 2), HasSubstr(method + ".length"));
    EXPECT_FALSE(fs::exists(folder_ / "run")) << "said before anything is computed";
  }
}

TEST_F(BadInput, AnOptionThatIsLongerThanRowsMayBe) {
  std::string answer;
  for (int i = 0; i < 40; ++i) answer += " word";
  write_file_atomic(
      task() / "test.json",
      Json({{{"prompt", "x"}, {"answer", answer}}, {{"prompt", "y"}, {"answer", " A"}}}).dump());
  EXPECT_THAT(failure({tasks(), "data.max_length=16"}),
              AllOf(HasSubstr("an option of task"), HasSubstr("at most 16")));
}

TEST_F(BadInput, ReferencesThatAreNoRuns) {
  EXPECT_THAT(failure({tasks(), "eval.references=/no/such/run"}), HasSubstr("/no/such/run"));
  EXPECT_FALSE(fs::exists(folder_ / "run/metrics.jsonl")) << "said before anything is trained";
}

TEST_F(BadInput, ReferencesOfAnotherMeasure) {
  const fs::path one = folder_ / "one";
  const Settings settings = tiny_settings(one, "one", {tasks(), "train.epochs=1"});
  ASSERT_EQ(run_ilora(folder_, train_arguments(settings)).code, 0);
  const std::string references = "eval.references=" + one.string();
  EXPECT_THAT(failure({tasks(), references, "eval.measures=exact"}, 2),
              AllOf(HasSubstr("choice"), HasSubstr("exact"), HasSubstr(one.string())));
  failure({tasks(), references}, 0);
  const Json result = results_of(folder_ / "run");
  const double own = result.at("scores")[1][0], alone = results_of(one).at("scores")[1][0];
  EXPECT_DOUBLE_EQ(result.at("metrics").at("intransigence"), alone - own);
}

TEST_F(BadInput, OptionsOfAMethodThatCannotWork) {
  EXPECT_THAT(failure({tasks(), "method=ilora", "ilora.lambda=-0.3"}, 2),
              HasSubstr("ilora.lambda"));
  EXPECT_THAT(failure({tasks(), "method=ilora", "ilora.layers=[40]"}, 2),
              AllOf(HasSubstr("layer 40"), HasSubstr("ilora.layers")));
  for (const char* method : {"er", "ilora"}) {
    EXPECT_THAT(failure({tasks(), fmt::format("method={}", method),
                         fmt::format("{}.policy=surprise", method),
                         fmt::format("{}.insert_first=true", method)},
                        2),
                AllOf(HasSubstr("surprise"), HasSubstr("insert_first")));
  }
  EXPECT_FALSE(fs::exists(folder_ / "run")) << "said before anything is computed";
}

TEST_F(BadInput, SoftPromptsToStartFromForAMethodThatTrainsNone) {
  const Settings pp = tiny_settings(folder_ / "pp", "pp", {tasks(), "train.epochs=1"});
  ASSERT_EQ(run_ilora(folder_, train_arguments(pp)).code, 0);
  const std::string start = "lora.start=" + RunFolder(folder_ / "pp").adapter(1, "fast").string();
  for (const char* method : {"seq", "ilora"}) {
    EXPECT_THAT(failure({tasks(), start, fmt::format("method={}", method)}, 2),
                AllOf(HasSubstr("lora.start"), HasSubstr("soft prompts"), HasSubstr(method)));
    EXPECT_FALSE(fs::exists(folder_ / "run"));
  }
  failure({tasks(), start, "method=zero-shot"}, 0);
}

TEST_F(BadInput, RowWithoutAnswer) {
  write_file_atomic(task() / "train.json",
                    R"([{"prompt":"a","answer":"b"},{"prompt":"c"},{"prompt":"d","answer":"e"}])");
  EXPECT_THAT(failure({tasks()}),
              AllOf(HasSubstr("row 1"), HasSubstr("answer"), HasSubstr("train.json")));
  write_file_atomic(task() / "train.json", R"([{"prompt":"a","answer":7}])");
  EXPECT_THAT(failure({tasks()}), AllOf(HasSubstr("row 0"), HasSubstr("answer")));
  write_file_atomic(task() / "train.json", R"(["a"])");
  EXPECT_THAT(failure({tasks()}), AllOf(HasSubstr("row 0"), HasSubstr("prompt")));
}

TEST_F(BadInput, SplitThatIsNoListOfRows) {
  write_file_atomic(task() / "train.json", "[]");
  EXPECT_THAT(failure({tasks()}), AllOf(HasSubstr("train.json"), HasSubstr("no rows")));
  write_file_atomic(task() / "train.json", R"({"prompt":"a","answer":"b"})");
  EXPECT_THAT(failure({tasks()}), AllOf(HasSubstr("train.json"), HasSubstr("list")));
  write_file_atomic(task() / "train.json", R"([{"prompt":"a","answer":"b"})");
  EXPECT_THAT(failure({tasks()}), HasSubstr("train.json"));
}

TEST_F(BadInput, AnswerOrPromptThatTokenizesToNothing) {
  write_file_atomic(task() / "train.json",
                    R"([{"prompt":"a","answer":"b"},{"prompt":"c","answer":""}])");
  EXPECT_THAT(failure({tasks()}),
              AllOf(HasSubstr("answer"), HasSubstr("row 1"), HasSubstr("no tokens")));
  write_file_atomic(task() / "train.json", R"([{"prompt":"","answer":"b"}])");
  EXPECT_THAT(failure({tasks()}),
              AllOf(HasSubstr("prompt"), HasSubstr("row 0"), HasSubstr("no tokens")));
}

TEST_F(BadInput, EvaluatedRowWithoutAPrompt) {
  write_file_atomic(task() / "test.json",
                    R"([{"prompt":"x","answer":" A"},{"prompt":"","answer":" B"}])");
  EXPECT_THAT(failure({tasks()}), AllOf(HasSubstr("row 1"), HasSubstr("no tokens")));
  fs::remove_all(folder_ / "run");
  for (const char* measure : {"choice", "exact"}) {
    EXPECT_THAT(failure({tasks(), fmt::format("eval.measures={}", measure), "eval.matrix=last"}),
                AllOf(HasSubstr("row 1 of task/test.json"), HasSubstr("no tokens")));
    EXPECT_FALSE(fs::exists(folder_ / "run")) << "said before anything is trained";
  }
}

TEST_F(BadInput, OneAnswerOnly) {
  for (const char* split : {"train", "eval", "test"})
    write_file_atomic(task() / fmt::format("{}.json", split), R"([{"prompt":"x","answer":" A"}])");
  EXPECT_THAT(failure({tasks()}), AllOf(HasSubstr("task"), HasSubstr("one answer")));
}

// Not a mistake, but worth a word before hours of training.
TEST_F(BadInput, PromptsThatAreCutAreCounted) {
  const Settings all =
      tiny_settings(folder_ / "run", "er", {tasks(), "train.epochs=1", "data.max_length=4"});
  const Outcome outcome = run_ilora(folder_, train_arguments(all));
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("task: 16 of 16 training prompts are cut"),
                                 HasSubstr("task: 8 of 8 test prompts are cut"),
                                 HasSubstr("data.max_length 4")));
  const std::string run = (folder_ / "run").string(),
                    adapter = run + "/checkpoints/task-01/adapter";
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"eval", run, "--data", task().string()},
        {"analyze", "path", run, "--from-adapter", adapter, "--to-adapter", adapter}}) {
    const Outcome later = run_ilora(folder_, command);
    EXPECT_EQ(later.code, 0) << later.err;
    EXPECT_THAT(later.err, HasSubstr("task: 8 of 8 test prompts are cut")) << command[0];
  }
}

// The prompt is cut from the left and the answer kept: such a run works.
TEST_F(BadInput, PromptLongerThanTheContext) {
  std::string prompt;
  for (int i = 0; i < 400; ++i) prompt += "word ";
  const Json rows = {{{"prompt", prompt + "fish"}, {"answer", " B"}},
                     {{"prompt", prompt + "bird"}, {"answer", " A"}}};
  for (const char* split : {"train", "eval", "test"})
    write_file_atomic(task() / fmt::format("{}.json", split), rows.dump());
  for (const char* measure : {"choice", "exact"}) {
    const fs::path run = folder_ / measure;
    const Outcome outcome = run_ilora(
        folder_,
        train_arguments(tiny_settings(
            run, "er", {tasks(), "train.epochs=1", std::string("eval.measures=") + measure})));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    ASSERT_EQ(count_steps(run), 1);
    EXPECT_EQ(events(run)[0].at("tokens"), 2 * 128) << "rows as long as the model's context";
  }
  const Outcome spoken =
      run_ilora(folder_, {"generate", prompt, "--model", data_folder("tiny-model").string()});
  EXPECT_EQ(spoken.code, 1);
  EXPECT_THAT(spoken.err, AllOf(HasSubstr("context"), HasSubstr("128")));
}

TEST_F(BadInput, AnswerLongerThanRowsMayBe) {
  std::string answer;
  for (int i = 0; i < 400; ++i) answer += " word";
  write_file_atomic(task() / "train.json", Json({{{"prompt", "x"}, {"answer", answer}}}).dump());
  EXPECT_THAT(failure({tasks()}),
              AllOf(HasSubstr("answer"), HasSubstr("row 0"), HasSubstr("max_length")));
}

TEST_F(BadInput, LossNotFinite) {
  // A rate at which the first update overflows: the second step's loss is no number.
  const std::string error =
      failure({tasks(), "train.learning_rate=1e30", "train.warm_up=0", "train.epochs=3"});
  EXPECT_THAT(error, AllOf(HasSubstr("not finite"), HasSubstr("step 2"), HasSubstr("task task"),
                           HasSubstr("task:"), HasSubstr("learning_rate")));
}

TEST_F(BadInput, WeightsThatAreNotFinite) {
  const fs::path model = folder_ / "model";
  fs::copy(data_folder("tiny-model"), model);
  std::string bytes = read_file(model / "model.safetensors");
  for (size_t i = bytes.size() - 64; i < bytes.size(); ++i) bytes[i] = '\x7f';  // NaN in float16
  write_file_atomic(model / "model.safetensors", bytes);
  EXPECT_THAT(failure({tasks(), "model.path=" + model.string()}),
              AllOf(HasSubstr("expected finite numbers"), HasSubstr("model.norm.weight")));
}

TEST_F(BadInput, Bf16WhereTheCpuHasNone) {
  const std::string error =
      failure({tasks(), "engine.mode=bf16"}, 1, {.environment = {{"ILORA_TARGET", "AVX2"}}});
  if (error.find("this build has no code for AVX2") != std::string::npos)
    GTEST_SKIP() << "built for one CPU";
  EXPECT_THAT(error, AllOf(HasSubstr("bf16"), HasSubstr("f32")));
}

TEST_F(BadInput, AdapterOfAnotherModel) {
  const fs::path other = fs::path(ILORA_SOURCE_DIR) / "tests/golden/tiny-llama/adapter-all";
  const fs::path wider = folder_ / "wider";
  // tests/golden/tiny-llama has the same shapes; an adapter with one tensor of another width has
  // not.
  fs::copy(other, wider);
  std::string bytes = read_file(wider / "adapter_model.safetensors");
  const size_t at = bytes.find("[4,32]");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 6, "[8,16]");
  write_file_atomic(wider / "adapter_model.safetensors", bytes);
  EXPECT_THAT(failure({tasks(), "lora.start=" + wider.string()}),
              AllOf(HasSubstr("adapter_model.safetensors"), HasSubstr("another base model")));
  EXPECT_THAT(failure({tasks(), "lora.start=/no/such/adapter"}), HasSubstr("/no/such/adapter"));
}

TEST_F(BadInput, OutputThatHoldsARun) {
  const Settings settings = tiny_settings(folder_ / "run", "seq", {tasks(), "train.epochs=1"});
  ASSERT_EQ(run_ilora(folder_, train_arguments(settings)).code, 0);
  const auto before = adapter_bytes(folder_ / "run");
  const Outcome again = run_ilora(folder_, train_arguments(settings));
  EXPECT_EQ(again.code, 2) << again.all();
  EXPECT_THAT(again.err, AllOf(HasSubstr((folder_ / "run").string()), HasSubstr("--resume")));
  EXPECT_EQ(adapter_bytes(folder_ / "run"), before);
}

TEST_F(BadInput, FolderThatIsNoRun) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"train", "--resume", "/no/such/run"},
           {"train", "--continue", "/no/such/run", "--task", "x"},
           {"eval", "/no/such/run", "--data", data_folder("tiny-tasks").string()},
           {"report", "/no/such/run"},
           {"generate", "hello", "--run", "/no/such/run"}}) {
    const Outcome outcome = run_ilora(folder_, words);
    EXPECT_EQ(outcome.code, 1) << words[0] << ": " << outcome.all();
    EXPECT_THAT(outcome.err, HasSubstr("/no/such/run"));
  }
}

TEST_F(BadInput, ResumeThatWouldChangeTheResult) {
  const Settings settings = tiny_settings(folder_ / "run", "seq", {tasks(), "train.epochs=1"});
  ASSERT_EQ(run_ilora(folder_, train_arguments(settings)).code, 0);
  const Outcome outcome = run_ilora(
      folder_, {"train", "--resume", (folder_ / "run").string(), "--set", "train.learning_rate=1"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("train.learning_rate"));
}

TEST_F(BadInput, DamagedCheckpoint) {
  const Settings settings = tiny_settings(folder_ / "run", "seq", {tasks(), "train.epochs=1"});
  ASSERT_EQ(run_ilora(folder_, train_arguments(settings)).code, 0);
  const fs::path state = RunFolder(folder_ / "run").state();
  fs::resize_file(state, fs::file_size(state) - 100);
  const Outcome outcome = run_ilora(folder_, {"train", "--resume", (folder_ / "run").string()});
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("state.safetensors"),
                                 HasSubstr("going on from the checkpoint before it")));
}

TEST_F(BadInput, CommandLine) {
  EXPECT_EQ(run_ilora(folder_, {}).code, 2);
  EXPECT_EQ(run_ilora(folder_, {"trian"}).code, 2);
  EXPECT_EQ(run_ilora(folder_, {"train"}).code, 2);
  const std::string yaml = folder_ / "some.yaml";
  write_file_atomic(yaml, "method: seq\n");
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"train", yaml, "--resume", "a"},
           {"train", yaml, "--task", "a"},
           {"train", "--resume", "a", "--continue", "b", "--task", "c"},
           {"train", "--resume", "a", "--memory", "1GiB"}})
    EXPECT_EQ(run_ilora(folder_, words).code, 2) << words.back() << " would have been ignored";
  EXPECT_EQ(run_ilora(folder_, {"train", "--help"}).code, 0);
  const auto told = [&](const std::vector<std::string>& words) {
    const Outcome outcome = run_ilora(folder_, words);
    EXPECT_EQ(outcome.code, 2);
    return outcome.err;
  };
  EXPECT_THAT(told({"trian"}), AllOf(HasSubstr("no command 'trian'"), HasSubstr("train, eval")));
  EXPECT_THAT(told({"analyze", "paht"}), AllOf(HasSubstr("'paht'"), HasSubstr("path")));
  EXPECT_THAT(told({"eval", "x"}), AllOf(HasSubstr("--data"), HasSubstr("ilora eval --help")));
  EXPECT_THAT(told({"generate", "x", "--max-new-tokens", "0"}),
              HasSubstr("--max-new-tokens: expected a number above 0, got '0'"));
  EXPECT_THAT(told({"compare", yaml, "--out", "o", "--seeds", "a"}),
              AllOf(HasSubstr("--seeds"), HasSubstr("got 'a'")));
  EXPECT_THAT(told({"generate", "--model", "m"}), HasSubstr("no prompt is given"));
  EXPECT_THAT(told({"generate", "x"}), AllOf(HasSubstr("--run"), HasSubstr("--model")));
  EXPECT_THAT(told({"bench", "gemm", "--dtype", "f32"}), HasSubstr("--mode"));
  EXPECT_THAT(told({"data", "import"}), HasSubstr("ilora data import --help"));
  EXPECT_THAT(told({"data", "check", "x", "--max-length", "9"}), HasSubstr("--model"));
  EXPECT_THAT(told({"eval", "x", "--data", "y", "--after", "0"}), HasSubstr("above 0"));
  // An option takes one value: what follows is the configuration or the run.
  EXPECT_THAT(told({"train", "--set", "method=sek", yaml}), HasSubstr("seq"));
  EXPECT_THAT(told({"compare", "--methods", "seq", "--seeds", "1", "--set", "method=sek", yaml,
                    "--out", (folder_ / "grid").string()}),
              Not(HasSubstr("no configuration")));
  write_file_atomic(yaml, "method: seq\n---\nmethod: er\n");
  EXPECT_THAT(told({"train", yaml}),
              AllOf(HasSubstr("one document, got 2"), HasSubstr("some.yaml")));
}

}  // namespace
}  // namespace ilora::testing
