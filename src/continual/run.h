// All that a method may touch during a run. Hooks see rows and flat vectors, never the optimiser,
// the file system or the network.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comm/comm.h"
#include "model/engine.h"
#include "model/prompt_pool.h"

namespace ilora {

// Where a run stands.
struct Position {
  int64_t task = 0;        // index of the stream's task, from 0
  int64_t tasks = 0;       // number of tasks in the stream
  int64_t task_step = 0;   // optimiser steps of this task, this one included once it is done
  int64_t task_steps = 0;  // optimiser steps that this task takes
  int64_t epoch = 0;       // of this task, from 0
  int64_t step = 0;        // optimiser steps of the whole run, this one included once it is done
};

// A named adapter. "fast" is the one that the optimiser trains; methods may add others.
struct Learner {
  std::string name;
  std::unique_ptr<Adapter> adapter;
};

// Rows whose loss has a gradient of its own.
struct RowGroup {
  std::vector<const Row*> rows;
  Tensor gradient;  // flat
};

// A loss term that a method computes by itself, as it enters the loss.
struct OwnTerm {
  double value = 0;
  double gradient_norm = 0;
};

class Run {
 public:
  // Engine and comm outlive the run.
  Run(Engine& engine, Adapter fast, uint64_t run_seed, const LossOptions& labels, const Comm& comm);

  Position position;
  std::span<const Row* const> task_rows;  // training rows of the present task, in its file's order
  const uint64_t seed;
  const LossOptions loss;  // of its rows' labels

  const Comm& comm() const { return comm_; }
  const Kernels& kernels() const { return engine_.kernels(); }
  const ModelConfig& config() const { return engine_.config(); }

  Adapter& fast() { return *learners_.front().adapter; }
  Tensor gradient() const { return gradient_.view(); }  // flat, of the fast learner
  // Uses of the fast learner, trained.
  Uses trained() { return {{&fast(), 1.0, gradient()}}; }

  Adapter* find(const std::string& name) const;  // null where there is no such learner
  Adapter& add_copy_of_fast(const std::string& name);
  const std::vector<Learner>& learners() const { return learners_; }

  // What follows is summed over processes (comm.h), but for what is said of single rows.

  // What the losses of a step's pass are divided by.
  Denominators denominators(const Pass& pass) const;
  // Runs a pass as a step's own, with the present step's dropout: the vectors that its trained uses
  // name become its gradient. Tells its losses. Its tokens are the trainer's to count.
  PassReport run_step(const Pass& pass);
  // For each group, its vector becomes the gradient of the group's own loss (as if it were a step's
  // rows) under the fast learner, with the present step's dropout. One pass: the groups share the
  // products with base weights.
  void gradients(std::span<const RowGroup> groups);
  // Rows that per_sequence_gradients() runs together, each with a flat vector of its own.
  static constexpr int64_t kSequencesAtOnce = 8;
  // Shows for each row, in order, the gradient of -log p(answer | prompt), summed over the labels,
  // under the fast learner without dropout: of this process's rows, one by one. The flat vector is
  // valid during the call alone.
  using SequenceVisitor = std::function<void(const Row& row, Tensor gradient)>;
  void per_sequence_gradients(std::span<const Row* const> rows, const SequenceVisitor& visit);
  // Of each row, in order, -log p(answer | prompt) per label under an adapter, without dropout: of
  // this process's rows. No gradient, so their tokens do not count as trained.
  std::vector<double> losses(const Adapter& adapter, std::span<const Row* const> rows);
  // The k largest logits at each of the row's labels under an adapter, without dropout, largest
  // first; all of them where the vocabulary has fewer. The row runs alone, so that the bits depend
  // on nothing else. No gradient, so its tokens do not count as trained.
  TopLogits top_logits(const Adapter& adapter, const Row& row, int64_t k);
  // How an adapter answers by itself; which soft prompts a text chooses; values to begin them with
  // (model/prompt_pool.h).
  Answerer answerer_of(const Adapter& adapter) { return ilora::answerer_of(engine_, adapter); }
  std::vector<float> prompt_query(std::span<const int32_t> tokens) {
    return ilora::prompt_query(engine_, tokens);
  }
  void fill_with_embeddings(Tensor prompts, const Random& random) {
    ilora::fill_with_embeddings(engine_, prompts, random);
  }
  // Tokens of gradients() and per_sequence_gradients() since the last call: they count as trained.
  int64_t take_extra_tokens() { return std::exchange(extra_tokens_, 0); }
  // What the step's own pass told, segment by segment; set before edit_gradient().
  PassReport step_losses;

  // A figure for metrics.jsonl of this step, such as a distance or a coefficient.
  void report(const std::string& name, double value) { reported_[name] = value; }
  const std::map<std::string, double>& reported() const { return reported_; }
  // A loss term of the method's own, whose gradient it adds to gradient() in edit_gradient(): it
  // reaches the step's loss, terms and gradient norms in metrics.jsonl.
  void report_term(const std::string& name, OwnTerm term) { own_terms_[name] = term; }
  const std::map<std::string, OwnTerm>& own_terms() const { return own_terms_; }
  void clear_reported();

 private:
  void run_alone(const Pass& pass, uint64_t dropout_key);
  uint64_t dropout_key() const;  // of the present step's masks

  Engine& engine_;
  const Comm& comm_;
  std::vector<Learner> learners_;
  Buffer gradient_;
  std::map<std::string, double> reported_;
  std::map<std::string, OwnTerm> own_terms_;
  std::vector<Buffer> sequence_gradients_;  // scratch of per_sequence_gradients()
  int64_t extra_tokens_ = 0;
};

}  // namespace ilora
