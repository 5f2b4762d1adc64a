#include "formats/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/stand_in.h"
#include "formats/check.h"
#include "formats/gguf_parts.h"
#include "formats/gguf_writer.h"
#include "tensor/quant.h"

namespace ilora {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF numbers are read in place");

constexpr const char* kSplitNumber = "split.no";  // of this part, from 0
constexpr const char* kSplitCount = "split.count";
constexpr const char* kDamaged = "The file is damaged or was cut short; obtain it again.";

std::string supported_types() {
  return fmt::format(
      "Supported types: {}. Use a file of these, or make one: llama-quantize IN OUT "
      "q8_0, from a file of F16 or BF16.",
      expandable_types());
}

[[noreturn]] void fail(const std::string& message, const std::string& hint = kDamaged) {
  throw Error(ErrorKind::kFormat, "[gguf] " + message, hint);
}

// A position in the file; every read is checked against the end and names what was to be read.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }
  const std::string& file() const { return file_; }
  std::string_view whole() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

  // `part` of `what`: "the length of " "metadata ...". Two pieces, so that nothing is composed
  // unless it fails.
  std::span<const std::byte> take(uint64_t size, std::string_view part, std::string_view what) {
    if (size > left()) {
      fail(fmt::format(
          "expected {}{} of {} bytes at offset {}, got the end of the file after {} ({})", part,
          what, size, position_, bytes_.size(), file_));
    }
    const auto taken = bytes_.subspan(position_, size);
    position_ += size;
    return taken;
  }
  template <class T>
  T read(std::string_view part, std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, part, what).data(), sizeof value);
    return value;
  }
  std::string_view string(std::string_view what) {
    const auto length = read<uint64_t>("the length of ", what);
    const auto taken = take(length, "", what);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  // A count of items that take at least `smallest` bytes each: no more than the file can hold.
  uint64_t count(uint64_t smallest, std::string_view part, std::string_view what) {
    const auto value = read<uint64_t>("the number of ", what);
    if (value > left() / smallest) {
      fail(fmt::format("expected at most {} {}{}, which the file has room for, got {} ({})",
                       left() / smallest, part, what, value, file_));
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& file_;
  uint64_t position_ = 0;
};

GgufType read_type(Cursor& in, const std::string& what) {
  const auto number = in.read<uint32_t>("the type of ", what);
  if (number > static_cast<uint32_t>(GgufType::kF64)) {
    fail(fmt::format("expected a value type from 0 to 12, got {} ({}, {})", number, what,
                     in.file()));
  }
  return static_cast<GgufType>(number);
}

GgufValue read_value(Cursor& in, const std::string& what) {
  GgufValue value;
  value.type = value.element = read_type(in, what);
  uint64_t count = 1;
  if (value.type == GgufType::kArray) {
    value.element = read_type(in, "the elements of " + what);
    if (value.element == GgufType::kArray) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("[gguf] arrays of arrays are not read ({}, {})", what, in.file()));
    }
    const bool strings = value.element == GgufType::kString;
    count =
        in.count(strings ? sizeof(uint64_t) : gguf_type_bytes(value.element), "elements of ", what);
  }
  value.count = static_cast<int64_t>(count);
  if (value.element == GgufType::kString) {
    value.strings.reserve(count);
    for (uint64_t i = 0; i < count; ++i) value.strings.push_back(in.string(what));
  } else {
    value.bytes = in.take(count * gguf_type_bytes(value.element), "", what);
  }
  if (value.element == GgufType::kBool) {
    const auto bad =
        std::ranges::find_if(value.bytes, [](std::byte b) { return b > std::byte{1}; });
    if (bad != value.bytes.end()) {
      fail(fmt::format("expected a BOOL of 0 or 1, got {} ({}, {})", static_cast<int>(*bad), what,
                       in.file()));
    }
  }
  return value;
}

// ggml's tensor types by number. An empty name: no such type (or one that was removed).
struct TensorType {
  const char* name;
  std::optional<DType> dtype;
};

