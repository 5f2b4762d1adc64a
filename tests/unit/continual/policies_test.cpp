// What each replay policy keeps, against its definition, at every moment of streams of rows; and
// that a memory that was saved and restored goes on as if it had not been.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "continual/memory.h"

namespace ilora {
namespace {

constexpr uint64_t kSeed = 7;

struct Shown {
  Row row;
  double loss = 0;
};

Row make_row(uint64_t id, int32_t task, std::vector<int32_t> answer) {
  Row row;
  row.tokens = {1};
  row.tokens.insert(row.tokens.end(), answer.begin(), answer.end());
  row.prompt_length = 1;
  row.task = task;
  row.id = id;
  return row;
}

// Tasks one after another, of unequal sizes; four answers, of one or two tokens, unequally often.
std::vector<Shown> task_stream(const std::vector<int>& sizes) {
  const Random random(3, Stream::kTest);
  const std::vector<std::vector<int32_t>> answers = {{5}, {5, 6}, {7}, {8}};
  std::vector<Shown> stream;
  for (size_t task = 0; task < sizes.size(); ++task) {
    for (int i = 0; i < sizes[task]; ++i) {
      const uint64_t id = stream.size();
      const double u = random.uniform(3 * id);
      const size_t answer = u < 0.6 ? 0 : u < 0.8 ? 1 : u < 0.97 ? 2 : 3;
      // Losses fall within a task; some are far off.
      const double off = random.uniform(3 * id + 1) < 0.05 ? 9.0 : 0.0;
      const double loss = 1.0 + 2.0 / (1.0 + i) + random.uniform(3 * id + 2) + off;
      stream.push_back({make_row(id, static_cast<int32_t>(task), answers[answer]), loss});
    }
  }
  return stream;
}

std::vector<uint64_t> ids_of(const std::vector<Row>& rows) {
  std::vector<uint64_t> ids;
  for (const Row& row : rows) ids.push_back(row.id);
  return ids;
}

// A memory's state, as a checkpoint holds it.
class Store : public StateVisitor {
 public:
  bool loading = false;
  std::map<std::string, int64_t> integers;
  std::map<std::string, double> doubles;
  std::map<std::string, std::vector<Row>> lists;

  void value(const std::string& name, int64_t& x) override { pass(integers, name, x); }
  void count(const std::string& name, int64_t& n) override { pass(integers, name, n); }
  void value(const std::string& name, double& x) override { pass(doubles, name, x); }
  void vector(const std::string&, Tensor) override { FAIL() << "no vectors here"; }
  void rows(const std::string& name, std::vector<Row>& x) override { pass(lists, name, x); }

 private:
  template <class T>
  void pass(std::map<std::string, T>& map, const std::string& name, T& x) {
    if (loading) {
      x = map.at(name);
    } else {
      map[name] = x;
    }
  }
};

Store saved(Memory& memory) {
  Store store;
  memory.visit(store, "m");
  return store;
}

class EveryPolicy : public ::testing::TestWithParam<const char*> {
 protected:
  static std::unique_ptr<Memory> memory(int64_t size) {
    MemoryOptions options;
    options.size = size;
    options.policy = GetParam();
    return make_memory(options);
  }
};

TEST_P(EveryPolicy, KeepsRowsThatItWasShownOnceEachAndFillsItsRoom) {
  const auto stream = task_stream({40, 60, 5, 50});
  const auto m = memory(16);
  for (size_t i = 0; i < stream.size(); ++i) {
    m->insert(stream[i].row, kSeed, stream[i].loss);
    const auto ids = ids_of(m->rows());
    EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), ids.size()) << "a row is kept twice";
    EXPECT_LE(*std::max_element(ids.begin(), ids.end()), i);
    EXPECT_LE(ids.size(), 16U);
    // surprise fills its two parts one by one.
    const bool fills = std::string(GetParam()) != "surprise" || i >= 40;
    if (fills) {
      EXPECT_EQ(ids.size(), std::min<size_t>(i + 1, 16)) << i;
    }
    EXPECT_EQ(m->seen(), static_cast<int64_t>(i + 1));
  }
  const int64_t tokens = std::accumulate(
      m->rows().begin(), m->rows().end(), int64_t{0},
      [](int64_t sum, const Row& row) { return sum + static_cast<int64_t>(row.tokens.size()); });
  // No teacher's logits are kept with them.
  EXPECT_EQ(
      m->bytes(),
      16 * static_cast<int64_t>(sizeof(Row) - sizeof(TopLogits) - sizeof(Row::gaps)) + 4 * tokens);
}

