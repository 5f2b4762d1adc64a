#include "train/checkpoint.h"

#include "base/error.h"

namespace ilora {

void StateWriter::vector(const std::string& name, Tensor flat) {
  tensors_.push_back(stored_view<float>(name, {flat.size()},
                                        {flat.ptr<float>(), static_cast<size_t>(flat.size())}));
}

void StateWriter::integers(const std::string& name, std::vector<int32_t> values) {
  const auto& kept = *kept_.emplace_back(std::make_unique<std::vector<int32_t>>(std::move(values)));
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
}

void StateWriter::write(const std::filesystem::path& path) const {
  write_safetensors(path, tensors_, {{"ilora.state", numbers_.dump()}});
}

StateReader::StateReader(const std::filesystem::path& path) : file_(path) {
  numbers_ = parse_json(file_.text("ilora.state"), path.string());
}

const Json& StateReader::json(const std::string& name) const {
  if (!numbers_.contains(name)) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[checkpoint] {} is missing ({})", name, file_.name()), kRemedy);
  }
  return numbers_[name];
}

template <class Number>
void StateReader::number(const std::string& name, Number& x) const {
  const Json& value = json(name);
  if (!value.is_number())
    throw Error(ErrorKind::kFormat, fmt::format("[checkpoint] expected a number in {}, got {} ({})",
                                                name, value.dump(), file_.name()));
  x = value.get<Number>();
}
void StateReader::value(const std::string& name, int64_t& x) {
  number(name, x);
}
void StateReader::value(const std::string& name, double& x) {
  number(name, x);
}

void StateReader::vector(const std::string& name, Tensor flat) {
  copy_values<float>({flat.ptr<float>(), static_cast<size_t>(flat.size())}, file_.tensor(name),
                     file_.name());
}

std::vector<int32_t> StateReader::integers(const std::string& name) const {
  const StoredTensor& stored = file_.tensor(name);
  std::vector<int32_t> values(static_cast<size_t>(stored.size()));
  copy_values<int32_t>(values, stored, file_.name());
  return values;
}

void StateReader::rows(const std::string& name, std::vector<Row>& rows) {
  constexpr size_t kFields = 5;
  const std::vector<int32_t> tokens = integers(name + ".tokens"), shape = integers(name + ".shape");
  rows.clear();
  size_t at = 0;
  for (size_t i = 0; i + kFields <= shape.size(); i += kFields) {
    const int64_t prompt = shape[i + 1], left = std::ssize(tokens) - static_cast<int64_t>(at);
    const auto length = static_cast<size_t>(shape[i]);
    if (shape[i] < 0 || shape[i] > left || prompt < 1 || prompt >= shape[i]) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("[checkpoint] {} is damaged ({})", name, file_.name()));
    }
    Row& row = rows.emplace_back();
    row.tokens.assign(tokens.begin() + static_cast<std::ptrdiff_t>(at),
                      tokens.begin() + static_cast<std::ptrdiff_t>(at + length));
    row.prompt_length = prompt;
    row.task = shape[i + 2];
    row.id = static_cast<uint64_t>(static_cast<uint32_t>(shape[i + 3])) << 32 |
             static_cast<uint32_t>(shape[i + 4]);
    at += length;
  }
}

}  // namespace ilora
