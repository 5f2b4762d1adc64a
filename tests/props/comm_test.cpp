// Several processes, as threads with a Comm of their own: each with its share of the rows of every
// step, they compute what one computes with all of them.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "tests/method_loop.h"

namespace ilora::testing {
namespace {

// Where the threads meet: the last to come adds all parts up, in the order of ranks.
class Meeting {
 public:
  explicit Meeting(int size) : parts_(static_cast<size_t>(size)) {}
  int size() const { return static_cast<int>(parts_.size()); }

  void sum(int rank, Tensor values) {
    std::unique_lock lock(mutex_);
    parts_[static_cast<size_t>(rank)] = values;
    const int64_t round = round_;
    if (++arrived_ == size()) {
      add_up();
      arrived_ = 0;
      ++round_;
      met_.notify_all();
      return;
    }
    const auto over = [&] { return round_ != round; };
    if (!met_.wait_for(lock, std::chrono::minutes(2), over))
      throw std::runtime_error("a rank did not come to the sum of " + values.describe());
  }

 private:
  void add_up() {
    const Tensor total = parts_.front();
    for (const Tensor& part : parts_) {
      ASSERT_EQ(part.dtype, total.dtype);
      ASSERT_EQ(part.size(), total.size());
      if (part.data == total.data) continue;
      for (int64_t i = 0; i < total.size(); ++i) {
        if (total.dtype == DType::kF32)
          total.ptr<float>()[i] += part.ptr<float>()[i];
        else
          total.ptr<double>()[i] += part.ptr<double>()[i];
      }
    }
    for (const Tensor& part : parts_) {
      if (part.data != total.data)
        std::memcpy(part.data, total.data, static_cast<size_t>(total.bytes()));
    }
  }

  std::mutex mutex_;
  std::condition_variable met_;
  std::vector<Tensor> parts_;
  int arrived_ = 0;
  int64_t round_ = 0;
};

class ThreadComm : public Comm {
 public:
  ThreadComm(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return meeting_.size(); }
  void sum(Tensor values) const override { meeting_.sum(rank_, values); }

 private:
  Meeting& meeting_;
  int rank_;
};

// What a step told and what it left.
struct Told {
  PerLossKind terms, denominators;
  std::map<std::string, OwnTerm> own;
  std::vector<float> gradient, values;
};

std::vector<Told> learn(MethodLoop& loop) {
  std::vector<Told> told;
  for (const int64_t task : {0, 1}) {
    loop.begin_task(task, 4);
    for (int i = 0; i < 4; ++i) {
      const PassReport report = loop.step();
      told.push_back({report.terms, report.denominators, loop.run.own_terms(), loop.edited_gradient,
                      loop.fast()});
    }
    loop.method.end_task(loop.run);
  }
  return told;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}

// Memories and samples that keep all rows, so that the shares of two ranks are together what one
// has.
struct Case {
  std::string method;
  Settings settings;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.method;
}

class TwoRanks : public ::testing::TestWithParam<Case> {};

TEST_P(TwoRanks, ComputeWhatOneComputes) {
  for (const char* reduction : {"train.loss_reduction=sequence", "train.loss_reduction=token"}) {
    Settings settings = GetParam().settings;
    settings.insert(settings.end(), {reduction, "engine.kernels=reference"});
    MethodLoop one(GetParam().method, settings);
    const std::vector<Told> expected = learn(one);

    Meeting meeting(2);
    const ThreadComm first_comm(meeting, 0), second_comm(meeting, 1);
    MethodLoop first(GetParam().method, settings, &first_comm),
        second(GetParam().method, settings, &second_comm);
    std::vector<Told> a, b;
    std::thread other([&] { b = learn(second); });
    a = learn(first);
    other.join();

    ASSERT_EQ(a.size(), expected.size());
    ASSERT_EQ(b.size(), expected.size());
    for (size_t step = 0; step < expected.size(); ++step) {
      const std::string where = fmt::format("{}, step {}", reduction, step);
      EXPECT_EQ(a[step].values, b[step].values) << where << ": the ranks go apart";
      EXPECT_EQ(a[step].denominators.values, expected[step].denominators.values) << where;
      for (size_t i = 0; i < kLossKinds; ++i)
        EXPECT_NEAR(a[step].terms.values[i], expected[step].terms.values[i], 1e-4) << where;
      EXPECT_LE(distance(a[step].gradient, expected[step].gradient), 1e-3) << where;
      for (const auto& [name, term] : expected[step].own) {
        EXPECT_NEAR(a[step].own.at(name).value, term.value, 1e-3 * std::abs(term.value)) << where;
        EXPECT_NEAR(a[step].own.at(name).gradient_norm, term.gradient_norm,
                    1e-3 * term.gradient_norm)
            << where;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Methods, TwoRanks,
    ::testing::Values(Case{"seq", {}}, Case{"er", {"er.ratio=100", "er.memory_size=100"}},
                      Case{"er", {"er.ratio=100", "er.memory_size=100", "er.two_means=true"}},
                      Case{"ilora", {"ilora.ratio=100", "ilora.memory_size=100"}},
                      Case{"ewc", {"ewc.rows=100"}},
                      Case{"ewc", {"ewc.rows=100", "ewc.anchors=online", "ewc.gamma=0.5"}},
                      Case{"gem", {"gem.memory_size=100", "gem.draw=0"}},
                      Case{"agem", {"agem.memory_size=100", "agem.draw=0"}}, Case{"l2p", {}},
                      Case{"l2p", {"l2p.batch_choice=true"}}),
    [](const auto& test) {
      return test_name(test.param.method) + "_" + std::to_string(test.index);
    });

}  // namespace
}  // namespace ilora::testing
