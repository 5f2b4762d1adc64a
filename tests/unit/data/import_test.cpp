// Importing: every format from a small self-written file, splits, and what is said of bad ones.
#include "data/import/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/file.h"
#include "data/text_file.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Import : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) {
    const auto file = folder_ / name;
    make_folder(file.parent_path());
    write_file_atomic(file, text);
    return file;
  }
  // All rows of one file in the order they have there, as the format converts them.
  std::vector<ImportedRow> rows(const std::string& format, const std::filesystem::path& file,
                                const ImportTemplates& templates = {}) {
    return find_import_format(format).rows(read_records(file, {}), templates);
  }
  // The one row of a file.
  Example row(const std::string& format, const std::string& name, const std::string& text,
              const ImportTemplates& templates = {}) {
    const auto all = rows(format, write(name, text), templates);
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? Example{} : all.front().example;
  }
  Imported import(const std::string& format, ImportOptions options) {
    return import_task(find_import_format(format), options);
  }

  TemporaryFolder folder_;
};

TEST_F(Import, ATestSetIsNeverTrainedOn) {
  write("sets/trainset.csv", "prompt,answer\na,b\nc,d\n");
  write("sets/testSet.csv", "prompt,answer\ne,f\n");
  const Imported both = import("json", {.source = folder_ / "sets"});
  EXPECT_EQ(both.task.train.size(), 2u);
  EXPECT_EQ(both.task.test.size(), 1u);
  for (const char* name : {"mytests", "contest", "validated", "evaluations-2024"}) {
    const std::string folder = fmt::format("odd-{}", name);
    write(folder + "/a.csv", "prompt,answer\na,b\n");
    write(fmt::format("{}/{}.csv", folder, name), "prompt,answer\ne,f\n");
    EXPECT_THAT(message_of([&] { import("json", {.source = folder_ / folder}); }),
                AllOf(HasSubstr(name), HasSubstr("may not be training rows")));
  }
  std::string table = "prompt,answer\n";
  for (int i = 0; i < 20; ++i) table += fmt::format("p{},a\n", i);
  write("articles/latest.csv", table);
  EXPECT_NO_THROW(import("json", {.source = folder_ / "articles"}));
}

TEST_F(Import, WhatIsNoTextIsNamedForWhatItIs) {
  struct Case {
    std::string bytes, name;
  };
  for (const Case& c : {Case{std::string("\xff\xfe{\0", 4), "UTF-16"},
                        {std::string("\xfe\xff\0{", 4), "UTF-16"},
                        {"\x1f\x8b\x08", "gzip"},
                        {"PK\x03\x04", "Excel"},
                        {"PAR1", "Parquet"}})
    EXPECT_THAT(message_of([&] { read_records(write("a.json", c.bytes), {}); }),
                AllOf(HasSubstr("expected a text, got"), HasSubstr(c.name), HasSubstr("a.json")));
}

TEST_F(Import, TablesOfOtherHabits) {
  const Example read = row("json", "old.csv", "prompt,answer\ra b,c\r");
  EXPECT_EQ(read.prompt, "a b") << "lines end with carriage returns";
  EXPECT_EQ(read.answer, "c");
  EXPECT_THAT(message_of([&] { read_records(write("a.csv", "prompt;answer\na;b\n"), {}); }),
              AllOf(HasSubstr("'prompt;answer' ("), HasSubstr("--separator ';'")));
  EXPECT_THAT(message_of([&] { read_records(write("b.csv", "prompt\tanswer\na\tb\n"), {}); }),
              HasSubstr("--separator '\\t'"));
}

TEST_F(Import, JsonListsLinesAndTables) {
  const ImportTemplates templates = {"Q: {question}\\nA:", " {n}"};
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
           {"a.json", R"([{"question":"wie \"viel\"?","n":3}])"},
           {"b.json", "{\"question\":\"wie \\\"viel\\\"?\",\"n\":3}\n"},
           {"c.jsonl", "\n{\"question\":\"wie \\\"viel\\\"?\",\"n\":3}\n"},
           {"d.csv", "n,question\n3,\"wie \"\"viel\"\"?\"\n"},
           {"e.tsv", "n\tquestion\n3\twie \"viel\"?\n"}}) {
    const Example read = row("json", name, text, templates);
    EXPECT_EQ(read.prompt, "Q: wie \"viel\"?\nA:") << name;
    EXPECT_EQ(read.answer, " 3") << name;
  }
  // Two lines, whatever the file's ending.
  EXPECT_EQ(rows("trace", write("f.json",
                                "{\"prompt\":\"a\",\"answer\":\"b\"}\n"
                                "{\"prompt\":\"c\",\"answer\":\"d\"}\n"))
                .size(),
            2U);
  EXPECT_EQ(row("json", "g.json", R"([{"prompt":"{x}","answer":"y"}])", {"{{{prompt}", "{answer}"})
                .prompt,
            "{{x}")
      << "what a field holds is not filled in again";
}

