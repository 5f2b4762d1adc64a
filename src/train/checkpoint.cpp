#include "train/checkpoint.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"

namespace ilora {

void StateWriter::vector(const std::string& name, Tensor flat) {
  tensors_.push_back(stored_view<float>(name, {flat.size()},
                                        {flat.ptr<float>(), static_cast<size_t>(flat.size())}));
}

void StateWriter::integers(const std::string& name, std::vector<int32_t> values) {
  const std::vector<int32_t>& kept = integers_.emplace_back(std::move(values));
  tensors_.push_back(stored_view<int32_t>(name, {static_cast<int64_t>(kept.size())},
                                          std::span<const int32_t>(kept)));
}

void StateWriter::rows(const std::string& name, std::vector<Row>& rows) {
  // Tokens end to end; per row its length, prompt length, task and the two halves of its id.
  std::vector<int32_t> tokens, shape;
  for (const Row& row : rows) {
    tokens.insert(tokens.end(), row.tokens.begin(), row.tokens.end());
    shape.insert(
        shape.end(),
        {static_cast<int32_t>(row.tokens.size()), static_cast<int32_t>(row.prompt_length), row.task,
         static_cast<int32_t>(row.id >> 32), static_cast<int32_t>(row.id & 0xffffffffu)});
  }
  integers(name + ".tokens", std::move(tokens));
  integers(name + ".shape", std::move(shape));
  top_logits(name + ".top_logits", rows);
  gaps(name + ".gaps", rows);
}

// Nothing where no row has gaps: per gap the row's number in the list, begin, end, and never.
void StateWriter::gaps(const std::string& name, const std::vector<Row>& rows) {
  std::vector<int32_t> values;
  for (size_t i = 0; i < rows.size(); ++i)
    for (const Unlabelled& gap : rows[i].gaps)
      values.insert(values.end(), {static_cast<int32_t>(i), gap.begin, gap.end, gap.never ? 1 : 0});
  if (!values.empty()) integers(name, std::move(values));
}

// Logits that rows keep of a teacher (row.h), end to end; nothing where no row has any.
void StateWriter::top_logits(const std::string& name, const std::vector<Row>& rows) {
  std::vector<int32_t> tokens, shape;  // per row k and the number of entries
  std::vector<float> logits;
  for (const Row& row : rows) {
    const TopLogits& kept = row.top_logits;
    tokens.insert(tokens.end(), kept.tokens.begin(), kept.tokens.end());
    logits.insert(logits.end(), kept.logits.begin(), kept.logits.end());
    shape.insert(shape.end(),
                 {static_cast<int32_t>(kept.k), static_cast<int32_t>(kept.tokens.size())});
  }
  if (tokens.empty()) return;
  const std::vector<float>& values = floats_.emplace_back(std::move(logits));
  tensors_.push_back(stored_view<float>(name + ".logits", {std::ssize(values)}, values));
  integers(name + ".tokens", std::move(tokens));
  integers(name + ".shape", std::move(shape));
}

namespace {

constexpr const char* kState = "ilora.state";
constexpr const char* kHash = "ilora.hash";

// Of everything that a state holds.
std::string content_hash(const std::string& numbers, const std::vector<StoredTensor>& tensors) {
  return hash_digits(hash_tensors(tensors, hash_text(numbers)));
}

}  // namespace

void StateWriter::write(const std::filesystem::path& path) const {
  const std::string numbers = numbers_.dump();
  write_safetensors(path, tensors_, {{kState, numbers}, {kHash, content_hash(numbers, tensors_)}});
}

StateReader::StateReader(const std::filesystem::path& path, const Bounds& bounds)
    : file_(path), bounds_(bounds) {
  const std::string& numbers = file_.text(kState);
  // A state of an earlier version has no hash, and nothing in its place.
  const bool hashed = file_.metadata().size() > 1;
  if (hashed && (!file_.metadata().contains(kHash) ||
                 file_.text(kHash) != content_hash(numbers, file_.tensors()))) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[checkpoint] expected what was written, got something else ({})",
                            path.string()),
                "The file was damaged or edited.");
  }
  numbers_ = parse_json(numbers, path.string());
}

const Json& StateReader::json(const std::string& name) const {
  if (!numbers_.contains(name)) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[checkpoint] {} is missing ({})", name, file_.name()), kRemedy);
  }
  return numbers_[name];
}

void StateReader::unexpected(const std::string& name, const std::string& expected) const {
  throw Error(ErrorKind::kFormat,
              fmt::format("[checkpoint] expected {} in {}, got {} ({})", expected, name,
                          json_text(json(name), -1).substr(0, 60), file_.name()),
              kRemedy);
}

std::string StateReader::text(const std::string& name) const {
  if (!json(name).is_string()) unexpected(name, "a text");
  return json(name).get<std::string>();
}

std::vector<std::string> StateReader::texts(const std::string& name) const {
  std::vector<std::string> all;
  if (!json(name).is_array()) unexpected(name, "a list of texts");
  for (const Json& item : json(name)) {
    if (!item.is_string()) unexpected(name, "a list of texts");
    all.push_back(item.get<std::string>());
  }
  return all;
}