TEST_P(EveryPolicy, GoesOnAfterARestoreAsIfNothingHadHappened) {
  const auto stream = task_stream({40, 60, 5, 50});
  for (const size_t cut : {0U, 3U, 17U, 70U, 104U}) {
    const auto whole = memory(16), first = memory(16), second = memory(16);
    for (size_t i = 0; i < stream.size(); ++i) {
      if (i == cut) {
        Store store = saved(*first);
        store.loading = true;
        second->visit(store, "m");
      }
      whole->insert(stream[i].row, kSeed, stream[i].loss);
      (i < cut ? first : second)->insert(stream[i].row, kSeed, stream[i].loss);
    }
    EXPECT_EQ(ids_of(second->rows()), ids_of(whole->rows())) << "cut at " << cut;
    const Store a = saved(*second), b = saved(*whole);
    EXPECT_EQ(a.integers, b.integers);
    EXPECT_EQ(a.doubles, b.doubles);
  }
}

TEST_P(EveryPolicy, IsAFunctionOfTheSeed) {
  const auto stream = task_stream({40, 60, 5, 50});
  const auto a = memory(16), b = memory(16), c = memory(16);
  for (const Shown& s : stream) {
    a->insert(s.row, kSeed, s.loss);
    b->insert(s.row, kSeed, s.loss);
    c->insert(s.row, kSeed + 1, s.loss);
  }
  EXPECT_EQ(ids_of(a->rows()), ids_of(b->rows()));
  const bool draws = std::string(GetParam()) != "ring";
  EXPECT_EQ(ids_of(a->rows()) != ids_of(c->rows()), draws);
}

TEST_P(EveryPolicy, ForgetsRowsAndGoesOn) {
  const auto stream = task_stream({40, 60, 5, 50});
  const auto m = memory(16);
  for (size_t i = 0; i < 105; ++i) m->insert(stream[i].row, kSeed, stream[i].loss);
  const std::vector<uint64_t> before = ids_of(m->rows());
  const auto leaves = [](const Row& row) { return row.task == 1 || row.id % 3 == 0; };
  std::vector<uint64_t> stay;
  for (const Row& row : m->rows())
    if (!leaves(row)) stay.push_back(row.id);
  ASSERT_GT(before.size(), stay.size());
  EXPECT_EQ(m->forget(leaves), std::ssize(before) - std::ssize(stay));
  EXPECT_EQ(ids_of(m->rows()), stay);
  EXPECT_EQ(m->forget(leaves), 0);
  EXPECT_EQ(m->seen(), 105);
  // What it is after that can be saved, and goes on as it would have.
  const auto second = memory(16);
  Store store = saved(*m);
  store.loading = true;
  second->visit(store, "m");
  for (size_t i = 105; i < stream.size(); ++i) {
    m->insert(stream[i].row, kSeed, stream[i].loss);
    second->insert(stream[i].row, kSeed, stream[i].loss);
    EXPECT_LE(m->rows().size(), 16U);
  }
  EXPECT_EQ(ids_of(second->rows()), ids_of(m->rows()));
  EXPECT_EQ(m->rows().size(), 16U) << "the room was not filled again";
}