TensorType tensor_type(uint32_t number) {
  switch (number) {
    case 0:
      return {"F32", DType::kF32};
    case 1:
      return {"F16", DType::kF16};
    case 2:
      return {"Q4_0", DType::kQ4_0};
    case 3:
      return {"Q4_1", DType::kQ4_1};
    case 6:
      return {"Q5_0", DType::kQ5_0};
    case 7:
      return {"Q5_1", DType::kQ5_1};
    case 8:
      return {"Q8_0", DType::kQ8_0};
    case 10:
      return {"Q2_K", DType::kQ2_K};
    case 11:
      return {"Q3_K", DType::kQ3_K};
    case 12:
      return {"Q4_K", DType::kQ4_K};
    case 13:
      return {"Q5_K", DType::kQ5_K};
    case 14:
      return {"Q6_K", DType::kQ6_K};
    case 20:
      return {"IQ4_NL", DType::kIQ4_NL};
    case 23:
      return {"IQ4_XS", DType::kIQ4_XS};
    case 26:
      return {"I32", DType::kI32};
    case 28:
      return {"F64", DType::kF64};
    case 30:
      return {"BF16", DType::kBF16};
    case 34:
      return {"TQ1_0", DType::kTQ1_0};
    case 35:
      return {"TQ2_0", DType::kTQ2_0};
    default:
      break;
  }
  static constexpr const char* kOthers[] = {
      "",      "", "",   "",    "",     "",        "",       "",        "",      "Q8_1", "",
      "",      "", "",   "",    "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "",     "IQ3_S",
      "IQ2_S", "", "I8", "I16", "",     "I64",     "",       "IQ1_M",   "",      "",     "",
      "",      "", "",   "",    "",     "",        "MXFP4",  "NVFP4",   "Q1_0"};
  return {number < std::size(kOthers) ? kOthers[number] : "", std::nullopt};
}

DType read_dtype(Cursor& in, const std::string& what) {
  const auto number = in.read<uint32_t>("the type of ", what);
  const TensorType type = tensor_type(number);
  if (type.dtype) return *type.dtype;
  if (*type.name == '\0') {
    fail(fmt::format("expected a known tensor type, got type number {} ({}, {})", number, what,
                     in.file()),
         supported_types());
  }
  throw Error(ErrorKind::kUnsupported,
              fmt::format("[gguf] tensor type {} (number {}) is not supported ({}, {})", type.name,
                          number, what, in.file()),
              supported_types());
}

struct Placed {
  StoredTensor tensor;    // without its bytes
  std::string_view name;  // in the file
  uint64_t offset = 0;    // from the start of the data
  uint64_t size = 0;
};

Placed read_tensor_info(Cursor& in) {
  constexpr uint32_t kMostDimensions = 4;
  Placed placed;
  placed.name = in.string("a tensor's name");
  const std::string what = "tensor " + printable(placed.name);
  const auto dimensions = in.read<uint32_t>("the number of dimensions of ", what);
  if (dimensions > kMostDimensions) {
    fail(fmt::format("expected at most {} dimensions, got {} ({}, {})", kMostDimensions, dimensions,
                     what, in.file()));
  }
  StoredTensor& tensor = placed.tensor;
  tensor.name = placed.name;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto size = in.read<uint64_t>("the shape of ", what);
    if (size == 0 || size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      fail(fmt::format("expected a dimension of at least 1 and below 2^63, got {} ({}, {})", size,
                       what, in.file()));
    }
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(size));
  }
  tensor.dtype = read_dtype(in, what);
  placed.offset = in.read<uint64_t>("the offset of ", what);
  const auto size = checked_bytes(tensor.dtype, tensor.shape);
  if (!size) {
    fail(fmt::format("expected a shape that fits the type and the memory, got {} ({}, {})",
                     tensor.describe(), what, in.file()));
  }
  placed.size = static_cast<uint64_t>(*size);
  return placed;
}

// Each tensor aligned, inside the file, and on bytes of its own.
void check_places(const std::vector<Placed>& all, uint64_t data_size, uint64_t alignment,
                  const std::string& file) {
  std::vector<const Placed*> by_offset;
  for (const Placed& p : all) {
    const std::string what = "tensor " + printable(p.name);
    if (p.offset % alignment != 0) {
      fail(fmt::format("expected an offset that is a multiple of {}, got {} ({}, {})", alignment,
                       p.offset, what, file));
    }
    if (p.offset > data_size || p.size > data_size - p.offset) {
      fail(fmt::format("expected {} bytes at offset {} of the data, got data of {} bytes ({}, {})",
                       p.size, p.offset, data_size, what, file));
    }
    by_offset.push_back(&p);
  }
  std::ranges::sort(by_offset, {}, &Placed::offset);
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const Placed &a = *by_offset[i - 1], &b = *by_offset[i];
    if (a.offset + a.size > b.offset) {
      fail(fmt::format("expected tensors that do not overlap, got {} and {} ({})",
                       printable(a.name), printable(b.name), file));
    }
  }
}