void StateReader::value(const std::string& name, int64_t& x) {
  const Json& value = json(name);
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<uint64_t>() > kMost))
    unexpected(name, "a whole number");
  x = value.get<int64_t>();
}

void StateReader::value(const std::string& name, double& x) {
  if (!json(name).is_number()) unexpected(name, "a number");
  x = json(name).get<double>();
}

void StateReader::count(const std::string& name, int64_t& n) {
  int64_t read = 0;
  value(name, read);
  // Each of them takes a byte at least.
  if (read < 0 || read > file_.bytes()) unexpected(name, "as many as the file can hold");
  n = read;
}

void StateReader::vector(const std::string& name, Tensor flat) {
  copy_values<float>({flat.ptr<float>(), static_cast<size_t>(flat.size())}, file_.tensor(name),
                     file_.name());
}

template <class T>
std::vector<T> StateReader::list(const std::string& name) const {
  const StoredTensor& stored = file_.tensor(name);
  std::vector<T> values(static_cast<size_t>(stored.size()));
  copy_values<T>(values, stored, file_.name());
  return values;
}

void StateReader::damaged(const std::string& name) const {
  throw Error(ErrorKind::kFormat,
              fmt::format("[checkpoint] {} is damaged ({})", name, file_.name()));
}

void StateReader::rows(const std::string& name, std::vector<Row>& rows) {
  constexpr size_t kFields = 5;
  const std::vector<int32_t> tokens = list<int32_t>(name + ".tokens"),
                             shape = list<int32_t>(name + ".shape");
  const auto is_token = [&](int32_t id) { return id >= 0 && id < bounds_.vocabulary; };
  if (shape.size() % kFields != 0 || !std::ranges::all_of(tokens, is_token)) damaged(name);
  rows.clear();
  size_t at = 0;
  for (size_t i = 0; i + kFields <= shape.size(); i += kFields) {
    const int64_t prompt = shape[i + 1], left = std::ssize(tokens) - static_cast<int64_t>(at);
    const auto length = static_cast<size_t>(shape[i]);
    if (shape[i] < 0 || shape[i] > left || prompt < 1 || prompt >= shape[i]) damaged(name);
    if (shape[i + 2] < 0 || shape[i + 2] >= bounds_.tasks) damaged(name);
    Row& row = rows.emplace_back();
    row.tokens.assign(tokens.begin() + static_cast<std::ptrdiff_t>(at),
                      tokens.begin() + static_cast<std::ptrdiff_t>(at + length));
    row.prompt_length = prompt;
    row.task = shape[i + 2];
    row.id = static_cast<uint64_t>(static_cast<uint32_t>(shape[i + 3])) << 32 |
             static_cast<uint32_t>(shape[i + 4]);
    at += length;
  }
  if (file_.contains(name + ".top_logits.shape")) top_logits(name + ".top_logits", rows);
  if (file_.contains(name + ".gaps")) gaps(name + ".gaps", rows);
}

void StateReader::gaps(const std::string& name, std::vector<Row>& rows) const {
  constexpr size_t kFields = 4;
  const auto values = list<int32_t>(name);
  if (values.size() % kFields != 0) damaged(name);
  for (size_t i = 0; i + kFields <= values.size(); i += kFields) {
    if (values[i] < 0 || values[i] >= std::ssize(rows)) damaged(name);
    Row& row = rows[static_cast<size_t>(values[i])];
    const Unlabelled gap{values[i + 1], values[i + 2], values[i + 3] == 1};
    const int32_t from = row.gaps.empty() ? 0 : row.gaps.back().end;
    // The last token is a label.
    if (gap.begin < from || gap.end <= gap.begin || gap.end >= std::ssize(row.tokens) ||
        values[i + 3] < 0 || values[i + 3] > 1)
      damaged(name);
    row.gaps.push_back(gap);
  }
}

void StateReader::top_logits(const std::string& name, std::vector<Row>& rows) const {
  const auto tokens = list<int32_t>(name + ".tokens"), shape = list<int32_t>(name + ".shape");
  const auto logits = list<float>(name + ".logits");
  const auto is_token = [&](int32_t id) { return id >= 0 && id < bounds_.vocabulary; };
  if (shape.size() != 2 * rows.size() || logits.size() != tokens.size() ||
      !std::ranges::all_of(tokens, is_token))
    damaged(name);
  std::ptrdiff_t at = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::ptrdiff_t count = shape[2 * i + 1];
    if (shape[2 * i] < 0 || (shape[2 * i] > 0 ? count % shape[2 * i] : count) != 0) damaged(name);
    if (count < 0 || count > std::ssize(tokens) - at) damaged(name);
    TopLogits& kept = rows[i].top_logits;
    kept.k = shape[2 * i];
    kept.tokens.assign(tokens.begin() + at, tokens.begin() + at + count);
    kept.logits.assign(logits.begin() + at, logits.begin() + at + count);
    at += count;
  }
}

}  // namespace ilora
