#include "train/scores.h"

#include <algorithm>
#include <set>

#include "base/error.h"

namespace ilora {
namespace {

Json number_or_null(const std::optional<double>& x) {
  return x ? Json(*x) : Json(nullptr);
}

Json matrix_json(const ScoreMatrix& matrix) {
  Json rows = Json::array();
  for (const auto& row : matrix) {
    Json cells = Json::array();
    for (const auto& cell : row) cells.push_back(number_or_null(cell));
    rows.push_back(cells);
  }
  return rows;
}

ScoreMatrix matrix_from(const Json& json) {
  ScoreMatrix matrix;
  for (const Json& row : json) {
    auto& cells = matrix.emplace_back();
    for (const Json& cell : row)
      cells.push_back(cell.is_null() ? std::nullopt : std::optional<double>(cell.get<double>()));
  }
  return matrix;
}

}  // namespace

void ScoreBook::set_tasks(std::vector<std::string> tasks, std::vector<std::string> measures) {
  tasks_ = std::move(tasks);
  measures_ = std::move(measures);
  for (auto& [learner, matrix] : by_learner_) {
    matrix.resize(tasks_.size() + 1);
    for (auto& row : matrix) row.resize(tasks_.size());
  }
  for (Probe& probe : probes_) probe.values.resize(tasks_.size() + 1);
}

void ScoreBook::set_probe(const std::string& name, const std::string& measure, size_t row,
                          double value) {
  auto probe = std::ranges::find_if(
      probes_, [&](const Probe& p) { return p.name == name && p.measure == measure; });
  if (probe == probes_.end()) {
    const std::vector<std::optional<double>> none(tasks_.size() + 1);
    probe = probes_.insert(probes_.end(), {name, measure, none});
  }
  probe->values.at(row) = value;
}

Json ScoreBook::probes_json() const {
  Json list = Json::array();
  for (const Probe& probe : probes_) {
    Json values = Json::array();
    for (const auto& value : probe.values) values.push_back(number_or_null(value));
    list.push_back({{"name", probe.name}, {"measure", probe.measure}, {"values", values}});
  }
  return list;
}

void ScoreBook::set(const std::string& learner, size_t row, size_t column, double score) {
  ScoreMatrix& matrix = by_learner_[learner];
  if (matrix.empty())
    matrix.assign(tasks_.size() + 1, std::vector<std::optional<double>>(tasks_.size()));
  matrix.at(row).at(column) = score;
}

std::optional<double> ScoreBook::get(const std::string& learner, size_t row, size_t column) const {
  const auto found = by_learner_.find(learner);
  return found == by_learner_.end() ? std::nullopt : found->second.at(row).at(column);
}

void ScoreBook::begin_learner(const std::string& learner, const std::string& from) {
  if (!by_learner_.contains(learner) && by_learner_.contains(from))
    by_learner_[learner] = by_learner_[from];
}

void ScoreBook::repeat_row(size_t from, size_t to) {
  for (auto& [learner, matrix] : by_learner_) matrix.at(to) = matrix.at(from);
  for (Probe& probe : probes_) probe.values.at(to) = probe.values.at(from);
}

ScoreMatrix ScoreBook::matrix(const std::string& learner) const {
  const auto found = by_learner_.find(learner);
  return found == by_learner_.end() ? ScoreMatrix{} : found->second;
}

Json ScoreBook::results(const std::string& deployed,
                        const std::vector<std::optional<double>>& references) const {
  Json json;
  json["tasks"] = tasks_;
  json["measures"] = measures_;
  const ScoreMatrix scores = matrix(deployed);
  json["scores"] = matrix_json(scores);
  json["scores_by"] = Json::object();
  for (const auto& [learner, full] : by_learner_) {
    for (const std::string& measure : std::set<std::string>(measures_.begin(), measures_.end())) {
      ScoreMatrix part = full;
      for (auto& row : part) {
        for (size_t j = 0; j < row.size(); ++j) {
          if (measures_[j] != measure) row[j].reset();
        }
      }
      json["scores_by"][learner][measure] = matrix_json(part);
    }
  }
  const ContinualMetrics m = continual_metrics(scores, references);
  json["metrics"] = {
      {"average_accuracy", number_or_null(m.average_accuracy)},
      {"average_incremental_accuracy", number_or_null(m.average_incremental_accuracy)},
      {"backward_transfer", number_or_null(m.backward_transfer)},
      {"forward_transfer", number_or_null(m.forward_transfer)},
      {"forgetting", number_or_null(m.forgetting)},
      {"intransigence", number_or_null(m.intransigence)}};
  if (!probes_.empty()) json["probes"] = probes_json();
  return json;
}

Json ScoreBook::to_json() const {
  Json json = {{"tasks", tasks_}, {"measures", measures_}, {"learners", Json::object()}};
  for (const auto& [learner, scores] : by_learner_) json["learners"][learner] = matrix_json(scores);
  json["probes"] = probes_json();
  return json;
}

void ScoreBook::from_json(const Json& json) {
  tasks_ = json.at("tasks").get<std::vector<std::string>>();
  measures_ = json.at("measures").get<std::vector<std::string>>();
  by_learner_.clear();
  for (const auto& [learner, scores] : json.at("learners").items())
    by_learner_[learner] = matrix_from(scores);
  probes_.clear();
  for (const Json& probe : json.value("probes", Json::array())) {
    for (size_t row = 0; row < probe.at("values").size(); ++row) {
      if (!probe["values"][row].is_null())
        set_probe(probe.at("name"), probe.at("measure"), row, probe["values"][row].get<double>());
    }
  }
}

}  // namespace ilora
