#include "runs/schema.h"

#include <limits>

#include "runs/seal.h"

namespace ilora {
namespace {

constexpr size_t kLongestShown = 60;  // characters of a value in an error

std::string shown(const Json& json) {
  const std::string text = json_text(json, -1);
  return text.size() <= kLongestShown ? text : json.type_name();
}

}  // namespace

JsonReader::JsonReader(const Json& object, const JsonSource& source, std::string above)
    : object_(object), source_(source), above_(std::move(above)) {
  if (!object.is_object()) fail(fmt::format("expected an object, got {}", shown(object)));
  if (above_.empty() && !seal_holds(object))
    fail("expected what was written, got something else");  // damaged, or edited
}

void JsonReader::schema(int64_t version) {
  int64_t found = version;  // the first files said nothing of it
  value("schema", found);
  if (found == version) return;
  throw Error(
      ErrorKind::kFormat,
      fmt::format("[run] expected schema {}, got schema {} ({})", version, found, source_.where),
      "The file was written by another version of ilora: read it with that one.");
}

void JsonReader::constant(const char* key, const char* text) {
  std::string found;
  required(key, found);
  if (found != text) wrong(above_ + key, text, found);
}

void JsonReader::rest(std::vector<std::pair<std::string, double>>& values) const {
  values.clear();
  for (const auto& [name, json] : object_.items()) {
    if (json.is_number() && !known_.contains(name)) values.emplace_back(name, json.get<double>());
  }
}

const Json* JsonReader::find(const char* key) {
  known_.insert(key);
  const auto found = object_.find(key);
  return found == object_.end() ? nullptr : &*found;
}

void JsonReader::read(const Json& json, const std::string& key, bool& x) const {
  if (!json.is_boolean()) wrong(key, "true or false", json);
  x = json.get<bool>();
}

void JsonReader::read(const Json& json, const std::string& key, int64_t& x) const {
  if (!json.is_number_integer()) wrong(key, "a whole number", json);
  x = json.get<int64_t>();
}

// JSON has no word for a number that is not finite; it is written as null.
void JsonReader::read(const Json& json, const std::string& key, double& x) const {
  if (!json.is_number() && !json.is_null()) wrong(key, "a number", json);
  x = json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

void JsonReader::read(const Json& json, const std::string& key, std::string& x) const {
  if (!json.is_string()) wrong(key, "a text", json);
  x = json.get<std::string>();
}

void JsonReader::missing(const std::string& key) const {
  fail(fmt::format("expected a key \"{}{}\", got none", above_, key));
}

void JsonReader::wrong(const std::string& key, const char* expected, const Json& got) const {
  fail(fmt::format("expected \"{}\" to be {}, got {}", key, expected, shown(got)));
}

void JsonReader::fail(const std::string& message) const {
  throw Error(ErrorKind::kFormat, fmt::format("[run] {} ({})", message, source_.where),
              source_.remedy);
}

}  // namespace ilora
