#include "train/mode_choice.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>

#include "base/denormals.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/parallel.h"
#include "base/user_cache.h"
#include "kernels/kernels.h"
#include "train/environment.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "product-times.json";
constexpr size_t kMostEntries = 200;  // machines and models; then the file begins anew

// What the times hang on.
std::string key_of(const std::vector<ProductShape>& shapes, int64_t rows) {
  std::string key = fmt::format("{} {} {} threads, ilora {}, {} rows of", cpu_identity(),
                                cpu_features().target, max_threads(), ILORA_VERSION, rows);
  for (const ProductShape& s : shapes)
    key += fmt::format(" {}x{}x{}", s.count, s.outputs, s.inputs);
  return key;
}

// What is kept, or nothing: a cache that cannot be read is measured again.
Json read_cache(const fs::path& file) {
  try {
    if (fs::exists(file)) {
      Json kept = read_json(file);
      if (kept.is_object() && kept.size() < kMostEntries) return kept;
    }
  } catch (const std::exception&) {
  }
  return Json::object();
}

std::optional<ProductTimes> find(const Json& kept, const std::string& key) {
  const auto at = kept.find(key);
  if (at == kept.end() || !at->is_array() || at->size() != 3) return {};
  double values[3];
  for (size_t i = 0; i < 3; ++i) {
    const Json& value = (*at)[i];
    if (!value.is_number() && !value.is_null()) return {};
    values[i] = value.is_null() ? std::numeric_limits<double>::infinity() : value.get<double>();
    if (!(values[i] > 0)) return {};
  }
  return ProductTimes{values[0], values[1], values[2]};
}

// A folder that cannot be written, on a read-only system say, costs the next program half a second.
void keep(const fs::path& file, const std::string& key, const ProductTimes& times) {
  try {
    make_folder(file.parent_path());
    Json kept = read_cache(file);
    kept[key] = {times.f32, times.bf16, times.bf16_expanded};  // infinity becomes null
    write_json(file, kept);
  } catch (const std::exception&) {
  }
}

// The modes that compute.
struct Mode {
  std::string_view name;
  DType gemm;
  bool bytes = false;
};
constexpr Mode kModes[] = {{kModeF32, DType::kF32},
                           {kModeBf16, DType::kBF16},
                           {kModeBf16Expanded, DType::kBF16},
                           {kModeInt8F32, DType::kF32, true},
                           {kModeInt8Bf16, DType::kBF16, true}};

const Mode* find_mode(std::string_view name) {
  const auto* const at = std::ranges::find(kModes, name, &Mode::name);
  return at == std::end(kModes) ? nullptr : at;
}

const Mode& mode_named(const std::string& name) {
  const Mode* mode = find_mode(name);
  ILORA_CHECK(mode != nullptr, "{} is no mode that computes", name);
  return *mode;
}

}  // namespace

ProductForm product_form_of(const std::string& mode) {
  const Mode& known = mode_named(mode);
  return {known.gemm, known.bytes};
}

DType gemm_type_of(const std::string& mode) {
  return mode_named(mode).gemm;
}

Bf16Products bf16_products_of(const std::string& mode) {
  return mode == kModeBf16Expanded ? Bf16Products::kExpanded : Bf16Products::kNative;
}

bool is_measured(const std::string& mode) {
  return mode == "auto" || mode == kModeInt8;
}

std::string settled_mode(const std::string& mode, const ModelConfig& config) {
  const CpuFeatures cpu = cpu_features();
  if ((mode == kModeBf16 || mode == kModeInt8Bf16) && !cpu.bf16_possible) {
    throw Error(ErrorKind::kUnsupported,
                "[engine] this CPU cannot run bf16 matrix products (it has no AVX-512)",
                "Use mode f32, bf16-expanded (the same weights, products in f32), or auto.");
  }
  if (mode.starts_with(kModeInt8) && !cpu.byte_products) {
    throw Error(ErrorKind::kUnsupported,
                "[engine] this CPU has no products of bytes (avx512_vnni): mode int8 would be slow",
                "Use mode auto.");
  }
  if (find_mode(mode) != nullptr) return mode;
  if (!is_measured(mode)) {
    throw Error(
        ErrorKind::kUnsupported, fmt::format("[engine] no mode is called '{}'", mode),
        "The run was begun by another version of ilora. Name a mode: --set engine.mode=...");
  }
  const char* faster = cpu.bf16_native ? faster_mode(product_times(config)) : kModeF32;
  return mode == "auto" ? faster : fmt::format("{}-{}", kModeInt8, faster);
}

std::vector<ProductShape> product_shapes(const ModelConfig& config) {
  std::vector<ProductShape> shapes;
  for (const Module module : kAllModules) {
    for (int64_t l = 0; l < config.layers; ++l) {
      if (!config.has(l, module)) continue;
      const std::array<int64_t, 2> sizes = module_shape(config, l, module);
      const ProductShape shape{.outputs = sizes[1], .inputs = sizes[0], .count = 1};
      const auto known = std::ranges::find_if(shapes, [&](const ProductShape& s) {
        return s.outputs == shape.outputs && s.inputs == shape.inputs;
      });
      if (known != shapes.end()) {
        ++known->count;
      } else {
        shapes.push_back(shape);
      }
    }
  }
  return shapes;
}

ProductTimes product_times(const ModelConfig& config) {
  const std::vector<ProductShape> shapes = product_shapes(config);
  const int64_t rows = rows_to_time(shapes);
  const std::string key = key_of(shapes, rows);
  const std::optional<fs::path> folder = user_cache_folder();
  if (folder) {
    if (const auto kept = find(read_cache(*folder / kFile), key)) return *kept;
  }
  const FlushDenormals flush;
  const ProductTimes times = time_products(shapes, rows);
  if (folder) keep(*folder / kFile, key, times);
  return times;
}

const char* faster_mode(const ProductTimes& times) {
  constexpr double kWorth = 0.97;
  return times.bf16 < kWorth * times.f32 ? kModeBf16 : kModeF32;
}

}  // namespace ilora