TEST_F(Import, AlpacaAndShareGpt) {
  const Example asked =
      row("alpaca", "a.json", R"([{"instruction":"Translate.","input":"Haus","output":"house"}])");
  EXPECT_EQ(asked.prompt, "Translate.\nHaus\n");
  EXPECT_EQ(asked.answer, "house");
  EXPECT_EQ(row("alpaca", "b.json", R"([{"instruction":"Sing.","input":"","output":"la"}])").prompt,
            "Sing.\n");
  const auto talk = write("c.json", R"([{"conversations":[{"from":"gpt","value":"Hi!"},
        {"from":"human","value":"2+2?"},{"from":"gpt","value":"4"},
        {"from":"human","value":"sure?"},{"from":"gpt","value":"yes"}]}])");
  const auto one = rows("sharegpt", talk);
  ASSERT_EQ(one.size(), 1U) << "a conversation is a row";
  EXPECT_EQ(one[0].example.turns, (Turns{{"assistant", "Hi!"},
                                         {"user", "2+2?"},
                                         {"assistant", "4"},
                                         {"user", "sure?"},
                                         {"assistant", "yes"}}));
  EXPECT_EQ(one[0].example.answer, "yes");
  const auto turns = rows("sharegpt", talk, {.pairs = true});
  ASSERT_EQ(turns.size(), 2U) << "a greeting answers nothing";
  EXPECT_EQ(turns[0].example.prompt, "Hi!\n\n2+2?\n\n");
  EXPECT_EQ(turns[1].example.prompt, "Hi!\n\n2+2?\n\n4\n\nsure?\n\n");
  EXPECT_EQ(turns[1].example.answer, "yes");
  EXPECT_TRUE(turns[1].example.turns.empty());
  EXPECT_EQ(row("sharegpt", "d.json",
                R"([{"messages":[{"role":"developer","content":"Be short."},
                {"role":"user","content":"Hi","name":"Ada"},{"role":"model","content":"Hello"}]}])")
                .turns,
            (Turns{{"system", "Be short."}, {"user", "Hi", {}, "Ada"}, {"assistant", "Hello"}}));
}

TEST_F(Import, WhatARecordSaysOfItsRowsIsKept) {
  const std::string alpaca = R"([{"system":"Be brief.","history":[["I am Ada.","Noted."]],
                "instruction":"Who am I?","input":"","output":"Ada"}])";
  EXPECT_EQ(row("alpaca", "a.json", alpaca).turns, (Turns{{"system", "Be brief."},
                                                          {"user", "I am Ada."},
                                                          {"assistant", "Noted."},
                                                          {"user", "Who am I?"},
                                                          {"assistant", "Ada"}}));
  EXPECT_EQ(row("alpaca", "a.json", alpaca, {.pairs = true}).prompt,
            "Be brief.\n\nI am Ada.\n\nNoted.\n\nWho am I?\n");
  EXPECT_EQ(row("sharegpt", "b.json", R"([{"system":"Be brief.","conversations":[
                {"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]}])")
                .turns,
            (Turns{{"system", "Be brief."}, {"user", "Hi"}, {"assistant", "Hello"}}));
  // Answers that are not to be learned.
  for (const char* mark : {R"("weight":0)", R"("train":false)", R"("loss":false)"}) {
    const auto talk =
        write("c.json", fmt::format(R"([{{"messages":[{{"role":"user","content":"1+1?"}},
        {{"role":"assistant","content":"3",{}}},{{"role":"user","content":"No.","weight":0}},
        {{"role":"assistant","content":[{{"type":"text","text":"2"}}],"weight":1}}]}}])",
                                    mark));
    EXPECT_EQ(rows("sharegpt", talk)[0].example.turns, (Turns{{"user", "1+1?"},
                                                              {"assistant", "3", false},
                                                              {"user", "No."},
                                                              {"assistant", "2", true}}))
        << mark;
    const auto turns = rows("sharegpt", talk, {.pairs = true});
    ASSERT_EQ(turns.size(), 1U) << mark;
    EXPECT_EQ(turns[0].example.prompt, "1+1?\n\n3\n\nNo.\n\n");
    EXPECT_EQ(turns[0].example.answer, "2");
  }
  EXPECT_TRUE(rows("sharegpt", write("d.json", R"([{"messages":[{"role":"user","content":"x"},
      {"role":"assistant","content":"y","train":false}]}])"))
                  .empty())
      << "nothing is learned of it";
}

