// Model files made by hand, for tests of what is read from them: a Hugging Face folder with its
// configuration and tensors changed, and a GGUF file of one layer.
#pragma once

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "formats/safetensors.h"
#include "tests/unit/formats/bytes.h"

namespace ilora::test {

struct Values {
  std::vector<int64_t> shape;
  std::vector<float> elements;
};

// A folder's configuration and tensors, to be changed and written elsewhere.
struct FolderModel {
  Json config;
  std::map<std::string, Values> tensors;

  explicit FolderModel(const std::filesystem::path& folder)
      : config(read_json(folder / "config.json")) {
    const SafetensorsFile file(folder / "model.safetensors");
    for (const StoredTensor& stored : file.tensors()) {
      Values& values = tensors[stored.name];
      values.shape = stored.shape;
      values.elements.resize(static_cast<size_t>(stored.size()));
      expand_rows(values.elements.data(), stored, 0, stored.size() / stored.row_length());
    }
  }

  // Multiplies every tensor whose name contains `part`, and adds.
  void change(const std::string& part, float factor, float summand = 0) {
    for (auto& [name, values] : tensors) {
      if (name.find(part) == std::string::npos) continue;
      for (float& element : values.elements) element = element * factor + summand;
    }
  }

  void write(const std::filesystem::path& folder) const {
    std::filesystem::create_directories(folder);
    write_json(folder / "config.json", config);
    std::vector<StoredTensor> stored;
    for (const auto& [name, values] : tensors)
      stored.push_back(stored_view<float>(name, values.shape, std::span(values.elements)));
    write_safetensors(folder / "model.safetensors", stored);
  }
};

// A GGUF of one layer: D 8, two heads, F 16, V 4, all weights zero.
struct GgufModel {
  std::string architecture = "llama";
  std::vector<std::pair<std::string, double>> numbers = {};  // further keys: ".name" under the
                                                             // architecture, or a whole name
  std::vector<std::pair<std::string, bool>> switches = {};
  std::vector<std::pair<std::string, std::vector<uint64_t>>> tensors = {};  // further ones

  std::string bytes() const {
    std::vector<std::pair<std::string, double>> keys = {{".block_count", 1},
                                                        {".embedding_length", 8},
                                                        {".attention.head_count", 2},
                                                        {".feed_forward_length", 16},
                                                        {".context_length", 32}};
    keys.insert(keys.end(), numbers.begin(), numbers.end());
    std::vector<std::pair<std::string, std::vector<uint64_t>>> all = {
        {"token_embd.weight", {8, 4}},      {"output_norm.weight", {8}},
        {"blk.0.attn_norm.weight", {8}},    {"blk.0.ffn_norm.weight", {8}},
        {"blk.0.attn_q.weight", {8, 8}},    {"blk.0.attn_k.weight", {8, 8}},
        {"blk.0.attn_v.weight", {8, 8}},    {"blk.0.attn_output.weight", {8, 8}},
        {"blk.0.ffn_gate.weight", {8, 16}}, {"blk.0.ffn_up.weight", {8, 16}},
        {"blk.0.ffn_down.weight", {16, 8}}};
    all.insert(all.end(), tensors.begin(), tensors.end());

    const auto full = [&](const std::string& key) {
      return key.front() == '.' ? architecture + key : key;
    };
    Builder b;
    b.header(3, all.size(), keys.size() + switches.size() + 2);
    b.entry("general.architecture", 8).string(architecture);
    b.entry(full(".attention.layer_norm_rms_epsilon"), 6).number(1e-5f);
    for (const auto& [key, value] : keys) {
      if (value == std::floor(value)) {
        b.entry(full(key), 10).u64(static_cast<uint64_t>(value));
      } else {
        b.entry(full(key), 6).number(static_cast<float>(value));
      }
    }
    for (const auto& [key, value] : switches)
      b.entry(full(key), 7).number(static_cast<uint8_t>(value));
    uint64_t offset = 0;
    for (const auto& [name, shape] : all) {
      b.tensor(name, shape, 0, offset);
      uint64_t size = 4;
      for (const uint64_t extent : shape) size *= extent;
      offset += (size + 31) / 32 * 32;
    }
    b.align(32).out.append(offset, '\0');
    return b.out;
  }
};

}  // namespace ilora::test
