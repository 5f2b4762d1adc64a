// A recipe: everything that decides a run, as one list of options.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/options.h"
#include "data/encoder.h"
#include "data/task.h"
#include "eval/probe.h"
#include "model/adapter.h"
#include "model/pass.h"
#include "train/loaded_model.h"

namespace ilora {

struct Recipe {
  std::string method = "ilora";
  std::string protocol = "none";  // full and reduced set values (recipe_options.cpp)
  int64_t seed = 1;
  std::string output = "runs/run";

  std::string model;
  std::string weights = "auto";  // expanded, stored or auto
  std::string mode = "auto";     // of mode_choice.h, or auto
  std::string mode_so_far;       // what auto was when the run was begun; empty: it is new
  std::string kernels = "cpu";   // cpu, reference or check
  int64_t threads = 0;           // 0: all cores
  bool profile = false;          // times every operation; not an option: how a run is watched
  int64_t max_tokens = 768;
  int64_t label_chunk = 256;
  std::string recompute = "auto";   // none, layer or auto
  std::string decoding = "blocks";  // blocks or exact
  std::string memory;               // such as "4GiB": chooses the four settings of memory_plan.h

  std::string data_folder = ".";
  std::vector<std::string> tasks;  // folders, in the order they are learned
  std::string text_template = "raw", turns = "all", special_tokens = "text";
  int64_t max_length = 1024, max_answer = 0;
  int64_t train_rows = 0, eval_rows = 0, test_rows = 0;  // 0: all
  int64_t rows_seed =
      0;  // which training rows a limit leaves; 0: every run's, -1: by the run's seed
  std::vector<std::string> task_rows;  // "TASK.SPLIT=N", before those three

  LoraOptions lora;
  std::string start_adapter;  // a PEFT folder to start from

  int64_t epochs = 4;
  int64_t batch_size = 8;
  double learning_rate = 1e-3;
  std::string schedule = "linear";
  double warm_up = 0.1;  // share of a task's steps
  double weight_decay = 0.0;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double clip = 1.0;  // global norm; 0: off
  std::string loss_reduction = "sequence";
  bool train_on_prompt = false;
  std::string reset_optimizer = "true";  // moments start anew with each task; first: the first one

  std::vector<std::string> measures;  // one for all tasks, or one per task; empty: auto
  std::string split = "test";
  std::string matrix = "full";          // which entries of the score matrix are evaluated
  int64_t max_new_tokens = 0;           // 0: each task's own
  ProbeOptions probe;                   // of general ability
  std::vector<std::string> references;  // runs of single tasks, for intransigence

  int64_t checkpoint_every = 0;       // optimiser steps; 0: at the end of each task
  int64_t gradient_norms_every = 25;  // steps between logs of each term's gradient norm; 0: never

  void add_options(OptionList& options);
  // Throws Error(kFile) where the model of a run is gone.
  ModelOptions model_options() const;
  LossOptions loss() const;
  EncodeOptions encoding() const {
    return {text_template, max_length, max_answer, turns, special_tokens};
  }
  // Throws Error(kUsage) for an entry of task_rows that is not TASK.SPLIT=N.
  TaskLimits limits(const std::string& task) const;
  Split evaluated_split() const { return split == "eval" ? Split::kEval : Split::kTest; }
  std::string measure_of(size_t task) const;
  // The folders of the tasks; with no tasks named, every subfolder of data.folder that holds a
  // task's file, by name.
  std::vector<std::filesystem::path> task_folders() const;

  // Every file and folder that is read, as the options name it.
  std::vector<std::string> paths() const;
  // Sets each to what `replace` makes of it; that is told the option's key, too.
  using ReplacePath =
      std::function<std::string(const std::string& option, const std::string& path)>;
  void replace_paths(const ReplacePath& replace);
  // Throws Error(kFile) where a path is one of `missing`.
  void require_found(const std::string& path) const;

  // Of a run that was opened: paths that are not where they were.
  struct MissingPath {
    std::string path, option;
    std::vector<std::string> looked;  // where it was looked for
  };
  std::vector<MissingPath> missing;
};

// The task folders below `folder`, or `folder` itself where it is one. Throws Error(kFile) where
// there is none.
std::vector<std::filesystem::path> task_folders_in(const std::filesystem::path& folder);

}  // namespace ilora