TEST_F(Import, WhatRowsCannotHoldIsRefusedByNameUnlessItIsIgnored) {
  const std::string tools = R"([{"images":"[{}]","id":7,"conversations":[
      {"from":"human","value":"Hi","mood":"glad"},{"from":"gpt","value":"Hello"}]},{"conversations":[
      {"from":"human","value":"Ho"},{"from":"gpt","value":"Hum"}]},{"conversations":[
      {"from":"human","value":"Hey"},{"from":"gpt","value":"Hoy"}]}])";
  ImportOptions options{.source = write("a.json", tools), .eval_share = 0, .test_share = 0.34};
  EXPECT_THAT(message_of([&] { import("sharegpt", options); }),
              AllOf(HasSubstr("no \"images\""), HasSubstr("row 0 of")));
  options.ignore = {"images"};
  const Imported imported = import("sharegpt", options);
  EXPECT_EQ(imported.records, 3);
  EXPECT_THAT(imported.unread, ::testing::ElementsAre("id", "mood"));
  const auto refused = [&](const char* turn) {
    return message_of([&] {
      rows("sharegpt",
           write("b.json", fmt::format(R"([{{"messages":[{{"role":"user","content":"x"}},
           {{"role":"assistant",{}}}]}}])",
                                       turn)));
    });
  };
  EXPECT_THAT(refused(R"("content":"y","weight":0.5)"),
              HasSubstr("0 or 1 for \"weight\", got 0.5"));
  EXPECT_THAT(refused(R"("content":null,"tool_calls":[{"id":1}])"),
              HasSubstr("a function with a \"name\""));
  EXPECT_THAT(refused(R"("content":"y","function_call":{"name":"f"})"),
              HasSubstr("no \"function_call\""));
  EXPECT_THAT(refused(R"("content":[{"type":"image_url"}])"), HasSubstr("parts of type text"));
  const auto tool = write("t.json", R"([{"messages":[{"role":"user","content":"x"},
      {"role":"tool","content":"3"},{"role":"assistant","content":"y"}]}])");
  EXPECT_EQ(rows("sharegpt", tool)[0].example.turns[1].role, "tool");
  EXPECT_EQ(rows("sharegpt", tool, {.pairs = true})[0].example.prompt, "x\n\n3\n\n");
  const auto calls = write("v.json", R"([{"tools":"[{\"name\":\"f\"}]","messages":[
      {"role":"user","content":"x"},{"role":"assistant","reasoning_content":"r","tool_calls":[
      {"function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","content":"3"},
      {"role":"assistant","content":"y"}]}])");
  const Turns turns = rows("sharegpt", calls)[0].example.turns;
  EXPECT_EQ(turns[0].tools, R"([{"name":"f"}])");
  EXPECT_THAT(turns[1].more,
              AllOf(HasSubstr("\"tool_calls\""), HasSubstr("\"reasoning_content\"")));
  EXPECT_THAT(message_of([&] { rows("sharegpt", calls, {.pairs = true}); }),
              HasSubstr("no \"tools\""))
      << "a prompt and an answer have no tools";
  EXPECT_THAT(message_of([&] {
                rows("sharegpt", write("u.json", R"([{"messages":[{"role":"user","content":"x",
                    "train":true},{"role":"assistant","content":"y"}]}])"));
              }),
              HasSubstr("no turn of user that is to be learned"));
  EXPECT_THAT(message_of([&] {
                rows("alpaca",
                     write("c.json", R"([{"history":[["a"]],"instruction":"x","output":"y"}])"));
              }),
              HasSubstr("pairs of texts in \"history\""));
}

