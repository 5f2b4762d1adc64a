#include "serve/request_fields.h"

#include <fmt/ranges.h>

#include <cmath>

#include "base/error.h"
#include "base/json.h"

namespace ilora {
namespace {

// A value as it may be shown in an answer: a client may have sent a book.
std::string shown(const Json& value) {
  std::string text = json_text(value, -1);
  constexpr size_t kMost = 60;
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

[[noreturn]] void refuse(std::string_view key, const std::string& expected, const Json& got) {
  throw Error(ErrorKind::kData,
              fmt::format("[request] expected {} for \"{}\", got {}", expected, key, shown(got)));
}

}  // namespace

RequestFields::RequestFields(const Json& body) : body_(body) {
  if (!body.is_object())
    throw Error(ErrorKind::kData, "[request] expected a JSON object, got " + shown(body));
}

const Json* RequestFields::find(std::string_view key) {
  read_.emplace(key);
  const auto field = body_.find(std::string(key));
  return field == body_.end() || field->is_null() ? nullptr : &*field;
}

std::optional<double> RequestFields::number(std::string_view key, double low, double high) {
  const Json* field = find(key);
  if (field == nullptr) return {};
  const double value = field->is_number() ? field->get<double>() : std::nan("");
  if (!(value >= low && value <= high))
    refuse(key, fmt::format("a number from {} to {}", low, high), *field);
  return value;
}

std::optional<int64_t> RequestFields::integer(std::string_view key, int64_t low, int64_t high) {
  const Json* field = find(key);
  if (field == nullptr) return {};
  const bool whole =
      field->is_number_integer() &&
      !(field->is_number_unsigned() && field->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX));
  if (!whole || field->get<int64_t>() < low || field->get<int64_t>() > high)
    refuse(key, fmt::format("a whole number from {} to {}", low, high), *field);
  return field->get<int64_t>();
}

std::optional<bool> RequestFields::flag(std::string_view key) {
  const Json* field = find(key);
  if (field == nullptr) return {};
  if (!field->is_boolean()) refuse(key, "true or false", *field);
  return field->get<bool>();
}

std::optional<std::string> RequestFields::text(std::string_view key) {
  const Json* field = find(key);
  if (field == nullptr) return {};
  if (!field->is_string()) refuse(key, "a text", *field);
  return field->get<std::string>();
}

std::vector<std::string> RequestFields::texts(std::string_view key, size_t most) {
  const Json* field = find(key);
  if (field == nullptr) return {};
  std::vector<std::string> list;
  const auto add = [&](const Json& one) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty() || list.size() == most)
      refuse(key, fmt::format("a text, or a list of up to {} texts that are not empty", most),
             *field);
    list.push_back(one.get<std::string>());
  };
  if (field->is_array()) {
    for (const Json& one : *field) add(one);
  } else {
    add(*field);
  }
  return list;
}

void RequestFields::ignore(std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) read_.emplace(key);
}

void RequestFields::only(std::string_view key, const char* neutral) {
  const Json* field = find(key);
  if (field == nullptr || *field == parse_json(neutral, std::string(key))) return;
  throw Error(ErrorKind::kData,
              fmt::format("[request] \"{}\": {} is not honoured here", key, shown(*field)),
              fmt::format("Leave it out, or send {}.", neutral));
}

void RequestFields::done() const {
  for (const auto& [key, value] : body_.items()) {
    if (read_.contains(key)) continue;
    throw Error(ErrorKind::kData,
                fmt::format("[request] there is no field \"{}\" here",
                            key.size() <= 60 ? key : key.substr(0, 60) + "..."),
                fmt::format("There are {}.", fmt::join(read_, ", ")));
  }
}

}  // namespace ilora
