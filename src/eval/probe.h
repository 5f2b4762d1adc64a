// General ability: what the base model knew and the tasks do not teach. Watched before training and
// after every task, so that forgetting of that kind is seen too (TRACE, arXiv 2310.06762, calls its
// change Delta R). Called by the trainer; the files are the user's (probe.text, probe.choices).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "model/engine.h"
#include "model/generate.h"

namespace ilora {

class Encoder;

// A question of a multiple-choice set: {"question": text, "choices": [text, …], "answer": its index
// from 0, or its text} on each line.
struct ProbeQuestion {
  std::string question;
  std::vector<std::string> choices;
  size_t answer = 0;
};

// At most `rows` questions (0: all), the first of a fixed permutation. Throws Error(kData) naming
// file and line for a line of another form, fewer than two choices, an answer that is none of them.
std::vector<ProbeQuestion> read_questions(const std::filesystem::path& file, int64_t rows);

struct ProbeOptions {
  std::vector<std::string> text, choices;  // files
  int64_t tokens = 8192;                   // most tokens of a text; 0: all
  int64_t rows = 200;                      // most questions of a set; 0: all
};

class Probes {
 public:
  // Reads and tokenizes the files. The encoder outlives the probes. Throws Error for files that
  // cannot be used.
  Probes(const Encoder& encoder, const ProbeOptions& options);

  struct Value {
    std::string name;     // of the file, without its ending
    std::string measure;  // "perplexity" or "accuracy"
    double value = 0;
  };
  bool empty() const { return texts_.empty() && sets_.empty(); }
  // Every probe of one model. Perplexity: over windows of the longest row that do not overlap, each
  // token but a window's first given those before it. Accuracy: the choice with the largest
  // log-likelihood per byte behind "question\nAnswer:" is right.
  std::vector<Value> measure(Engine& engine, const Answerer& answerer) const;

 private:
  struct Question {
    std::vector<int32_t> prompt;
    std::vector<std::vector<int32_t>> choices;
    std::vector<double> bytes;  // of each choice
    size_t answer = 0;
  };
  struct Text {
    std::string name;
    std::vector<std::vector<int32_t>> windows;
  };
  struct Set {
    std::string name;
    std::vector<Question> questions;
  };

  double perplexity(Engine& engine, const Answerer& answerer, const Text& text) const;
  double accuracy(Engine& engine, const Answerer& answerer, const Set& set) const;
  // How many of a batch's questions are answered rightly.
  int64_t right_answers(Engine& engine, const Answerer& answerer,
                        std::span<const Question> questions) const;

  const Encoder& encoder_;
  std::vector<Text> texts_;
  std::vector<Set> sets_;
};

}  // namespace ilora