TEST_F(Import, TheFormatIsGuessedFromTheFirstRecord) {
  const auto guessed = [&](const std::string& name, const std::string& text) {
    return std::string(guess_import_format({.source = write(name, text)}).name);
  };
  EXPECT_EQ(guessed("a.jsonl", R"({"messages":[]})"), "sharegpt");
  EXPECT_EQ(guessed("b.json", R"([{"instruction":"x","output":"y"}])"), "alpaca");
  EXPECT_EQ(guessed("c.csv", "prompt,answer\na,b\n"), "json");
  EXPECT_THAT(message_of([&] { guessed("d.csv", "question,reply\na,b\n"); }),
              HasSubstr("which fields of"));
  EXPECT_STREQ(find_import_format("messages").name, "sharegpt");
  EXPECT_STREQ(find_import_format("jsonl").name, "json");
}

TEST_F(Import, CStance) {
  const auto all =
      rows("c-stance",
           write("val.csv",
                 "\xef\xbb\xbfText,Target 1,Stance 1,In Use\n"
                 "\"雨天,很好\",雨天,支持,1\n晴天,雨天,反对,1\n云,雨天,中立,1\n风,雨天,支持,0\n"));
  ASSERT_EQ(all.size(), 3U) << "rows that are not in use are left out";
  EXPECT_EQ(
      all[0].example.prompt,
      "判断以下文本对指定对象的态度，选择一项：A.支持，B.反对，C.中立。输出A，B或者C。\n文本：\n"
      "雨天,很好\n对象：\n雨天\n态度：");
  EXPECT_EQ(all[0].example.answer + all[1].example.answer + all[2].example.answer, "ABC");
  EXPECT_THAT(message_of([&] {
                rows("c-stance", write("bad.csv", "Text,Target 1,Stance 1\na,b,支持\nc,d,赞成\n"));
              }),
              AllOf(HasSubstr("bad.csv:3"), HasSubstr("赞成"), HasSubstr("反对")));
}

TEST_F(Import, Fomc) {
  const auto all = rows("fomc", write("fomc.csv",
                                      ",sentence,year,label\n0,\"Rates, too.\",1999,0\n"
                                      "1,b,2000,1\n2,c,2001,2\n"));
  EXPECT_EQ(all[0].example.prompt,
            "What is the monetary policy stance for the following text? A. dovish, B. hawkish, C. "
            "neutral. Choose one from A, B and C.\nText:\nRates, too.\nStance:");
  EXPECT_EQ(all[0].example.answer + all[1].example.answer + all[2].example.answer, "ABC");
  EXPECT_THAT(message_of([&] { rows("fomc", write("bad.csv", "sentence,label\na,3\n")); }),
              AllOf(HasSubstr("bad.csv:2"), HasSubstr("0 to 2"), HasSubstr("'3'")));
  EXPECT_THAT(message_of([&] { rows("fomc", write("bad.csv", "text,label\na,1\n")); }),
              AllOf(HasSubstr("\"sentence\""), HasSubstr("text, label")));
}

TEST_F(Import, MeetingBank) {
  const Example read = row(
      "meetingbank", "train.json",
      "{\"id\":\"x\",\"uid\":\"y\",\"summary\":\"Approved.\",\"transcript\":\"All in favour?\"}\n");
  EXPECT_EQ(read.prompt,
            "Write a summary of the following meeting transcripts.\nMeeting transcripts:\nAll in "
            "favour?\nSummary:");
  EXPECT_EQ(read.answer, "Approved.");
}

