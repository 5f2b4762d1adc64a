#include "runs/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runs/schema.h"
#include "tests/unit/base/error_of.h"

namespace ilora {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Results example() {
  Results results;
  results.status = "finished";
  results.method = "ilora";
  results.seed = 3;
  results.model = "tiny";
  results.deployed = "slow";
  results.tasks = {"a", "b"};
  results.measures = {"choice", "number"};
  results.scores = {{0.25, std::nullopt}, {0.5, 0.125}, {0.75, 1.0}};
  const std::vector<Score> none(2);
  results.scores_by["fast"]["choice"] = {none, {0.5, std::nullopt}, {0.25, std::nullopt}};
  results.scores_by["fast"]["number"] = {none, none, {std::nullopt, 0.5}};
  results.scores_by["slow"]["choice"] = {none, none, {0.75, std::nullopt}};
  results.metrics.average_accuracy = 0.875;
  results.probes = {{"words", "perplexity", {20.5, std::nullopt, 21.0}}};
  results.timing = {1.5, 4096, 2730.6};
  results.environment = {"0.1.0", "abacus", "AVX2", 2, "f32"};
  return results;
}

Results parsed(const Json& json) {
  return JsonReader::parse<Results>(json, {"results.json", Results::kRemedy});
}

TEST(Results, ComeBack) {
  const Json written = json_of(example());
  const Results read = parsed(written);
  EXPECT_EQ(json_of(read), written);
  EXPECT_TRUE(read.finished());
  EXPECT_EQ(read.scores, example().scores);
  EXPECT_EQ(read.timing.train_tokens, 4096);
  EXPECT_FALSE(written.contains("note"));
  EXPECT_FALSE(written.contains("made_from"));
}

// Programs of others read the file: its keys stand in this order.
TEST(Results, HaveTheKeysOfTheDocumentedSchema) {
  Results results = example();
  results.note = "a word";
  results.made_from.emplace();
  std::vector<std::string> keys;
  const Json json = json_of(results);
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("schema", "status", "method", "seed", "model", "deployed", "tasks",
                                "measures", "scores", "scores_by", "metrics", "probes", "note",
                                "timing", "environment", "made_from"));
}

TEST(Results, KnowTheirTasksAndLearners) {
  const Results results = example();
  EXPECT_EQ(results.column("b"), 1U);
  EXPECT_FALSE(results.column("c"));
  EXPECT_EQ(results.measure(1), "number");
  EXPECT_THAT(results.learners(), ElementsAre("fast", "slow"));
  EXPECT_EQ(results.scores_of("slow"), results.scores) << "the deployed one's are whole";
  const ScoreMatrix fast = {
      {std::nullopt, std::nullopt}, {0.5, std::nullopt}, {0.25, 0.5}};  // of both measures
  EXPECT_EQ(results.scores_of("fast"), fast);
  EXPECT_TRUE(results.scores_of("nobody").empty());
}

TEST(Results, WhatDoesNotFitTogetherIsNamed) {
  const auto with = [](const Json::json_pointer& at, const Json& value) {
    Json json = json_of(example());
    json[at] = value;
    return message_of([&] { parsed(json); });
  };
  EXPECT_THAT(with("/tasks"_json_pointer, Json::array()), HasSubstr("\"tasks\""));
  EXPECT_THAT(with("/measures"_json_pointer, {"choice"}),
              HasSubstr("\"measures\" to hold one for each of 2 tasks, got 1"));
  EXPECT_THAT(with("/scores"_json_pointer, Json(4, {1, 1})),
              HasSubstr("\"scores\" to have at most 3 rows for 2 tasks, got 4"));
  EXPECT_THAT(with("/scores/1"_json_pointer, {0.5}),
              HasSubstr("\"scores[1]\" to hold 2 scores, got 1"));
  EXPECT_THAT(with("/scores_by/fast/number/2"_json_pointer, {0.5}),
              HasSubstr("\"scores_by.fast.number[2]\" to hold 2 scores"));
  EXPECT_THAT(with("/metrics/forgetting"_json_pointer, "much"), HasSubstr("metrics.forgetting"));
  EXPECT_THAT(with("/seed"_json_pointer, "one"), HasSubstr("\"seed\""));
  EXPECT_THAT(with("/schema"_json_pointer, 2), HasSubstr("expected schema 1, got schema 2"));
}

TEST(Results, OfAnEarlierVersionMayHoldLess) {
  const Results results = parsed({{"tasks", {"a"}}, {"scores", {{0.5}}}});
  EXPECT_FALSE(results.finished());
  EXPECT_FALSE(results.seed || results.timing.train_tokens || results.made_from);
  EXPECT_EQ(results.measure(0), "");
}

}  // namespace
}  // namespace ilora
