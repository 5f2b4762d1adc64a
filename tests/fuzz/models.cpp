// What models, adapters and states say of themselves.
#include "base/file.h"
#include "formats/gguf.h"
#include "model/config.h"
#include "model/families/family.h"
#include "model/peft.h"
#include "runs/made_from.h"
#include "runs/score_book.h"
#include "tests/fuzz/targets.h"
#include "text/tokenizer.h"
#include "train/checkpoint.h"

namespace ilora::fuzz {

void read_model_config(std::string_view bytes) {
  const auto folder = scratch_file("model/config.json", bytes).parent_path();
  static_cast<void>(config_from_folder(folder, model_families()));
}

// What a GGUF file says of its model and its tokenizer.
void read_gguf_model(std::string_view bytes) {
  const GgufFile file =
      GgufFile::from_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())), "fuzz.gguf");
  static_cast<void>(Tokenizer::from_gguf(file));
  static_cast<void>(config_from_gguf(file, model_families()));
}

// adapter_config.json beside the tensors of a whole adapter.
void read_peft(std::string_view bytes) {
  static const ModelConfig model =
      config_from_folder(source_file("tests/golden/tiny-llama/model"), model_families());
  static const std::string tensors =
      read_file(source_file("tests/golden/tiny-llama/adapter-all/adapter_model.safetensors"));
  const auto folder = scratch_file("peft/adapter_config.json", bytes).parent_path();
  scratch_file("peft/adapter_model.safetensors", tensors);
  static_cast<void>(load_peft(folder, model));
}

// A state without a hash, as a run of tasks 0 to 2 and tokens 0 to 999 opens it.
void read_state(std::string_view bytes) {
  StateReader reader(scratch_file("state.safetensors", bytes), {.vocabulary = 1000, .tasks = 3});
  int64_t number = 0;
  double seconds = 0;
  std::vector<Row> rows;
  std::vector<int64_t> list;
  reader.value("position.task", number);
  reader.value("timing.train_seconds", seconds);
  reader.rows("ilora.memory.rows", rows);
  visit_list(reader, "list", list);
  for (const std::string& learner : reader.texts("learners")) {
    std::vector<float> values(8);
    reader.vector("learner." + learner, Tensor(values.data(), DType::kF32, {8}));
  }
  static_cast<void>(reader.parse<ScoreBook>("scores"));
  if (reader.has("made_from")) static_cast<void>(reader.parse<MadeFrom>("made_from"));
}

}  // namespace ilora::fuzz