TEST_F(Import, ScienceQa) {
  const auto all = rows("scienceqa", write("problems.json", R"({
    "1": {"question":"What floats?","choices":["a stone","a cork"],"answer":1,"hint":"Think of water.",
          "image":null,"lecture":"Light things float.","solution":"Cork is light.","split":"train"},
    "2": {"question":"Which?","choices":["x","y","z"],"answer":2,"hint":"","image":null,
          "lecture":"","solution":"Because.","split":"val"},
    "3": {"question":"Seen?","choices":["x","y"],"answer":0,"hint":"","image":"image.png",
          "lecture":"","solution":"","split":"test"}})"));
  ASSERT_EQ(all.size(), 2U) << "without the question that has a picture";
  EXPECT_EQ(all[0].example.prompt,
            "Choose an answer for the following question and give your reasons.\n\nQuestion:\nWhat "
            "floats?\n\nHint:\nThink of water.\n\nChoices:\nA. a stone\nB. a cork\n\nAnswer:");
  EXPECT_EQ(all[0].example.answer, "B\nLight things float.Cork is light.") << "as TRACE joins them";
  EXPECT_EQ(
      all[1].example.prompt,
      "Choose an answer for the following question and give your reasons.\n\nQuestion:\nWhich?"
      "\n\nChoices:\nA. x\nB. y\nC. z\n\nAnswer:");
  EXPECT_EQ(all[1].split, "eval");
  EXPECT_THAT(message_of([&] {
                rows("scienceqa",
                     write("bad.json", R"({"7":{"question":"q","choices":["x"],"answer":1}})"));
              }),
              AllOf(HasSubstr("\"7\" of"), HasSubstr("\"answer\"")));
}

TEST_F(Import, NumGlue) {
  const auto file =
      write("NumGLUE_train.json",
            "{\"question\":\"2 + 3?\",\"answer\":5,\"type\":\"Type_1\"}\n"
            "{\"question\":\"mass?\",\"answer\":\"9.09\",\"type\":\"Type_2\"}\n"
            "{\"question\":\"more?\",\"answer\":{\"number\":\"\"},\"type\":\"Type_5\"}\n"
            "{\"question\":\"share?\",\"answer\":0.5,\"type\":\"Type_1\"}\n");
  const auto cm = rows("numglue-cm", file), ds = rows("numglue-ds", file);
  ASSERT_EQ(cm.size(), 2U);
  EXPECT_EQ(cm[0].example.prompt, "Solve the following math problem.\nQuestion:\n2 + 3?\nAnswer:");
  EXPECT_EQ(cm[0].example.answer, "5");
  EXPECT_EQ(cm[1].example.answer, "0.5");
  ASSERT_EQ(ds.size(), 1U);
  EXPECT_EQ(ds[0].example.answer, "9.09");
}

// One file per article, whose parts are numbered.
TEST_F(Import, TwentyMinuten) {
  write(
      "articles/a.json",
      R"({"id":"1","content":{"0":"Erster Satz.","1":"Zweiter."},"summary":{"0":"Kurz.","1":"Gut."}})");
  write("articles/b.json", R"({"id":"2","content":{"0":"Nur Text."},"summary":[]})");
  const auto all = rows("20minuten", folder_ / "articles");
  ASSERT_EQ(all.size(), 1U) << "an article without summary is left out";
  EXPECT_EQ(
      all[0].example.prompt,
      "Provide a simplified version of the following paragraph in German.\n\nParagraph:\nErster "
      "Satz. Zweiter.\n\nSimplification:");
  EXPECT_EQ(all[0].example.answer, "Kurz. Gut.\n");
  EXPECT_EQ(row("20minuten", "c.json", R"([{"article":"Lang.","simplification":"Kurz."}])").answer,
            "Kurz.\n");
}

std::string medmcqa_line(const std::string& question, int right,
                         const std::string& type = "single") {
  return fmt::format(
      "{{\"question\":\"{}\",\"opa\":\"w\",\"opb\":\"x\",\"opc\":\"y\",\"opd\":\"z\",\"cop\":{},"
      "\"choice_type\":\"{}\"}}\n",
      question, right, type);
}

TEST_F(Import, MedMcqaCountsOptionsFromOneOrZero) {
  const auto from_one =
      rows("medmcqa", write("dev.json", medmcqa_line("a?", 1) + medmcqa_line("b?", 4) +
                                            medmcqa_line("c?", 2, "multi")));
  ASSERT_EQ(from_one.size(), 2U) << "questions with several right options are left out";
  EXPECT_EQ(
      from_one[0].example.prompt,
      "Solve the following medical problem by choosing the correct answer from following four "
      "choices.\nQuestion:\na?\nChoices: \nA.w, B.x, C.y, D.z\n Answer:");
  EXPECT_EQ(from_one[0].example.answer + from_one[1].example.answer, "AD");
  const auto from_zero =
      rows("medmcqa", write("train.json", medmcqa_line("a?", 0) + medmcqa_line("b?", 3)));
  EXPECT_EQ(from_zero[0].example.answer + from_zero[1].example.answer, "AD");
  EXPECT_THAT(message_of([&] { rows("medmcqa", write("u.json", medmcqa_line("a?", 2) + "\n")); }),
              AllOf(HasSubstr("cop"), HasSubstr("0 or 1")));
  // The test split as it is released.
  EXPECT_THAT(message_of([&] { rows("medmcqa", write("v.json", medmcqa_line("a?", -1))); }),
              HasSubstr("-1 in all"));
}