INSTANTIATE_TEST_SUITE_P(Policies, EveryPolicy,
                         ::testing::Values("reservoir", "ring", "task-balanced", "label-balanced",
                                           "stratified", "surprise"),
                         [](const auto& policy) {
                           std::string name = policy.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Policies, AreTheOnesTestedHere) {
  EXPECT_EQ(memory_policies(),
            (std::vector<std::string>{"reservoir", "ring", "task-balanced", "label-balanced",
                                      "stratified", "surprise"}));
  MemoryOptions options;
  EXPECT_NE(dynamic_cast<ReservoirMemory*>(make_memory(options).get()), nullptr);
  options.policy = "fifo";
  EXPECT_THROW(make_memory(options), Error);
}

// A class that is more than one row short of the largest has kept every row it was shown; so
// classes of which enough was shown differ by at most one.
template <class Key>
void expect_balance(const std::map<Key, int64_t>& kept, const std::map<Key, int64_t>& shown) {
  int64_t most = 0;
  for (const auto& [key, n] : kept) most = std::max(most, n);
  for (const auto& [key, n] : shown) {
    const int64_t own = kept.contains(key) ? kept.at(key) : 0;
    ASSERT_GE(own, std::min(n, most - 1));
  }
}

TEST(Ring, KeepsTheLatestRowsOfEachTaskInEqualParts) {
  const auto stream = task_stream({40, 60, 5, 50});
  const auto memory = make_ring(16);
  std::map<int32_t, std::vector<uint64_t>> shown;
  for (const Shown& s : stream) {
    memory->insert(s.row, kSeed);
    shown[s.row.task].push_back(s.row.id);
    std::map<int32_t, std::vector<uint64_t>> kept;
    for (const Row& row : memory->rows()) kept[row.task].push_back(row.id);
    std::map<int32_t, int64_t> kept_count, shown_count;
    for (const auto& [task, ids] : shown) {
      const auto& own = kept[task];
      EXPECT_TRUE(std::equal(own.rbegin(), own.rend(), ids.rbegin()))
          << "task " << task << " after row " << s.row.id;
      kept_count[task] = static_cast<int64_t>(own.size());
      shown_count[task] = static_cast<int64_t>(ids.size());
    }
    expect_balance(kept_count, shown_count);
  }
}

TEST(Ring, WithMoreTasksThanRoomKeepsTheLatestTasks) {
  const auto memory = make_ring(2);
  for (uint64_t i = 0; i < 5; ++i) memory->insert(make_row(i, static_cast<int32_t>(i), {2}), kSeed);
  EXPECT_EQ(ids_of(memory->rows()), (std::vector<uint64_t>{3, 4}));
}

TEST(TaskBalanced, HoldsTheBalanceAtEveryMoment) {
  const auto memory = make_task_balanced(16);
  std::map<int32_t, int64_t> shown;
  for (const Shown& s : task_stream({40, 60, 5, 50})) {
    memory->insert(s.row, kSeed);
    ++shown[s.row.task];
    std::map<int32_t, int64_t> kept;
    for (const Row& row : memory->rows()) ++kept[row.task];
    expect_balance(kept, shown);
  }
}

TEST(LabelBalanced, HoldsTheBalanceAtEveryMoment) {
  const auto memory = make_label_balanced(14);
  std::map<std::vector<int32_t>, int64_t> shown;
  for (const Shown& s : task_stream({40, 60, 5, 90})) {
    memory->insert(s.row, kSeed);
    ++shown[s.row.tokens];  // all prompts are equal: the answer
    std::map<std::vector<int32_t>, int64_t> kept;
    for (const Row& row : memory->rows()) ++kept[row.tokens];
    expect_balance(kept, shown);
  }
  EXPECT_EQ(shown.size(), 4U);
}

// Chi-square of inclusion counts, each of probability `kept / counts.size()`, that add up to a
// constant: n-1 degrees of freedom after the factor (n-1)/n.
double chi_square(const std::vector<int>& counts, double kept, int streams) {
  const auto n = static_cast<double>(counts.size());
  const double p = kept / n, expected = streams * p;
  double chi = 0;
  for (const int count : counts)
    chi += (count - expected) * (count - expected) / (expected * (1 - p));
  return chi * (n - 1) / n;
}

TEST(TaskBalanced, KeepsAUniformSampleOfEachTask) {
  constexpr int kStreams = 10000;
  std::vector<int> first(30), second(20);
  for (uint64_t seed = 0; seed < kStreams; ++seed) {
    const auto memory = make_task_balanced(10);
    for (uint64_t i = 0; i < 50; ++i) memory->insert(make_row(i, i < 30 ? 0 : 1, {2}), seed);
    for (const Row& row : memory->rows()) ++(row.task == 0 ? first[row.id] : second[row.id - 30]);
  }
  EXPECT_EQ(std::accumulate(first.begin(), first.end(), 0), 5 * kStreams);
  EXPECT_LT(chi_square(first, 5, kStreams), 58.3);   // 0.999 quantile of 29 degrees of freedom
  EXPECT_LT(chi_square(second, 5, kStreams), 43.8);  // of 19
}

TEST(LabelBalanced, WithMoreAnswersThanRoomIsAReservoir) {
  constexpr int kStreams = 10000;
  std::vector<int> kept(40);
  for (uint64_t seed = 0; seed < kStreams; ++seed) {
    const auto memory = make_label_balanced(8);
    for (uint64_t i = 0; i < 40; ++i)
      memory->insert(make_row(i, 0, {static_cast<int32_t>(i)}), seed);
    for (const Row& row : memory->rows()) ++kept[row.id];
  }
  EXPECT_LT(chi_square(kept, 8, kStreams), 72.1);  // 0.999 quantile of 39 degrees of freedom
}

// ---- stratified ----------------------------------------------------------------------------

TEST(Stratified, HoldsTasksEqualAndAnswersAtTheirShareAtEveryMoment) {
  const auto memory = make_stratified(24);
  std::map<int32_t, int64_t> shown;
  std::map<int32_t, std::map<std::vector<int32_t>, int64_t>> answers_shown;
  for (const Shown& s : task_stream({90, 60, 5, 80})) {
    memory->insert(s.row, kSeed);
    ++shown[s.row.task];
    ++answers_shown[s.row.task][s.row.tokens];  // all prompts are equal: the answer
    std::map<int32_t, int64_t> kept;
    std::map<int32_t, std::map<std::vector<int32_t>, int64_t>> answers;
    for (const Row& row : memory->rows()) {
      ++kept[row.task];
      ++answers[row.task][row.tokens];
    }
    expect_balance(kept, shown);
    for (const auto& [task, rows] : kept) {
      for (const auto& [answer, n] : answers_shown[task]) {
        const double share = static_cast<double>(n * rows) / static_cast<double>(shown[task]);
        EXPECT_LT(std::abs(static_cast<double>(answers[task][answer]) - share), 1.0)
            << "task " << task << " after row " << s.row.id;
      }
    }
  }
}

TEST(Stratified, IsAUniformSampleWhereAllRowsHaveOneAnswerOrEachItsOwn) {
  constexpr int kStreams = 10000;
  for (const bool one : {true, false}) {
    std::vector<int> kept(40);
    for (uint64_t seed = 0; seed < kStreams; ++seed) {
      const auto memory = make_stratified(8);
      for (uint64_t i = 0; i < 40; ++i)
        memory->insert(make_row(i, 0, {one ? 2 : static_cast<int32_t>(i)}), seed);
      for (const Row& row : memory->rows()) ++kept[row.id];
    }
    EXPECT_LT(chi_square(kept, 8, kStreams), 72.1);  // 0.999 quantile of 39 degrees of freedom
  }
}

// ---- surprise ------------------------------------------------------------------------------

std::unique_ptr<Memory> surprise(int64_t size, double random_share, double cap = 2.0) {
  return make_surprise(size, {cap, random_share});
}

// Ids of the surprising rows by task, and of the random share.
struct Parts {
  std::map<int32_t, std::set<uint64_t>> surprising;
  std::set<uint64_t> random;

  explicit Parts(Memory& memory) {
    const Store store = saved(memory);
    for (size_t i = 0; i < memory.rows().size(); ++i) {
      const Row& row = memory.rows()[i];
      const bool at_random = store.doubles.at("m.scores." + std::to_string(i)) == -1;
      if (at_random) random.insert(row.id);
      if (!at_random) surprising[row.task].insert(row.id);
    }
  }
};

TEST(Surprise, KeepsTheHighestLossesOfEachTaskBelowTheCap) {
  const auto stream = task_stream({40, 60, 5, 50});
  const auto memory = surprise(16, 0.25);
  std::map<int32_t, std::vector<double>> losses;
  std::map<int32_t, std::vector<Shown>> eligible;
  std::map<int32_t, int64_t> eligible_count;
  int outliers = 0;
  for (const Shown& s : stream) {
    memory->insert(s.row, kSeed, s.loss);
    // The cap, from its definition: mean and deviation of the task's losses so far.
    std::vector<double>& own = losses[s.row.task];
    own.push_back(s.loss);
    const auto n = static_cast<double>(own.size());
    const double mean = std::accumulate(own.begin(), own.end(), 0.0) / n;
    double variance = 0;
    for (const double x : own) variance += (x - mean) * (x - mean) / n;
    if (s.loss > mean + 2 * std::sqrt(variance)) {
      ++outliers;
    } else {
      eligible[s.row.task].push_back(s);
      ++eligible_count[s.row.task];
    }
    const Parts parts(*memory);
    std::map<int32_t, int64_t> kept;
    int64_t total = 0;
    for (auto& [task, rows] : eligible) {
      std::stable_sort(rows.begin(), rows.end(),
                       [](const Shown& a, const Shown& b) { return a.loss > b.loss; });
      const auto& ids =
          parts.surprising.contains(task) ? parts.surprising.at(task) : std::set<uint64_t>{};
      std::set<uint64_t> highest;
      for (size_t i = 0; i < ids.size(); ++i) highest.insert(rows.at(i).row.id);
      EXPECT_EQ(ids, highest) << "task " << task << " after row " << s.row.id;
      kept[task] = static_cast<int64_t>(ids.size());
      total += kept[task];
    }
    expect_balance(kept, eligible_count);
    int64_t all = 0;
    for (const auto& [task, count] : eligible_count) all += count;
    EXPECT_EQ(total, std::min<int64_t>(all, 12)) << "the surprising part is full";
    EXPECT_EQ(static_cast<int64_t>(parts.random.size()),
              std::min<int64_t>(memory->seen() - total, 4));
  }
  EXPECT_GE(outliers, 5) << "the cap was not tested";
}

TEST(Surprise, TheRandomShareIsAUniformSampleOfTheRest) {
  constexpr int kStreams = 10000, kRows = 40;
  const auto stream = task_stream({kRows});
  std::vector<int> count(kRows);
  std::set<uint64_t> top;
  for (uint64_t seed = 0; seed < kStreams; ++seed) {
    const auto memory = surprise(12, 0.5);
    for (const Shown& s : stream) memory->insert(s.row, seed, s.loss);
    const Parts parts(*memory);
    if (seed == 0) top = parts.surprising.at(0);
    ASSERT_EQ(parts.surprising.at(0), top) << "what is surprising is no matter of chance";
    for (const uint64_t id : parts.random) ++count[id];
  }
  std::vector<int> rest;
  for (uint64_t id = 0; id < kRows; ++id) {
    if (!top.contains(id)) rest.push_back(count[id]);
  }
  ASSERT_EQ(rest.size(), 34U);
  EXPECT_LT(chi_square(rest, 6, kStreams), 63.9);  // 0.999 quantile of 33 degrees of freedom
}

TEST(Surprise, AtRandomAloneIsTheReservoir) {
  const auto memory = surprise(10, 1.0);
  ReservoirMemory reservoir(10);
  for (const Shown& s : task_stream({40, 60, 5, 50})) {
    memory->insert(s.row, kSeed, s.loss);
    reservoir.insert(s.row, kSeed);
    ASSERT_EQ(ids_of(memory->rows()), ids_of(reservoir.rows()));
  }
}

TEST(Surprise, NeedsLosses) {
  EXPECT_THROW(surprise(10, 0.25)->insert(make_row(1, 0, {2}), kSeed, -1), Error);
}

}  // namespace
}  // namespace ilora