uint32_t read_header(Cursor& in) {
  constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
  if (in.left() < sizeof kMagic)
    fail(fmt::format("expected a GGUF file, got {} bytes ({})", in.left(), in.file()));
  const auto magic = in.take(4, "", "the magic");
  if (std::memcmp(magic.data(), &kMagic, 4) != 0) {
    refuse_stand_in(in.whole(), "gguf", "a GGUF file", in.file());
    fail(fmt::format("expected the magic \"GGUF\", got {} ({})",
                     printable({reinterpret_cast<const char*>(magic.data()), 4}), in.file()),
         "This is not a GGUF file.");
  }
  const auto version = in.read<uint32_t>("", "the version");
  if (version == 2 || version == 3) return version;
  const bool swapped = version == 0x02000000 || version == 0x03000000;
  throw Error(ErrorKind::kUnsupported,
              swapped
                  ? fmt::format("[gguf] expected a little-endian file, got a big-endian one ({})",
                                in.file())
                  : fmt::format("[gguf] expected version 2 or 3, got {} ({})", version, in.file()),
              "Convert the model again with a current llama.cpp.");
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path) {
  const std::vector<std::filesystem::path> parts = gguf_parts(path);
  file_ = MappedFile(parts[0]);
  name_ = parts[0].string();
  parse(file_.bytes());
  const auto count = static_cast<int64_t>(parts.size());
  const int64_t said = std::max(integer(kSplitCount, 1), int64_t{1});
  if (said != count || integer(kSplitNumber, 0) != 0) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[gguf] expected part 1 of {} ({}, {}), got part {} of {} ({})", count,
                            kSplitNumber, kSplitCount, integer(kSplitNumber, 0) + 1, said, name_),
                "Parts of a split file keep the names that they were given: "
                "NAME-00001-of-00003.gguf and so on.");
  }
  for (int64_t i = 1; i < count; ++i) add_part(parts[static_cast<size_t>(i)], i, count);
  const int64_t tensors = integer("split.tensors.count", std::ssize(tensors_));
  if (count > 1 && tensors != std::ssize(tensors_))
    fail(fmt::format("expected {} tensors in all parts, got {} ({})", tensors, tensors_.size(),
                     name_));
}

void GgufFile::add_part(const std::filesystem::path& path, int64_t number, int64_t count) {
  GgufFile part;
  part.file_ = MappedFile(path);
  part.name_ = path.string();
  part.parse(part.file_.bytes());
  if (part.integer(kSplitNumber) != number || part.integer(kSplitCount) != count)
    fail(fmt::format("expected part {} of {}, got part {} of {} ({})", number + 1, count,
                     part.integer(kSplitNumber) + 1, part.integer(kSplitCount), part.name_),
         "Obtain the parts of one model again.");
  for (const auto& entry : part.index_) {
    if (!index_.emplace(entry.first, tensors_.size() + entry.second).second)
      fail(fmt::format("expected tensor {} in one part, got it in two ({})", printable(entry.first),
                       part.name_));
  }
  for (StoredTensor& tensor : part.tensors_) tensors_.push_back(std::move(tensor));
  more_.push_back(std::move(part.file_));
}

std::vector<std::filesystem::path> GgufFile::files() const {
  std::vector<std::filesystem::path> paths = {name_};
  for (const MappedFile& part : more_) paths.push_back(part.path());
  return paths;
}

GgufFile GgufFile::from_bytes(std::span<const std::byte> bytes, const std::string& name) {
  GgufFile file;
  file.name_ = name;
  file.parse(bytes);
  return file;
}

void GgufFile::parse(std::span<const std::byte> bytes) {
  constexpr uint64_t kSmallestTensorInfo = 8 + 4 + 4 + 8, kSmallestEntry = 8 + 4 + 1;
  Cursor in(bytes, name_);
  version_ = read_header(in);
  const uint64_t tensors = in.count(kSmallestTensorInfo, "", "tensors");
  const uint64_t entries = in.count(kSmallestEntry, "", "metadata entries");
  for (uint64_t i = 0; i < entries; ++i) {
    const std::string_view key = in.string("a metadata key");
    GgufValue value = read_value(in, "metadata " + printable(key));
    if (!metadata_.emplace(key, std::move(value)).second) {
      fail(fmt::format("expected one value for each key, got two for {} ({})", printable(key),
                       name_));
    }
  }
  constexpr int64_t kDefaultAlignment = 32;
  const int64_t alignment = integer("general.alignment", kDefaultAlignment);
  if (alignment <= 0 || !std::has_single_bit(static_cast<uint64_t>(alignment)) ||
      alignment > (1 << 30)) {
    fail(fmt::format("expected a power of two, got {} (metadata \"general.alignment\", {})",
                     alignment, name_));
  }
  std::vector<Placed> placed;
  for (uint64_t i = 0; i < tensors; ++i) {
    placed.push_back(read_tensor_info(in));
    if (!index_.emplace(placed.back().name, i).second) {
      fail(fmt::format("expected one tensor for each name, got two called {} ({})",
                       printable(placed.back().name), name_));
    }
  }
  const auto step = static_cast<uint64_t>(alignment);
  const uint64_t begin = (in.position() + step - 1) / step * step;
  const auto data = begin <= bytes.size() ? bytes.subspan(begin) : std::span<const std::byte>();
  check_places(placed, data.size(), step, name_);
  tensors_.reserve(placed.size());
  for (Placed& p : placed) {
    p.tensor.bytes = data.subspan(p.offset, p.size);
    tensors_.push_back(std::move(p.tensor));
  }
}