TEST_F(Import, JecQa) {
  const auto all = rows(
      "jec-qa",
      write(
          "0_train.json",
          R"({"answer":["B"],"id":"1","option_list":{"A":"甲","B":"乙","C":"丙","D":"丁"},"statement":"问?"})"
          "\n"
          R"({"answer":["A","C"],"id":"2","option_list":{"A":"甲","B":"乙","C":"丙","D":"丁"},"statement":"多?"})"
          "\n"));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(
      all[0].example.prompt,
      "根据以下法律问题，从选项A，B，C，D中选择一项正确的答案\n问题：问?\n选项: \nA. 甲，B. 乙，C. "
      "丙，D. 丁\n 答案:");
  EXPECT_EQ(all[0].example.answer, "B");
}

// ---- splits ----------------------------------------------------------------------------------

std::string numbered(int from, int to) {
  std::string lines;
  for (int i = from; i < to; ++i)
    lines += fmt::format("{{\"prompt\":\"q{}\",\"answer\":\"a{}\"}}\n", i, i % 3);
  return lines;
}

TEST_F(Import, FileNamesSayTheirSplit) {
  write("set/my_train_v2.jsonl", numbered(0, 20));
  write("set/my_dev.jsonl", numbered(20, 25));
  write("set/my_test.jsonl", numbered(30, 33));
  write("set/readme.md", "contest, training, devious");
  const TaskText task = import("json", {.source = folder_ / "set"}).task;
  EXPECT_EQ(task.train.size(), 20U);
  EXPECT_EQ(task.eval.size(), 5U);
  EXPECT_EQ(task.test.size(), 3U);
  EXPECT_EQ(task.answers.size(), 3U);
  write("set/validation.jsonl", numbered(20, 25));
  EXPECT_THAT(message_of([&] { import("json", {.source = folder_ / "set"}); }),
              AllOf(HasSubstr("eval split"), HasSubstr("--eval")));
}

TEST_F(Import, SplitsThatAreNotGivenAreCutByTheSeed) {
  const auto file = write("all.jsonl", numbered(0, 100) + numbered(0, 20));
  const auto prompts = [&](const std::vector<Example>& rows) {
    std::multiset<std::string> all;
    for (const Example& row : rows) all.insert(row.prompt);
    return all;
  };
  const TaskText a = import("json", {.source = file, .seed = 1}).task;
  const TaskText b = import("json", {.source = file, .seed = 1}).task;
  const TaskText c = import("json", {.source = file, .seed = 2}).task;
  EXPECT_EQ(prompts(a.test), prompts(b.test));
  EXPECT_NE(prompts(a.test), prompts(c.test));
  EXPECT_EQ(a.train.size() + a.eval.size() + a.test.size(), 120U);
  EXPECT_GE(a.test.size(), 12U);  // a tenth, and the second row of a prompt at most
  EXPECT_LE(a.test.size(), 13U);
  for (const auto* rows : {&a.eval, &a.test}) {
    for (const Example& row : *rows)
      EXPECT_EQ(prompts(a.train).count(row.prompt), 0U) << "a prompt stays in one split";
  }
  EXPECT_TRUE(import("json", {.source = file, .eval_share = 0}).task.eval.empty());
}

TEST_F(Import, DropLeaksKeepsTheLaterSplit) {
  const auto train = write("train.jsonl", numbered(0, 10));
  const auto test = write("test.jsonl", numbered(8, 12));
  const Imported imported =
      import("json", {.source = train, .test = test, .eval_share = 0, .drop_leaks = true});
  EXPECT_EQ(imported.dropped, 2);
  EXPECT_EQ(imported.task.train.size(), 8U);
  EXPECT_EQ(imported.task.test.size(), 4U);
}

