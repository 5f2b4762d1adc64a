// README.md beside an exported adapter, in the form of a Hugging Face model card: base, method,
// tasks, scores. It says nothing of a licence: no file of a run knows one.
//
// Written by `ilora export --to peft` (cli/export.cpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/adapter.h"
#include "runs/results.h"

namespace ilora {

struct ModelCard {
  std::string name;  // of the folder
  std::string base;  // as base_model_name_or_path says it
  LoraOptions adapter;
  // Of a run; empty where the adapter came from elsewhere.
  std::string learner;        // or the point on a line, in words
  std::string text_template;  // raw or chat
  std::optional<Results> results;
  int64_t task = 0;     // tasks learned, from 1
  bool scored = false;  // whether `learner` names one whose scores are in the results
};

// Whether `base` is a name that the hub gives ("owner/name"), which a card may link.
bool is_hub_name(const std::string& base);

std::string model_card(const ModelCard& card);

}  // namespace ilora
