// results.json: what a run scored, in what time and on what. Written by train/trainer.cpp after
// each task, read by whatever works on runs.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runs/continual_metrics.h"
#include "runs/made_from.h"
#include "runs/score_matrix.h"

namespace ilora {

// General ability: one figure before training and after each task (eval/probe.h).
struct ProbeScores {
  std::string name, measure;  // "perplexity" or "accuracy"
  std::vector<Score> values;  // T+1

  static void visit(auto& keys, auto& self) {
    keys.value("name", self.name);
    keys.value("measure", self.measure);
    keys.required("values", self.values);
  }
};

struct Timing {
  std::optional<double> train_seconds;
  std::optional<int64_t> train_tokens;
  std::optional<double> tokens_per_second;

  static void visit(auto& keys, auto& self) {
    keys.value("train_seconds", self.train_seconds);
    keys.value("train_tokens", self.train_tokens);
    keys.value("tokens_per_second", self.tokens_per_second);
  }
};

// What a result was obtained on (train/environment.h).
struct Environment {
  std::string version, cpu, target;  // `target`: the instruction set
  std::optional<int64_t> threads;
  std::string mode;

  static void visit(auto& keys, auto& self) {
    keys.value("version", self.version);
    keys.value("cpu", self.cpu);
    keys.value("target", self.target);
    keys.value("threads", self.threads);
    keys.value("mode", self.mode);
  }
};

struct Results {
  static constexpr const char* kFile = "results.json";
  static constexpr const char* kRemedy =
      "Where the file is removed, `ilora train --resume` writes it anew.";
  static constexpr int64_t kSchema = 1;

  std::string status;  // "running", "finished" or "interrupted"
  std::string method;
  std::optional<int64_t> seed;
  std::string model, deployed;               // `deployed`: the learner that answers
  std::vector<std::string> tasks, measures;  // in the order learned
  ScoreMatrix scores;                        // of the deployed learner
  // By learner and measure: null for tasks of other measures.
  std::map<std::string, std::map<std::string, ScoreMatrix>> scores_by;
  ContinualMetrics metrics;
  std::vector<ProbeScores> probes;
  std::string note;  // where the scores need a word of explanation
  Timing timing;
  Environment environment;
  std::optional<MadeFrom> made_from;  // absent: written by an earlier version
  std::vector<HashedFile> files;      // as the run wrote them (own_files.h)

  static void visit(auto& keys, auto& self) {
    keys.schema(kSchema);
    keys.value("status", self.status);
    keys.value("method", self.method);
    keys.value("seed", self.seed);
    keys.value("model", self.model);
    keys.value("deployed", self.deployed);
    keys.required("tasks", self.tasks);
    keys.value("measures", self.measures);
    keys.required("scores", self.scores);
    keys.value("scores_by", self.scores_by);
    keys.value("metrics", self.metrics);
    keys.unless_empty("probes", self.probes);
    keys.unless_empty("note", self.note);
    keys.value("timing", self.timing);
    keys.value("environment", self.environment);
    keys.unless_empty("made_from", self.made_from);
    keys.unless_empty("files", self.files);
  }
  std::string problem() const;

  bool finished() const { return status == "finished"; }
  std::optional<size_t> column(const std::string& task) const;  // none for other tasks
  std::string measure(size_t column) const;                     // empty where it is not known
  // By name, and all that one of them scored, whatever measures its tasks have.
  std::vector<std::string> learners() const;
  ScoreMatrix scores_of(const std::string& learner) const;
};

}  // namespace ilora
