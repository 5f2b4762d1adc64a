// A base model in memory: its files, its weights and its tokenizer, in the precision and with the
// kernels that were asked for. Nothing of it changes once it is there, so several engines may use it
// at the same time, each in a thread of its own (workbench.h).
#pragma once

#include <optional>
#include <string>

#include "kernels/selection.h"
#include "model/weights.h"
#include "text/tokenizer.h"

namespace ilora {

// What decides a loaded model.
struct ModelOptions {
  std::string path;              // a GGUF file or a Hugging Face folder
  std::string weights = "auto";  // expanded, stored or auto
  std::string mode = "auto";     // of mode_choice.h, or auto
  std::string kernels = "cpu";   // cpu, reference or check
};

struct LoadedModel {
  // Loads the weights; parallel loops use the calling thread's count. Throws Error(kUsage) where no
  // model is named, Error(kUnsupported) where bf16 is forced on a CPU that cannot run it, and what
  // files throw that cannot be read.
  explicit LoadedModel(const ModelOptions& options);
  // The same of what was opened before, which it takes over; options.path is theirs.
  LoadedModel(ModelFiles opened, const ModelOptions& options,
              std::optional<Tokenizer> read = std::nullopt);
  LoadedModel(const LoadedModel&) = delete;

  const ModelConfig& config() const { return files.config(); }
  DType gemm_type() const { return weights.gemm_type(); }
  const std::string& mode() const { return options.mode; }  // never auto

  const ModelFiles files;
  const ModelOptions options;  // as asked for, with the mode that computes
  const Tokenizer tokenizer;   // lends each call scratch of its own
  const KernelSelection selection;
  const Kernels& kernels;  // the selection's table
  const Weights weights;
};

// How weights are kept under a setting ("auto", "expanded", "stored").
WeightStorage weight_storage_of(const std::string& weights);
// Throws Error(kUsage) where no path is given.
ModelFiles open_model(const ModelOptions& options);
Tokenizer load_tokenizer(const ModelFiles& files);

}  // namespace ilora
