#include "model/merged.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/parallel.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "formats/safetensors.h"
#include "model/adapter_parts.h"
#include "model/row_order.h"
#include "tensor/quant.h"
#include "tensor/quantise.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// The squares of a MergeReport, one entry per chunk of rows, so that their sum has one order.
struct Squares {
  double change = 0, rounding = 0;
};

// What an adapter adds to one stored matrix.
struct Addition {
  const LoraBlock* block = nullptr;
  const float* a = nullptr;  // (R,in)
  std::vector<float> b;      // (out,R), rows in the file's order, times the scale
};

class Merge {
 public:
  Merge(const ModelFiles& base, const Adapter& adapter) : adapter_(adapter) {
    const AdapterLayout& layout = adapter.layout();
    if (layout.prompts().rows > 0)
      throw Error(ErrorKind::kUnsupported, "[merge] soft prompts cannot be merged into weights",
                  "Methods that train LoRA (such as ilora, er, seq) can be merged.");
    for (const LoraBlock& block : layout.blocks()) {
      const BlockTensors& tensors = base.tensors().blocks[static_cast<size_t>(block.layer)];
      blocks_[tensors.weight[static_cast<size_t>(block.module)]->name] = &block;
    }
    gguf_ = base.gguf() != nullptr;
    config_ = &base.config();
    report_.maps = static_cast<int64_t>(blocks_.size());
  }

  bool changes(const StoredTensor& stored) const { return blocks_.contains(stored.name); }

  // The tensor in a type, with what the adapter adds.
  PlannedTensor plan(const StoredTensor& stored, DType type) {
    if (!changes(stored) && stored.dtype == type) return planned_copy(stored);
    return {stored.name, type, stored.shape,
            [this, &stored, type](std::span<std::byte> out) { fill(out, stored, type); }};
  }

  MergeReport report() const {
    return {report_.maps, std::sqrt(squares_.change), std::sqrt(squares_.rounding), {}};
  }

 private:
  Addition addition_to(const StoredTensor& stored) const {
    Addition addition;
    const auto found = blocks_.find(stored.name);
    if (found == blocks_.end()) return addition;
    const LoraBlock& block = *(addition.block = found->second);
    addition.a = adapter_.values().ptr<float>() + block.offset_a;
    addition.b = lora_b(adapter_, block);
    const auto scale = static_cast<float>(adapter_.scaling());
    for (float& b : addition.b) b *= scale;
    if (gguf_)
      addition.b = in_file_order(std::move(addition.b), block.out,
                                 gguf_rows(*config_, block.module, block.out));
    return addition;
  }

  // change (in) = b A, for the row of B of a stored row.
  static void add_row(std::span<float> change, const Addition& addition, int64_t row) {
    const LoraBlock& block = *addition.block;
    std::ranges::fill(change, 0.0f);
    for (int64_t r = 0; r < block.rank; ++r) {
      const float b = addition.b[static_cast<size_t>(row * block.rank + r)];
      const float* a = addition.a + r * block.in;
      for (size_t i = 0; i < change.size(); ++i) change[i] += b * a[i];
    }
  }

  void fill(std::span<std::byte> out, const StoredTensor& stored, DType type) {
    constexpr int64_t kRowsPerChunk = 64;
    const int64_t width = stored.row_length(), rows = stored.size() / width;
    const Addition addition = addition_to(stored);
    std::vector<Squares> squares(static_cast<size_t>((rows + kRowsPerChunk - 1) / kRowsPerChunk));
    parallel_for(rows, kRowsPerChunk, [&](int64_t begin, int64_t end) {
      std::vector<float> values(static_cast<size_t>(width)), change(values.size()),
          kept(values.size());
      Squares& own = squares[static_cast<size_t>(begin / kRowsPerChunk)];
      for (int64_t row = begin; row < end; ++row) {
        expand_finite_rows(values.data(), stored, row, row + 1);
        const std::span<std::byte> to =
            out.subspan(static_cast<size_t>(dtype_bytes(type, row * width)),
                        static_cast<size_t>(dtype_bytes(type, width)));
        if (addition.block == nullptr) {
          fill_elements(to, type, values, stored.name);
          continue;
        }
        add_row(change, addition, row);
        for (size_t i = 0; i < values.size(); ++i) values[i] += change[i];
        fill_elements(to, type, values, stored.name);
        expand_elements(kept.data(), type, to.data(), width);
        for (size_t i = 0; i < values.size(); ++i) {
          const double c = change[i], lost = static_cast<double>(kept[i]) - values[i];
          own.change += c * c;
          own.rounding += lost * lost;
        }
      }
    });
    for (const Squares& one : squares) {
      squares_.change += one.change;
      squares_.rounding += one.rounding;
    }
    release_pages(stored.bytes);
  }

  const Adapter& adapter_;
  const ModelConfig* config_ = nullptr;
  bool gguf_ = false;
  std::map<std::string, const LoraBlock*, std::less<>> blocks_;  // by the tensor's name
  MergeReport report_;
  Squares squares_;
};

// What takes a type's place, as llama.cpp has it: for rows that do not hold whole blocks of it, and for embedding and head,
// from which every answer begins and ends.
struct Stand {
  DType type, short_rows, outer;
};
constexpr Stand kStands[] = {
    {DType::kQ4_0, DType::kF16, DType::kQ8_0},  {DType::kQ4_1, DType::kF16, DType::kQ8_0},
    {DType::kQ5_0, DType::kF16, DType::kQ8_0},  {DType::kQ5_1, DType::kF16, DType::kQ8_0},
    {DType::kQ8_0, DType::kF16, DType::kQ8_0},  {DType::kQ4_K, DType::kQ5_0, DType::kQ6_K},
    {DType::kQ5_K, DType::kQ5_1, DType::kQ6_K}, {DType::kQ6_K, DType::kQ8_0, DType::kQ6_K}};