// All turns of a conversation stand in the prompts of its later answers.
TEST_F(Import, RowsOfARecordStayInOneSplit) {
  std::string lines;
  for (int i = 0; i < 30; ++i)
    lines += fmt::format(
        R"({{"messages":[{{"role":"user","content":"h{0}"}},{{"role":"model","content":"g{0}"}},)"
        R"({{"role":"user","content":"more"}},{{"role":"assistant","content":"ok{0}"}}]}})"
        "\n",
        i);
  const Imported imported = import(
      "sharegpt",
      {.source = write("talk.jsonl", lines), .templates = {.pairs = true}, .test_share = 0.3});
  EXPECT_EQ(imported.left_out, 0);
  const TaskText& task = imported.task;
  EXPECT_EQ(task.train.size() + task.eval.size() + task.test.size(), 60U);
  const auto first_turns = [](const std::vector<Example>& rows) {
    std::set<std::string> turns;
    for (const Example& row : rows) turns.insert(row.prompt.substr(0, row.prompt.find('\n')));
    return turns;
  };
  for (const auto* rows : {&task.train, &task.eval, &task.test})
    EXPECT_EQ(2 * first_turns(*rows).size(), rows->size());
  EXPECT_EQ(imported.places.at(Split::kTest).size(), task.test.size());
  EXPECT_THAT(imported.places.at(Split::kTest).front(), HasSubstr("talk.jsonl:"));
}

TEST_F(Import, RecordsSayTheirSplitOnlyInTheTrainingFile) {
  const auto record = [](int number, const char* split) {
    return fmt::format(
        R"("{0}": {{"question":"q{0}","choices":["a",2.5],"answer":0,"split":"{1}"}})", number,
        split);
  };
  const auto all = write("problems.json", fmt::format("{{{},{},{}}}", record(1, "train"),
                                                      record(2, "val"), record(3, "test")));
  const TaskText task = import("scienceqa", {.source = all}).task;
  EXPECT_EQ(task.train.size() * 100 + task.eval.size() * 10 + task.test.size(), 111U);
  EXPECT_THAT(task.train.front().prompt, HasSubstr("A. a\nB. 2.5\n"));
  const auto more =
      write("more.json", fmt::format("{{{},{}}}", record(4, "train"), record(5, "val")));
  const TaskText given = import("scienceqa", {.source = all, .test = more}).task;
  EXPECT_EQ(given.test.size(), 3U) << "what --test names is test";
}

TEST_F(Import, FoldersOfFilesInSeveralForms) {
  write("mixed/train/a.jsonl", numbered(0, 20));
  write("mixed/train/b.CSV", "prompt,answer\nq50,a1\n");
  write("mixed/train/notes.txt", "x");
  write("mixed/testing/c.json", R"([{"prompt":"q60","answer":"a2"}])");
  const Imported imported = import("json", {.source = folder_ / "mixed", .eval_share = 0});
  EXPECT_EQ(imported.task.train.size(), 21U);
  EXPECT_EQ(imported.task.test.size(), 1U);
  EXPECT_EQ(imported.files.at(Split::kTest), folder_ / "mixed/testing");
  const auto table = write("table.txt", "prompt,answer\na,b\nc,d\n");
  const Imported asked = import("csv", {.source = table, .eval_share = 0, .test_share = 0.5});
  EXPECT_EQ(asked.task.train.size() + asked.task.test.size(), 2U) << "whatever the ending";
}

// ---- bad input -------------------------------------------------------------------------------

