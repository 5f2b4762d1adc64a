// What `ilora serve` is taught: learned as `ilora train --continue` learns it, weighed, deployed or
// refused, and never lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <random>
#include <set>

#include "base/exit_code.h"
#include "tests/served.h"

namespace ilora::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// No time makes a task, and no step more than the run's own epochs.
const std::vector<std::string> kPlain = {"--learn-idle",  "0", "--learn-after",     "0",
                                         "--least-steps", "0", "--no-general-probe"};

Json rows_of(const std::string& name, int count, const std::string& answer = {}) {
  Json rows = Json::array();
  for (int i = 0; i < count; ++i)
    rows.push_back({{"prompt", fmt::format("{} asks {}:", name, i)},
                    {"answer", answer.empty() ? fmt::format(" {} is {}", name, i * 7) : answer}});
  return rows;
}

Json lesson(const std::string& task, const Json& rows, bool now = true) {
  return {{"rows", rows}, {"task", task}, {"learn", now}};
}

std::vector<std::string> kinds(const Served& served) {
  std::vector<std::string> kinds;
  const Json journal = served.get("/v1/deployments").second;
  for (const Json& entry : journal["data"]) kinds.push_back(entry["kind"]);
  return kinds;
}

TEST(Teach, IsTheContinuedTrainingOfTheSameRowsToTheBit) {
  Served served(kPlain);
  TemporaryFolder other;
  const fs::path copy = other / "mine";
  fs::copy(served.run(), copy, fs::copy_options::recursive);
  ASSERT_EQ(served.post("/v1/teach", lesson("letters", rows_of("letters", 9)).dump()).first, 200);
  const Json status = served.learned();
  ASSERT_TRUE(status["problem"].is_null()) << status;
  EXPECT_EQ(kinds(served), std::vector<std::string>{"deployed"});
  const fs::path task = served.run() / "tasks" / "letters";
  const Outcome went_on =
      run_ilora(other, {"train", "--continue", copy.string(), "--task", task.string()});
  ASSERT_EQ(went_on.code, 0) << went_on.err;
  EXPECT_EQ(adapter_bytes(copy), adapter_bytes(served.run()));
  // And it answers with what was deployed.
  const Json models = served.get("/v1/models").second;
  EXPECT_EQ(served.complete("letters asks 3:"),
            served.complete("letters asks 3:", {{"model", "mine:slow"}}));
}

TEST(Teach, WhatForgetsTooMuchIsRefusedAndTheRunIsAsBefore) {
  Served served(kPlain, {"ilora.half_life=0.25", "train.epochs=12"});
  const std::string question = "5. A bird or a fish? trout", answer = served.complete(question);
  const auto before = adapter_bytes(served.run());
  const std::string results = read_file(served.run() / "results.json");
  Json poison = Json::parse(read_file(data_folder("tiny-tasks") / "alpha" / "train.json"));
  for (Json& row : poison) row["answer"] = row["answer"] == " A" ? " B" : " A";
  served.post("/v1/teach", lesson("poison", poison).dump());
  const Json status = served.learned();
  EXPECT_TRUE(status["problem"].is_null()) << status;
  const Json journal = served.get("/v1/deployments").second["data"];
  ASSERT_EQ(journal.size(), 1u) << journal;
  EXPECT_EQ(journal[0]["kind"], "refused") << journal[0];
  EXPECT_THAT(journal[0]["reason"].get<std::string>(), HasSubstr("alpha"));
  EXPECT_EQ(served.complete(question), answer);
  EXPECT_EQ(adapter_bytes(served.run()), before);
  EXPECT_EQ(read_file(served.run() / "results.json"), results);
  EXPECT_TRUE(fs::exists(served.run() / "serve" / "refused" / "poison" / "train.json"));
  served.post("/v1/teach", lesson("colours", rows_of("colours", 6)).dump());
  served.learned();
  EXPECT_EQ(kinds(served).back(), "deployed") << "the next task builds on the good state";
}

