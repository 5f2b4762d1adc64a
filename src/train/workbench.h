// A model ready to work: files, weights, engine, tokenizer and encoder, as a recipe asks for them.
#pragma once

#include <memory>
#include <string>

#include "data/encoder.h"
#include "kernels/selection.h"
#include "model/engine.h"
#include "model/weights.h"
#include "text/tokenizer.h"
#include "train/recipe.h"

namespace ilora {

struct Workbench {
  // Loads the recipe's model and chooses its kernels and precision. Throws Error(kUnsupported)
  // where bf16 is forced on a CPU that cannot run it.
  explicit Workbench(const Recipe& recipe);
  Workbench(const Workbench&) = delete;

  std::string mode() const { return engine->gemm_type() == DType::kBF16 ? "bf16" : "f32"; }

  ModelFiles files;
  KernelSelection selection;
  const Kernels& kernels;  // the selection's table
  std::unique_ptr<Weights> weights;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Encoder> encoder;
};

// The precision that a mode ("auto", "f32", "bf16") means on this CPU.
DType gemm_type_of(const std::string& mode);
// The recipe's model file or folder. Throws Error(kUsage) where none is named.
ModelFiles open_model(const Recipe& recipe);
Tokenizer load_tokenizer(const ModelFiles& files);

}  // namespace ilora