std::optional<uint32_t> gguf_type_number(DType dtype) {
  constexpr uint32_t kNumbers = 64;
  for (uint32_t number = 0; number < kNumbers; ++number) {
    if (tensor_type(number).dtype == dtype) return number;
  }
  return std::nullopt;
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto it = metadata_.find(key);
  return it == metadata_.end() ? nullptr : &it->second;
}

const GgufValue& GgufFile::require(std::string_view key, const char* expected) const {
  const GgufValue* value = find(key);
  if (value != nullptr) return *value;
  fail(fmt::format("expected metadata {} ({}), got none ({})", printable(key), expected, name_),
       "The file does not describe what is needed; use another conversion of the model.");
}

void GgufFile::wrong_type(std::string_view key, const char* expected, const GgufValue& got) const {
  fail(fmt::format("expected {}, got {} (metadata {}, {})", expected, got.describe(),
                   printable(key), name_),
       "Use another conversion of the model.");
}

std::string GgufFile::text(std::string_view key) const {
  const GgufValue& value = require(key, "a string");
  if (value.type != GgufType::kString) wrong_type(key, "a string", value);
  return std::string(value.strings[0]);
}

int64_t GgufFile::integer(std::string_view key) const {
  const GgufValue& value = require(key, "an integer");
  const auto x = value.type == value.element ? value.integer_at(0) : std::nullopt;
  if (!x) wrong_type(key, "an integer below 2^63", value);
  return *x;
}

double GgufFile::number(std::string_view key) const {
  const GgufValue& value = require(key, "a number");
  const auto x = value.type == value.element ? value.number_at(0) : std::nullopt;
  if (!x) wrong_type(key, "a number", value);
  return *x;
}

bool GgufFile::boolean(std::string_view key) const {
  const GgufValue& value = require(key, "a boolean");
  if (value.type != GgufType::kBool) wrong_type(key, "a boolean", value);
  return value.bytes[0] != std::byte{0};
}

std::string GgufFile::text(std::string_view key, std::string_view fallback) const {
  return find(key) == nullptr ? std::string(fallback) : text(key);
}
int64_t GgufFile::integer(std::string_view key, int64_t fallback) const {
  return find(key) == nullptr ? fallback : integer(key);
}
double GgufFile::number(std::string_view key, double fallback) const {
  return find(key) == nullptr ? fallback : number(key);
}
bool GgufFile::boolean(std::string_view key, bool fallback) const {
  return find(key) == nullptr ? fallback : boolean(key);
}

const std::vector<std::string_view>& GgufFile::texts(std::string_view key) const {
  const GgufValue& value = require(key, "an array of strings");
  if (value.type != GgufType::kArray || value.element != GgufType::kString)
    wrong_type(key, "an array of strings", value);
  return value.strings;
}

template <class T>
std::vector<T> GgufFile::array(std::string_view key, const std::string& of,
                               std::optional<T> (GgufValue::*at)(int64_t) const) const {
  const std::string expected = "an array of " + of;
  const GgufValue& value = require(key, expected.c_str());
  std::vector<T> out;
  out.reserve(static_cast<size_t>(value.count));
  for (int64_t i = 0; i < value.count; ++i) {
    const auto x = value.type == GgufType::kArray ? (value.*at)(i) : std::nullopt;
    if (!x) wrong_type(key, expected.c_str(), value);
    out.push_back(*x);
  }
  return out;
}

std::vector<int64_t> GgufFile::integers(std::string_view key) const {
  return array(key, "integers below 2^63", &GgufValue::integer_at);
}

std::vector<double> GgufFile::numbers(std::string_view key) const {
  return array(key, "numbers", &GgufValue::number_at);
}

const StoredTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

const StoredTensor& GgufFile::tensor(std::string_view name) const {
  const StoredTensor* found = find_tensor(name);
  if (found == nullptr) {
    fail(fmt::format("expected tensor {}, got none of that name ({})", printable(name), name_),
         "The file lacks a weight that its architecture needs; use another conversion of the "
         "model.");
  }
  return *found;
}

}  // namespace ilora