TEST_F(Import, WhatIsNoTextIsNoRow) {
  EXPECT_THAT(message_of([&] {
                rows("sharegpt", write("a.json", R"([{"conversations":[{"from":"human","value":"x"},
                     {"from":"narrator","value":"y"}]}])"));
              }),
              AllOf(HasSubstr("row 0 of"), HasSubstr("'narrator'"), HasSubstr("assistant")));
  for (const char* choices : {"[]", "\"x\"", "[\"x\",null]", "[[\"x\"]]"})
    EXPECT_THAT(
        message_of([&] {
          rows("scienceqa",
               write("b.json",
                     fmt::format(R"([{{"question":"q","choices":{},"answer":0}}])", choices)));
        }),
        HasSubstr("\"choices\""))
        << choices;
  EXPECT_THAT(message_of([&] {
                rows("scienceqa",
                     write("c.json",
                           R"([{"question":"q","choices":["x"],"answer":0,"split":"minitrain"}])"));
              }),
              HasSubstr("'minitrain'"));
  EXPECT_THAT(message_of([&] {
                rows("meetingbank", write("d.json", R"([{"transcript":null,"summary":"s"}])"));
              }),
              AllOf(HasSubstr("row 0 of"), HasSubstr("\"transcript\"")));
  EXPECT_THAT(
      message_of([&] {
        rows(
            "jec-qa",
            write(
                "e.json",
                R"([{"answer":"AB","option_list":{"A":"1","B":"2","C":"3","D":"4"},"statement":"?"}])"));
      }),
      HasSubstr("'AB'"));
}

TEST_F(Import, ASplitWithoutRowsSaysWhy) {
  const auto train = write("train.jsonl", numbered(0, 10));
  EXPECT_THAT(
      message_of([&] { import("json", {.source = train, .test = train, .drop_leaks = true}); }),
      AllOf(HasSubstr("10 dropped"), HasSubstr("--drop-leaks left no row")));
  EXPECT_THAT(message_of([&] {
                import("json", {.source = train, .templates = { "the same", "{answer}" }});
              }),
              HasSubstr("All 10 training rows went to eval and test"));
  EXPECT_THAT(
      message_of([&] { import("json", {.source = train, .test = write("test.json", "[]")}); }),
      AllOf(HasSubstr("test split"), HasSubstr("test.json")));
  make_folder(folder_ / "empty");
  EXPECT_THAT(message_of([&] { import("json", {.source = folder_ / "empty"}); }),
              AllOf(HasSubstr(".jsonl"), HasSubstr("empty")));
}

TEST_F(Import, BadFilesAreNamedWithTheirLine) {
  EXPECT_THAT(message_of([&] { import("json", {.source = folder_ / "absent"}); }),
              HasSubstr("absent"));
  EXPECT_THAT(message_of([&] { find_import_format("jsno"); }),
              AllOf(HasSubstr("jsno"), HasSubstr("scienceqa")));
  EXPECT_THAT(
      message_of([&] { rows("json", write("a.jsonl", "{\"prompt\":\"a\"}\n\n{\"prompt\":\n")); }),
      HasSubstr("a.jsonl:3"));
  EXPECT_THAT(
      message_of([&] { rows("json", write("b.json", R"([{"prompt":"a","answer":"b"}, 3])")); }),
      AllOf(HasSubstr("row 1 of"), HasSubstr("b.json")));
  EXPECT_THAT(
      message_of([&] { rows("json", write("c.json", R"([{"prompt":"a","answer":null}])")); }),
      AllOf(HasSubstr("row 0 of"), HasSubstr("null")));
  EXPECT_THAT(
      message_of([&] {
        rows("json", write("d.json", R"([{"prompt":"a","answer":"b"}])"), {"{promt}", "{answer}"});
      }),
      AllOf(HasSubstr("\"promt\""), HasSubstr("prompt, answer")));
  EXPECT_THAT(
      message_of([&] {
        rows("json", write("d.json", R"([{"prompt":"a","answer":"b"}])"), {"{prompt", "{answer}"});
      }),
      HasSubstr("does not close"));
  EXPECT_THAT(message_of([&] {
                import("numglue-cm", {.source = write("e.jsonl", "{\"type\":\"Type_3\"}\n")});
              }),
              AllOf(HasSubstr("1 left out"), HasSubstr("Type_1")));
}

TEST_F(Import, MixedEncodingsAreNamedWithTheirLine) {
  const auto file = write("mixed.csv", "prompt,answer\ngr\xc3\xbcn,ja\ngr\xfcn,nein\n");
  EXPECT_THAT(
      message_of([&] { rows("csv", file); }),
      AllOf(HasSubstr("mixed.csv:3"), HasSubstr("0xFC"), HasSubstr("byte 3"), HasSubstr("iconv")));
  EXPECT_EQ(read_utf8(write("mark.txt", "\xef\xbb\xbfx")), "x") << "a byte-order mark is dropped";
}

}  // namespace
}  // namespace ilora
