#include "runs/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runs/schema.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr const char* kStep =
    R"({"event":"step","step":3,"task":"a","task_index":0,"epoch":1,"loss":2.5,)"
    R"("terms":{"cross_entropy":2.0,"penalty":0.5},"gradient_norms":{"cross_entropy":1.5,)"
    R"("total":1.25},"learning_rate":0.001,"tokens":96,"tokens_per_second":480.0,)"
    R"("distance":0.125,"memory_rows":8.0})";

class Metrics : public ::testing::Test {
 protected:
  void write(const std::string& content) const {
    write_file_atomic(run_.path(kMetricsFile), content);
  }
  static std::string step(int64_t number, int64_t task, double loss) {
    StepEvent event;
    event.step = number;
    event.task_index = task;
    event.loss = loss;
    return run_line(event) + "\n";
  }
  std::vector<double> losses() const {
    std::vector<double> all;
    for (const StepEvent& event : read_steps(run_)) all.push_back(event.loss.value());
    return all;
  }

  TemporaryFolder folder_;
  RunFolder run_{folder_ / ""};
};

TEST_F(Metrics, AStepComesBackToTheByte) {
  write(std::string(kStep) + "\n");
  const std::vector<StepEvent> steps = read_steps(run_);
  ASSERT_EQ(steps.size(), 1U);
  EXPECT_EQ(run_line(steps[0]), kStep);
  EXPECT_THAT(steps[0].terms, ElementsAre(Pair("cross_entropy", 2.0), Pair("penalty", 0.5)));
  EXPECT_THAT(steps[0].reported, ElementsAre(Pair("distance", 0.125), Pair("memory_rows", 8.0)))
      << "what a method tells";
}

TEST_F(Metrics, TheOtherEventsHaveTheDocumentedKeys) {
  EXPECT_EQ(run_line(EvalEvent{2, "a", "slow", "choice", 0.75}),
            R"({"event":"eval","after":2,"task":"a","learner":"slow","measure":"choice",)"
            R"("score":0.75})");
  EXPECT_EQ(run_line(ProbeEvent{2, "words", "slow", "perplexity", 20.5}),
            R"({"event":"probe","after":2,"name":"words","learner":"slow",)"
            R"("measure":"perplexity","value":20.5})");
  EXPECT_EQ(run_line(TaskEndEvent{"a", 0, 24}),
            R"({"event":"task_end","task":"a","task_index":0,"step":24})");
}

TEST_F(Metrics, StepsThatAResumedRunTookAgainCountOnce) {
  EXPECT_TRUE(read_steps(run_).empty()) << "no log";
  write(step(1, 0, 1) + step(2, 0, 9) + step(3, 1, 9) + step(2, 0, 2) + step(3, 1, 3));
  EXPECT_THAT(losses(), ElementsAre(1, 2, 3));
}

TEST_F(Metrics, ATornLastLineAndOtherEventsArePassedOver) {
  write(step(1, 0, 1) + "\n" + R"({"event":"weather","sun":true})" + "\n" + step(2, 0, 2) +
        R"({"event":"st)");
  EXPECT_THAT(losses(), ElementsAre(1, 2));
}

TEST_F(Metrics, ADamagedLineIsNamed) {
  write(step(1, 0, 1) + "{\"event\":\n" + step(2, 0, 1));
  EXPECT_THAT(message_of([&] { read_steps(run_); }), HasSubstr("metrics.jsonl, line 2"));
  write(step(1, 0, 1) + R"({"event":"step","step":2,"terms":3})" + "\n");
  EXPECT_THAT(message_of([&] { read_steps(run_); }),
              HasSubstr("expected \"terms\" to be an object, got 3"));
}

TEST_F(Metrics, ALossThatIsNotFiniteIsNone) {
  write(R"({"event":"step","step":2,"loss":null})");
  EXPECT_FALSE(read_steps(run_).at(0).loss);
}

TEST_F(Metrics, AreCutBack) {
  EXPECT_EQ(metrics_bytes(run_), 0);
  write(step(1, 0, 1));
  const int64_t bytes = metrics_bytes(run_);
  append_run_line(run_, StepEvent{});
  EXPECT_GT(metrics_bytes(run_), bytes);
  truncate_metrics(run_, bytes);
  EXPECT_EQ(read_file(run_.path(kMetricsFile)), step(1, 0, 1));
  truncate_metrics(run_, bytes + 100);  // never longer
  EXPECT_EQ(metrics_bytes(run_), bytes);
}

TEST(MetricsLog, ShorterThanItWasTheLogEndsWithALine) {
  const TemporaryFolder folder;
  const RunFolder run(folder.path());
  write_file_atomic(run.path(kMetricsFile), "{}\n{\"ev");
  truncate_metrics(run, 100);
  EXPECT_EQ(read_file(run.path(kMetricsFile)), "{}\n");
  write_file_atomic(run.path(kMetricsFile), "{\"ev");
  truncate_metrics(run, 100);
  EXPECT_EQ(read_file(run.path(kMetricsFile)), "");
  truncate_metrics(run, 100);
  EXPECT_EQ(read_file(run.path(kMetricsFile)), "");
}

}  // namespace
}  // namespace ilora