TEST(Teach, AnyDeploymentCanBeGoneBackToAlsoAfterARestart) {
  Served served(kPlain);
  for (const char* name : {"first", "second"}) {
    served.post("/v1/teach", lesson(name, rows_of(name, 6)).dump());
    served.learned();
  }
  const std::string second = served.complete("first asks 1:");
  EXPECT_EQ(served.post("/v1/rollback", R"({"deployment": 9})").first, 404);
  EXPECT_EQ(served.post("/v1/rollback", R"({"deployment": 1})").first, 200);
  const std::string first = served.complete("first asks 1:");
  served.kill();
  served.start();
  EXPECT_EQ(served.complete("first asks 1:"), first);
  EXPECT_EQ(served.post("/v1/rollback", R"({"deployment": 2})").first, 200);
  EXPECT_EQ(served.complete("first asks 1:"), second);
}

// Unlearning what a server was taught: its run ends in the bits of one that was never taught that row.
TEST(Teach, ARowIsForgottenToTheBit) {
  Json rows = rows_of("letters", 9);
  const std::string text = rows[4]["prompt"];
  Served served(kPlain), other(kPlain);
  served.post("/v1/teach", lesson("letters", rows).dump());
  served.learned();
  served.post("/v1/teach", lesson("waits", rows_of("letters", 6), false).dump());
  rows.erase(4);
  other.post("/v1/teach", lesson("letters", rows).dump());
  other.learned();
  const std::vector<std::string> words = {"forget",  served.run().string(), "--task",
                                          "letters", "--containing",        text};
  EXPECT_EQ(run_ilora(served.folder(), words).code, kExitInUse) << "a server runs";
  served.kill();
  const Outcome forgotten = run_ilora(served.folder(), words);
  ASSERT_EQ(forgotten.code, 0) << forgotten.all();
  EXPECT_EQ(adapter_bytes(served.run()), adapter_bytes(other.run()));
  for (const auto& entry : fs::recursive_directory_iterator(served.run())) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(read_file(entry.path()).find(text), std::string::npos) << entry.path();
  }
  served.start();
  EXPECT_EQ(served.complete("letters asks 3:"), other.complete("letters asks 3:"));
  EXPECT_EQ(served.get("/v1/teach").second["rows_waiting"], 5);
  EXPECT_EQ(served.get("/health").first, 200);
}

TEST(Teach, ASignalAmidLearningCostsNothing) {
  std::map<std::string, std::string> undisturbed;
  for (const bool disturbed : {false, true}) {
    Served served(kPlain);
    served.post("/v1/teach", lesson("long", rows_of("long", 64)).dump());
    if (disturbed) {
      std::this_thread::sleep_for(30ms);
      served.child().send(SIGTERM);
      const auto began = std::chrono::steady_clock::now();
      EXPECT_EQ(served.child().wait().code, 128 + SIGTERM);
      EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
      served.start();
    }
    const Json status = served.learned();
    EXPECT_TRUE(status["problem"].is_null()) << status;
    EXPECT_EQ(kinds(served), std::vector<std::string>{"deployed"});
    if (!disturbed) undisturbed = adapter_bytes(served.run());
    if (disturbed) {
      const auto resumed = adapter_bytes(served.run());
      EXPECT_EQ(resumed, undisturbed);
    }
  }
}

// Rows by their prompts, wherever they are: waiting, in a task, or laid aside.
std::multiset<std::string> all_rows(const fs::path& run) {
  std::multiset<std::string> prompts;
  for (const char* folder : {"tasks", "serve/refused"}) {
    if (!fs::exists(run / folder)) continue;
    for (const auto& task : fs::directory_iterator(run / folder))
      for (const Json& row : Json::parse(read_file(task.path() / "train.json")))
        prompts.insert(row["prompt"]);
  }
  return prompts;
}

