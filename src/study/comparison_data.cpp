#include "study/comparison_data.h"

#include "base/csv.h"
#include "base/file.h"
#include "base/json.h"
#include "runs/schema.h"

namespace ilora {
namespace {

Json method_json(const Comparison& c, const ComparedMethod& m) {
  Json json = {{"method", m.method}, {"seeds", m.seeds}, {"failed", Json::array()}};
  if (!m.learner.empty()) json["learner"] = m.learner;
  for (const auto& failure : m.failures)
    json["failed"].push_back({{"seed", failure.seed}, {"error", failure.error}});
  for (size_t i = 0; i < c.columns.size(); ++i) {
    const auto& value = m.values[i];
    Json& group = c.columns[i].task ? json["tasks"] : json["values"];
    group[c.columns[i].name] = {{"mean", value ? Json(value->mean) : Json(nullptr)},
                                {"deviation", value ? json_of(value->deviation) : Json(nullptr)},
                                {"best", static_cast<bool>(m.best[i])}};
  }
  if (m.difference) {
    const auto add = [&](const char* key, const MethodDifference::Value& value) {
      if (!value.interval) return;
      const Interval& i = *value.interval;
      json[key] = {{"seeds", m.difference->seeds},
                   {"mean", i.difference},
                   {"low", i.low},
                   {"high", i.high},
                   {"p", i.p},
                   {"seeds_agreeing", i.agreeing}};
    };
    add("difference", m.difference->average_accuracy);
    add("backward_transfer_difference", m.difference->backward_transfer);
  }
  return json;
}

}  // namespace

std::string comparison_csv(const Comparison& c) {
  std::vector<std::string> head = {"method", "seeds", "failed"};
  for (const ComparedColumn& column : c.columns)
    head.insert(head.end(), {column.name + " mean", column.name + " sd"});
  for (const char* of : {"", "transfer "})
    for (const char* value : {"difference", "low", "high", "p"})
      head.push_back(std::string(of) + value);
  std::string out = csv_line(head);
  for (const ComparedMethod& m : c.methods) {
    std::vector<std::string> line = {m.name(), std::to_string(m.seeds.size()),
                                     std::to_string(m.failures.size())};
    for (const auto& value : m.values) {
      line.push_back(value ? csv_number(value->mean) : "");
      line.push_back(value && value->deviation ? csv_number(*value->deviation) : "");
    }
    const MethodDifference difference = m.difference.value_or(MethodDifference{});
    for (const auto& value : {difference.average_accuracy, difference.backward_transfer}) {
      const std::optional<Interval>& i = value.interval;
      if (i) {
        line.insert(line.end(), {csv_number(i->difference), csv_number(i->low), csv_number(i->high),
                                 csv_number(i->p)});
      } else {
        line.insert(line.end(), 4, "");
      }
    }
    out += csv_line(line);
  }
  return out;
}

void write_comparison_json(const std::filesystem::path& file, const Comparison& c) {
  Json json = {{"schema", 1},
               {"model", c.model},
               {"cpu", c.cpu},
               {"split", c.split},
               {"against", c.against},
               {"bootstrap", {{"resamples", c.bootstrap.resamples}, {"seed", c.bootstrap.seed}}},
               {"methods", Json::array()}};
  if (c.taught) json["taught"] = *c.taught;
  for (const ComparedMethod& m : c.methods) json["methods"].push_back(method_json(c, m));
  write_json(file, json);
}

}  // namespace ilora
