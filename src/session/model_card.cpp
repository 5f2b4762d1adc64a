#include "session/model_card.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

namespace ilora {
namespace {

// A text in a cell of a table.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '|' ? "\\|" : c == '\n' ? " " : std::string(1, c);
  return out;
}

std::string row(const std::string& name, const std::string& value) {
  return fmt::format("| {} | {} |\n", name, cell(value));
}

std::string facts(const ModelCard& card) {
  const LoraOptions& o = card.adapter;
  std::string out = "| | |\n|---|---|\n" + row("base model", card.base);
  if (o.prompts.rows > 0) {
    out += row("soft prompts", fmt::format("{} rows", o.prompts.rows));
  } else {
    out += row("LoRA", fmt::format("rank {}, alpha {}{}, on {}", o.rank, o.alpha,
                                   o.rslora ? " (rsLoRA)" : "", fmt::join(o.targets, ", ")));
  }
  if (!card.results) return out;
  const Results& results = *card.results;
  out += row("method", results.method);
  out += row("learner", card.learner);
  if (results.seed) out += row("seed", std::to_string(*results.seed));
  out += row("prompts", card.text_template == "chat" ? "in the model's chat template"
                                                     : "as they stand, without a chat template");
  if (!results.environment.version.empty())
    out += row("trained with", "ilora " + results.environment.version);
  return out;
}

// The scores of the card's learner after its task; of a point that nobody scored the tasks alone.
std::string tasks(const ModelCard& card) {
  const Results& results = *card.results;
  const auto learned = std::min(static_cast<size_t>(card.task), results.tasks.size());
  std::string out = "\n## Tasks\n\nLearned in this order";
  if (!card.scored) {
    out += fmt::format(": {}. This adapter was not scored on them.\n",
                       fmt::join(results.tasks.begin(),
                                 results.tasks.begin() + static_cast<int64_t>(learned), ", "));
    return out;
  }
  const ScoreMatrix scores = results.scores_of(card.learner);
  const std::string after = learned == results.tasks.size()
                                ? "the last"
                                : fmt::format("{} of {}", learned, results.tasks.size());
  out += fmt::format("; scores after {}, on rows that were not trained on.\n\n", after);
  out += "| task | measure | score |\n|---|---|---|\n";
  for (size_t t = 0; t < learned; ++t) {
    const Score score = score_at(scores, static_cast<size_t>(card.task), t);
    out += fmt::format("| {} | {} | {} |\n", cell(results.tasks[t]), results.measure(t),
                       score ? fmt::format("{:.3f}", *score) : "not scored");
  }
  return out;
}

}  // namespace

bool is_hub_name(const std::string& base) {
  const size_t slash = base.find('/');
  if (slash == base.npos || slash == 0 || slash + 1 == base.size()) return false;
  if (base.find('/', slash + 1) != base.npos || base.ends_with(".gguf")) return false;
  const bool plain = std::ranges::all_of(base, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '/' || c == '-' || c == '_' || c == '.';
  });
  return plain && base[0] != '.' && !std::filesystem::exists(base);
}

std::string model_card(const ModelCard& card) {
  std::string out = "---\nlibrary_name: peft\npipeline_tag: text-generation\n";
  if (is_hub_name(card.base)) out += fmt::format("base_model: {}\n", card.base);
  out += "tags:\n- lora\n- ilora\n---\n\n";
  out += fmt::format("# {}\n\n", card.name);
  out += card.results ? fmt::format("An adapter that learned {} of {} tasks one after another.\n\n",
                                    card.task, card.results->tasks.size())
                      : std::string("An adapter in PEFT's form, written by ilora.\n\n");
  out += facts(card);
  if (card.results) out += tasks(card);
  return out +
         "\nThe licences of base model and data are not recorded where this was written, so none "
         "is "
         "named.\n";
}

}  // namespace ilora
