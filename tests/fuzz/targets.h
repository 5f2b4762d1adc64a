// The readers that are fuzzed: any bytes are read whole, or refused with ilora::Error of a kind that
// is no fault of ours. Whatever else a reader throws, and whatever a sanitizer sees, is a finding.
//
// fuzzer.cpp runs one of them under libFuzzer, replay_test.cpp all of them on their corpora. README.md
// says how.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

namespace ilora::fuzz {

struct Target {
  const char* name;  // of the folder below corpus/, too
  // Reads the bytes as its kind of file. Throws std::logic_error where something does not hold.
  void (*read)(std::string_view bytes);
};

std::span<const Target> targets();

// One each below; a file of this folder has those of one part of the source.
void read_gguf(std::string_view bytes);
void read_safetensors(std::string_view bytes);
void read_index(std::string_view bytes);  // model.safetensors.index.json beside one shard
void read_json(std::string_view bytes);
void read_yaml(std::string_view bytes);
void read_csv(std::string_view bytes);
void read_tokenizer_json(std::string_view bytes);
void read_tokenizer_model(std::string_view bytes);
void read_chat_template(std::string_view bytes);
void read_task(std::string_view bytes);       // train.json
void read_task_yaml(std::string_view bytes);  // task.yaml
void read_csv_import(std::string_view bytes);
void read_json_import(std::string_view bytes);  // JSON or JSON lines
void read_results(std::string_view bytes);
void read_rows(std::string_view bytes);     // rows.jsonl
void read_metrics(std::string_view bytes);  // metrics.jsonl
void read_analysis(std::string_view bytes);
void read_model_config(std::string_view bytes);  // config.json, of any family
void read_gguf_model(std::string_view bytes);    // configuration and tokenizer
void read_peft(std::string_view bytes);          // adapter_config.json beside an adapter's tensors
void read_state(std::string_view bytes);         // a checkpoint without a hash

// `read`, where an error of ours is an answer.
void try_read(const Target& target, std::string_view bytes);

// A file of a folder that goes away with the process, with these bytes; not synced.
std::filesystem::path scratch_file(const std::filesystem::path& name, std::string_view bytes);
// One of the repository's.
std::filesystem::path source_file(const std::filesystem::path& name);

}  // namespace ilora::fuzz
