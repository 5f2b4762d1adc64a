#include "model/families/keys.h"

#include "base/error.h"
#include "base/json.h"

namespace ilora {

FolderKeys::FolderKeys(const Json& json, std::string where, std::string prefix)
    : json_(&json), where_(std::move(where)), prefix_(std::move(prefix)) {
  if (json.is_object()) return;
  throw Error(ErrorKind::kFormat, prefix_.empty()
                                      ? fmt::format("[model] expected an object ({})", where_)
                                      : fmt::format("[model] expected an object for {} ({})",
                                                    prefix_.substr(0, prefix_.size() - 1), where_));
}

bool FolderKeys::has(const char* key) const {
  return json_->contains(key) && !(*json_)[key].is_null();
}
bool FolderKeys::is_null(const char* key) const {
  return json_->contains(key) && (*json_)[key].is_null();
}

void FolderKeys::wrong(const char* key, const char* expected) const {
  std::string got = has(key) ? (*json_)[key].dump() : "none";
  if (got.size() > 60) got = got.substr(0, 57) + "...";
  throw Error(ErrorKind::kFormat, fmt::format("[model] expected {} for {}{}, got {} ({})", expected,
                                              prefix_, key, got, where_));
}

const Json& FolderKeys::value(const char* key, const char* expected) const {
  if (!has(key)) wrong(key, expected);
  return (*json_)[key];
}

int64_t FolderKeys::integer(const char* key) const {
  const Json& v = value(key, "a whole number");
  if (!v.is_number_integer()) wrong(key, "a whole number");
  return v.get<int64_t>();
}
int64_t FolderKeys::integer(const char* key, int64_t fallback) const {
  return has(key) ? integer(key) : fallback;
}

double FolderKeys::number(const char* key) const {
  const Json& v = value(key, "a number");
  if (!v.is_number()) wrong(key, "a number");
  return v.get<double>();
}
double FolderKeys::number(const char* key, double fallback) const {
  return has(key) ? number(key) : fallback;
}

bool FolderKeys::boolean(const char* key, bool fallback) const {
  if (!has(key)) return fallback;
  const Json& v = (*json_)[key];
  if (!v.is_boolean()) wrong(key, "true or false");
  return v.get<bool>();
}

std::string FolderKeys::text(const char* key) const {
  const Json& v = value(key, "a text");
  if (!v.is_string()) wrong(key, "a text");
  return v.get<std::string>();
}
std::string FolderKeys::text(const char* key, const std::string& fallback) const {
  return has(key) ? text(key) : fallback;
}

std::vector<std::string> FolderKeys::texts(const char* key) const {
  const Json& list = value(key, "a list of texts");
  if (!list.is_array()) wrong(key, "a list of texts");
  std::vector<std::string> texts;
  for (const Json& entry : list) {
    if (!entry.is_string()) wrong(key, "a list of texts");
    texts.push_back(entry.get<std::string>());
  }
  return texts;
}

std::vector<double> FolderKeys::numbers(const char* key) const {
  const Json& list = value(key, "a list of numbers");
  if (!list.is_array()) wrong(key, "a list of numbers");
  std::vector<double> numbers;
  for (const Json& entry : list) {
    if (!entry.is_number()) wrong(key, "a list of numbers");
    numbers.push_back(entry.get<double>());
  }
  return numbers;
}

bool GgufKeys::is_array(const char* key) const {
  const GgufValue* value = file_.find(prefix_ + key);
  return value != nullptr && value->type == GgufType::kArray;
}

std::vector<bool> GgufKeys::booleans(const char* key) const {
  const GgufValue* value = file_.find(prefix_ + key);
  std::vector<bool> all;
  if (value == nullptr || value->type != GgufType::kArray || value->element != GgufType::kBool) {
    throw Error(
        ErrorKind::kFormat,
        fmt::format("[model] expected an array of booleans for {}{} ({})", prefix_, key, where()));
  }
  for (const std::byte b : value->bytes) all.push_back(b != std::byte{0});
  return all;
}

std::vector<int64_t> GgufKeys::integers(const char* key, int64_t count) const {
  const auto size = static_cast<size_t>(count);
  if (!is_array(key)) return std::vector<int64_t>(size, integer(key));
  const GgufValue& value = *file_.find(prefix_ + key);
  std::vector<int64_t> all;
  for (int64_t i = 0; i < value.count; ++i) {
    if (const std::optional<int64_t> one = value.integer_at(i)) all.push_back(*one);
  }
  if (value.count != count || all.size() != size) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[model] expected {} whole numbers for {}{}, got {} ({})", count,
                            prefix_, key, value.describe(), where()));
  }
  return all;
}

FolderKeys FolderKeys::object(const char* key) const {
  static const Json kNone = Json::object();
  return {has(key) ? (*json_)[key] : kNone, where_, fmt::format("{}{}.", prefix_, key)};
}

bool FolderKeys::empty() const {
  return json_->empty();
}

std::vector<std::string> FolderKeys::names() const {
  std::vector<std::string> names;
  for (const auto& entry : json_->items()) names.push_back(entry.key());
  return names;
}

bool FolderKeys::is_text(const char* key) const {
  return has(key) && (*json_)[key].is_string();
}

bool FolderKeys::has_objects() const {
  for (const Json& v : *json_) {
    if (v.is_object()) return true;
  }
  return false;
}

}  // namespace ilora