DType type_for_rows(DType type, int64_t row_length, bool outer) {
  const auto* stand = std::ranges::find(kStands, type, &Stand::type);
  if (stand == std::end(kStands)) return type;
  const DType wanted = outer ? stand->outer : type;
  if (row_length % dtype_block(wanted) == 0) return wanted;
  return type_for_rows(std::ranges::find(kStands, wanted, &Stand::type)->short_rows, row_length,
                       outer);
}

// The type that a tensor of a merged GGUF file has.
DType type_in_gguf(const StoredTensor& stored, const ModelFiles& base, bool changes,
                   std::optional<DType> type) {
  if (stored.shape.size() < 2) return stored.dtype;
  if (!type) {
    if (!changes || is_quantisable(stored.dtype)) return stored.dtype;
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("[merge] {} cannot be rounded to its own type again", stored.describe()),
        fmt::format("ilora writes {}. Choose one of them (--type), such as q8_0.",
                    quantisable_types()));
  }
  const ModelTensors& tensors = base.tensors();
  const bool outer = stored.name == tensors.embedding->name || stored.name == tensors.head->name;
  return type_for_rows(*type, stored.row_length(), outer);
}

// llama.cpp's number of a file whose matrices have a type mostly (llama_ftype).
uint32_t file_type(DType type) {
  switch (type) {
    case DType::kF16:
      return 1;
    case DType::kQ4_0:
      return 2;
    case DType::kQ4_1:
      return 3;
    case DType::kQ8_0:
      return 7;
    case DType::kQ5_0:
      return 8;
    case DType::kQ5_1:
      return 9;
    case DType::kQ4_K:
      return 14;
    case DType::kQ5_K:
      return 16;
    case DType::kQ6_K:
      return 18;
    case DType::kBF16:
      return 32;
    default:
      return 0;  // F32
  }
}

// Configuration, tokenizer and licence; a model card and weights are the base's own.
bool is_copied(const fs::path& path) {
  const std::string name = path.filename().string(), end = path.extension().string();
  if (name == "config.json" || name.ends_with(".safetensors.index.json")) return false;
  if (name.starts_with("LICENSE") || name.starts_with("NOTICE")) return true;
  return end == ".json" || end == ".model" || end == ".jinja" || end == ".txt";
}

}  // namespace

MergeReport write_merged_gguf(const fs::path& path, const ModelFiles& base, const Adapter& adapter,
                              std::optional<DType> type) {
  const GgufFile* file = base.gguf();
  if (file == nullptr)
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[merge] a GGUF file is made of a GGUF base, got the folder {}",
                            base.path().string()),
                "Name the same model as a GGUF file (--model), such as llama.cpp's "
                "convert_hf_to_gguf.py makes; or merge into a folder (--to hf).");
  Merge merge(base, adapter);
  GgufWriter writer;
  writer.text("general.architecture", file->text("general.architecture"));
  for (const auto& [key, value] : file->metadata()) {
    if (!key.starts_with("split.")) writer.copy(key, value);  // of parts, which become one file
  }
  if (type) {
    constexpr uint32_t kQuantisation = 2;  // the version of ggml's block types
    writer.u32("general.file_type", file_type(*type));
    if (dtype_block(*type) > 1) writer.u32("general.quantization_version", kQuantisation);
  }
  std::map<DType, int64_t> instead;
  for (const StoredTensor& stored : file->tensors()) {
    const DType chosen = type_in_gguf(stored, base, merge.changes(stored), type);
    const bool whole = !type || stored.row_length() % dtype_block(*type) == 0;
    if (stored.shape.size() >= 2 && !whole) ++instead[chosen];
    writer.add(merge.plan(stored, chosen));
  }
  writer.write(path);
  MergeReport report = merge.report();
  report.instead = std::move(instead);
  return report;
}

MergeReport write_merged_folder(const fs::path& folder, const ModelFiles& base,
                                const Adapter& adapter, std::optional<DType> type) {
  if (base.gguf() != nullptr)
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[merge] a Hugging Face folder is made of a folder, got the file {}",
                            base.path().string()),
                "Name the same model's folder (--model), or merge into a GGUF file (--to gguf).");
  ILORA_CHECK(!type || dtype_block(*type) == 1);
  Merge merge(base, adapter);
  const TensorFolder tensors(base.path());
  std::vector<PlannedTensor> planned;
  for (const StoredTensor& stored : tensors.tensors())
    planned.push_back(merge.plan(stored, type.value_or(stored.dtype)));
  write_planned_safetensors(folder / "model.safetensors", planned, {{"format", "pt"}});
  Json config = read_json(base.path() / "config.json");
  if (type) {
    const char* name = *type == DType::kF32   ? "float32"
                       : *type == DType::kF16 ? "float16"
                                              : "bfloat16";
    // Earlier versions of transformers call it so, and read no other name.
    config[config.contains("torch_dtype") ? "torch_dtype" : "dtype"] = name;
  }
  write_json(folder / "config.json", config);
  for (const auto& entry : fs::directory_iterator(base.path())) {
    if (entry.is_regular_file() && is_copied(entry.path()))
      fs::copy_file(entry.path(), folder / entry.path().filename());
  }
  return merge.report();
}

}  // namespace ilora
