#include "tests/fuzz/targets.h"

#include <unistd.h>

#include <fstream>
#include <stdexcept>

#include "base/error.h"

namespace ilora::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr Target kTargets[] = {
    {"gguf", read_gguf},
    {"safetensors", read_safetensors},
    {"index", read_index},
    {"json", read_json},
    {"yaml", read_yaml},
    {"csv", read_csv},
    {"tokenizer_json", read_tokenizer_json},
    {"tokenizer_model", read_tokenizer_model},
    {"chat_template", read_chat_template},
    {"task", read_task},
    {"task_yaml", read_task_yaml},
    {"csv_import", read_csv_import},
    {"json_import", read_json_import},
    {"results", read_results},
    {"rows", read_rows},
    {"metrics", read_metrics},
    {"analysis", read_analysis},
    {"model_config", read_model_config},
    {"gguf_model", read_gguf_model},
    {"peft", read_peft},
    {"state", read_state},
};

struct Scratch {
  fs::path path = fs::temp_directory_path() / ("ilora-fuzz-" + std::to_string(::getpid()));
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

}  // namespace

std::span<const Target> targets() {
  return kTargets;
}

void try_read(const Target& target, std::string_view bytes) {
  try {
    target.read(bytes);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kInternal) return;
    throw std::logic_error(std::string("a fault of ours: ") + e.what());
  } catch (const std::bad_alloc&) {
    throw std::logic_error("more memory than there is");
  }
}

fs::path scratch_file(const fs::path& name, std::string_view bytes) {
  static const Scratch scratch;
  const fs::path path = scratch.path / name;
  if (!fs::exists(path)) fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

fs::path source_file(const fs::path& name) {
  return fs::path(ILORA_SOURCE_DIR) / name;
}

}  // namespace ilora::fuzz
