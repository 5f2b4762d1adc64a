// Rows: task folders, and what is imported.
#include "data/import/import.h"
#include "data/task.h"
#include "tests/fuzz/targets.h"

namespace ilora::fuzz {
namespace {

constexpr const char* kRows = R"([{"prompt": "a", "answer": "b"}])";

void import_file(const std::filesystem::path& file) {
  ImportOptions options;
  options.source = file;
  options.eval_share = 0;
  options.test_share = 0.5;
  static_cast<void>(import_task(guess_import_format(options), options));
}

}  // namespace

void read_task(std::string_view bytes) {
  const auto folder = scratch_file("task/train.json", bytes).parent_path();
  scratch_file("task/test.json", kRows);
  static_cast<void>(ilora::read_task(folder, {.train = 3}));
}

void read_task_yaml(std::string_view bytes) {
  const auto folder = scratch_file("task-yaml/task.yaml", bytes).parent_path();
  static_cast<void>(definition_of(folder, "task-yaml"));
}

void read_csv_import(std::string_view bytes) {
  import_file(scratch_file("import/rows.csv", bytes));
}

void read_json_import(std::string_view bytes) {
  import_file(scratch_file("import/rows.jsonl", bytes));
}

}  // namespace ilora::fuzz