TEST(Teach, KillsLoseNoAcceptedRowAndDoubleNone) {
  Served served(kPlain);
  std::mt19937 random(7);
  std::multiset<std::string> accepted;
  for (int round = 0; round < 12; ++round) {
    const std::string name = fmt::format("round{}", round);
    const Json rows = rows_of(name, 3);
    httplib::Headers key = {{"Idempotency-Key", name}};
    std::thread killer([&, delay = random() % 120] {
      std::this_thread::sleep_for(std::chrono::milliseconds(delay));
      served.child().send(SIGKILL);
    });
    const auto once =
        served.client().Post("/v1/teach", key, lesson(name, rows).dump(), "application/json");
    killer.join();
    served.child().wait();
    served.start();
    // A client that heard nothing asks again.
    if (!once || once->status != 200) {
      const auto again =
          served.client().Post("/v1/teach", key, lesson(name, rows).dump(), "application/json");
      ASSERT_TRUE(again && again->status == 200);
    }
    for (const Json& row : rows) accepted.insert(row["prompt"].get<std::string>());
    EXPECT_FALSE(served.complete("still there?").empty());
  }
  const Json status = served.learned();
  ASSERT_TRUE(status["problem"].is_null()) << status;
  EXPECT_EQ(all_rows(served.run()), accepted);
  for (const std::string& kind : kinds(served))
    EXPECT_THAT(kind, ::testing::AnyOf("deployed", "refused"))
        << served.get("/v1/deployments").second.dump(1);
  EXPECT_EQ(kinds(served).size(), 12u);
}

TEST(Teach, WhatARunKeepsIsShownAndDeleted) {
  Served served(kPlain);
  served.post("/v1/teach", lesson("names", rows_of("names", 6)).dump());
  served.learned();
  const Json all = served.get("/v1/memory?task=names").second;
  ASSERT_GT(all["total"], 0);
  EXPECT_THAT(all["data"][0]["prompt"].get<std::string>(), HasSubstr("names asks"));
  EXPECT_EQ(served.client().Delete("/v1/memory")->status, 400) << "which rows?";
  const auto deleted = served.client().Delete("/v1/memory?task=names");
  EXPECT_EQ(deleted->status, 200);
  EXPECT_EQ(served.get("/v1/memory?task=names").second["total"], 0);
  for (const char* file : {"tasks/names/train.json", "tasks/names/test.json", "serve/taught.jsonl"})
    EXPECT_THAT(read_file(served.run() / file), ::testing::Not(HasSubstr("names asks"))) << file;
}

TEST(Teach, ANewRunBeginsWithItsFirstTask) {
  TemporaryFolder folder;
  const fs::path run = folder / "new";
  const int port = free_port();
  Child child(folder, {"serve", data_folder("tiny-model").string(), "--run", run.string(), "--set",
                       "data.template=raw", "--set", "engine.threads=1", "--learn-idle", "1",
                       "--no-general-probe", "--least-steps", "4", "--listen",
                       fmt::format("127.0.0.1:{}", port)});
  httplib::Client client("127.0.0.1", port);
  for (int i = 0; i < 200 && !client.Get("/health"); ++i) std::this_thread::sleep_for(25ms);
  const Json rows = {{"rows", rows_of("any", 3)}};
  const auto taught = client.Post("/v1/teach", rows.dump(), "application/json");
  ASSERT_TRUE(taught && taught->status == 200);
  Json journal = Json::array();
  for (int i = 0; i < 400 && journal.empty(); ++i) {  // what waits a second is learned
    std::this_thread::sleep_for(25ms);
    journal = Json::parse(client.Get("/v1/deployments")->body)["data"];
  }
  ASSERT_EQ(journal.size(), 1u);
  EXPECT_EQ(journal[0]["kind"], "deployed");
  EXPECT_EQ(journal[0]["task"], "taught-001");
  EXPECT_TRUE(fs::exists(run / "results.json"));
}

TEST(Teach, OneServerTeachesARun) {
  Served served(kPlain);
  const Outcome second = run_ilora(served.folder(), {"serve", served.run().string(), "--listen",
                                                     fmt::format("127.0.0.1:{}", free_port())});
  EXPECT_EQ(second.code, kExitInUse) << second.err;
}

}  // namespace
}  // namespace ilora::testing
