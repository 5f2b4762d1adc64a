// How a file of a run folder is written and read. A struct names the file and lists its keys once,
// in the file's order, for both ways:
//
//   struct Failure {
//     static constexpr const char* kFile = "failed.json";
//     static constexpr const char* kRemedy = "Remove the file.";  // where it is damaged
//     int64_t exit = 0;
//     std::string error;
//
//     static void visit(auto& keys, auto& self) {
//       keys.value("exit", self.exit);
//       keys.value("error", self.error);
//     }
//   };
//
// The kinds of keys are those of JsonWriter below. A member is a number, a text, a bool, a struct
// with such a list, an optional, a vector or a map (by text) of these, or a vector of pairs: an
// object whose keys are data, in order. A struct may have `std::string problem() const`: what is
// expected that single keys do not show; empty where all is well.
//
// Reading is tolerant of what it does not know, since another version may have written it: keys
// that are not listed are ignored, and listed ones may be absent unless they are required. A value
// of another type is not: the error names file, key and what would be right.
//
// Called by every .cpp file that writes or reads one. It is heavy: the headers of the structs do
// without it.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "runs/run_folder.h"

namespace ilora {

class JsonWriter {
 public:
  void schema(int64_t version) { object_["schema"] = version; }
  // A text that is always the same, such as the kind of an event.
  void constant(const char* key, const char* text) { object_[key] = text; }
  // Reading fails where it is absent.
  template <class T>
  void required(const char* key, const T& x) {
    object_[key] = json(x);
  }
  // Always written; read where it is there.
  template <class T>
  void value(const char* key, const T& x) {
    object_[key] = json(x);
  }
  // Written where there is something.
  template <class T>
  void unless_empty(const char* key, const T& x) {
    if (!is_empty(x)) object_[key] = json(x);
  }
  // Numbers beside the listed keys, under names of their own. The last of a list.
  void rest(const std::vector<std::pair<std::string, double>>& values) {
    for (const auto& [name, value] : values) object_[name] = value;
  }

  Json take() { return std::move(object_); }

  static Json json(bool x) { return x; }
  static Json json(int64_t x) { return x; }
  static Json json(double x) { return x; }
  static Json json(const std::string& x) { return x; }
  static Json json(const Json& x) { return x; }
  template <class T>
  static Json json(const std::optional<T>& x) {
    return x ? json(*x) : Json(nullptr);
  }
  template <class T>
  static Json json(const std::vector<T>& list) {
    Json array = Json::array();
    for (const T& x : list) array.push_back(json(x));
    return array;
  }
  template <class T>
  static Json json(const std::vector<std::pair<std::string, T>>& named) {
    return object_of(named);
  }
  template <class T>
  static Json json(const std::map<std::string, T>& named) {
    return object_of(named);
  }
  template <class T>
  static Json json(const T& x) {
    JsonWriter writer;
    T::visit(writer, x);
    return writer.take();
  }

 private:
  template <class Named>
  static Json object_of(const Named& named) {
    Json object = Json::object();
    for (const auto& [name, x] : named) object[name] = json(x);
    return object;
  }
  template <class T>
  static bool is_empty(const std::optional<T>& x) {
    return !x;
  }
  template <class T>
  static bool is_empty(const T& x) {
    return x.empty();
  }

  Json object_ = Json::object();
};

// Where a value comes from, for errors: "results.json", "rows.jsonl, line 3"; and what to do then.
struct JsonSource {
  std::string where;
  std::string remedy;
};

class JsonReader {
 public:
  // `above`: the keys that lead here, each with its dot.
  JsonReader(const Json& object, const JsonSource& source, std::string above = {});

  void schema(int64_t version);
  void constant(const char* key, const char* text);
  template <class T>
  void required(const char* key, T& x) {
    if (!find(key)) missing(key);
    value(key, x);
  }
  template <class T>
  void value(const char* key, T& x) {
    if (const Json* json = find(key)) read(*json, above_ + key, x);
  }
  template <class T>
  void unless_empty(const char* key, T& x) {
    value(key, x);
  }
  void rest(std::vector<std::pair<std::string, double>>& values) const;

  // A value under its own key; throws Error(kFormat) where it is no T.
  template <class T>
  static T parse(const Json& json, const JsonSource& source) {
    T x{};
    JsonReader(json, source).read_struct(x);
    return x;
  }

 private:
  const Json* find(const char* key);  // remembers that the key is known
  [[noreturn]] void missing(const std::string& key) const;
  [[noreturn]] void wrong(const std::string& key, const char* expected, const Json& got) const;
  [[noreturn]] void fail(const std::string& message) const;

  void read(const Json& json, const std::string& key, bool& x) const;
  void read(const Json& json, const std::string& key, int64_t& x) const;
  void read(const Json& json, const std::string& key, double& x) const;
  void read(const Json& json, const std::string& key, std::string& x) const;
  void read(const Json& json, const std::string&, Json& x) const { x = json; }
  template <class T>
  void read(const Json& json, const std::string& key, std::optional<T>& x) const {
    x.reset();
    if (!json.is_null()) read(json, key, x.emplace());
  }
  template <class T>
  void read(const Json& json, const std::string& key, std::vector<T>& list) const {
    if (!json.is_array()) wrong(key, "a list", json);
    list.clear();
    for (const Json& item : json) {
      T x{};
      read(item, fmt::format("{}[{}]", key, list.size()), x);
      list.push_back(std::move(x));
    }
  }
  template <class T>
  void read(const Json& json, const std::string& key,
            std::vector<std::pair<std::string, T>>& named) const {
    named.clear();
    read_object<T>(json, key,
                   [&](const std::string& name, T x) { named.emplace_back(name, std::move(x)); });
  }
  template <class T>
  void read(const Json& json, const std::string& key, std::map<std::string, T>& named) const {
    named.clear();
    read_object<T>(json, key, [&](const std::string& name, T x) { named[name] = std::move(x); });
  }
  template <class T>
  void read(const Json& json, const std::string& key, T& x) const {
    if (!json.is_object()) wrong(key, "an object", json);
    JsonReader(json, source_, key + ".").read_struct(x);
  }

  template <class T, class Add>
  void read_object(const Json& json, const std::string& key, const Add& add) const {
    if (!json.is_object()) wrong(key, "an object", json);
    for (const auto& [name, item] : json.items()) {
      T x{};
      read(item, key + "." + name, x);
      add(name, std::move(x));
    }
  }
  template <class T>
  void read_struct(T& x) {
    T::visit(*this, x);
    if constexpr (requires { x.problem(); }) {
      if (const std::string expected = x.problem(); !expected.empty())
        fail(fmt::format("expected {}", expected));
    }
  }

  const Json& object_;
  const JsonSource& source_;
  std::string above_;
  std::set<std::string, std::less<>> known_;
};

template <class T>
Json json_of(const T& x) {
  return JsonWriter::json(x);
}

// ---- files of a run folder: one object ----------------------------------------------------------

template <class File>
void write_run_file(const RunFolder& folder, const File& file) {
  write_json(folder.path(File::kFile), json_of(file));
}

// Throws Error(kFile) where the file is missing, Error(kFormat) where it is damaged.
template <class File>
File read_run_file(const RunFolder& folder) {
  const std::filesystem::path path = folder.path(File::kFile);
  if (!std::filesystem::exists(path))
    throw Error(ErrorKind::kFile, fmt::format("[run] there is no {}", path.string()),
                "Name a folder that `ilora train` wrote (its `output`).");
  return JsonReader::parse<File>(read_json(path), {path.string(), File::kRemedy});
}

// ---- and one object per line -------------------------------------------------------------------

// Without its line's end. A name in it may hold any bytes.
template <class Line>
std::string run_line(const Line& line) {
  return json_text(json_of(line), -1);
}

template <class Line>
void append_run_line(const RunFolder& folder, const Line& line) {
  append_line(folder.path(Line::kFile), run_line(line));
}

// All lines, in order; none where there is no file. Throws Error(kFile) where it cannot be read and
// Error(kFormat) naming file and line.
template <class Line>
std::vector<Line> read_run_lines(const RunFolder& folder) {
  std::vector<Line> lines;
  const std::filesystem::path path = folder.path(Line::kFile);
  if (!std::filesystem::exists(path)) return lines;
  // Whole: a stream would take what the disk refuses for the end.
  const std::string all = read_file(path);
  for (size_t begin = 0, end = 0; begin < all.size(); begin = end + 1) {
    end = std::min(all.find('\n', begin), all.size());
    const std::string where = fmt::format("{}, line {}", path.string(), lines.size() + 1);
    lines.push_back(
        JsonReader::parse<Line>(parse_json(std::string_view(all).substr(begin, end - begin), where),
                                {where, Line::kRemedy}));
  }
  return lines;
}

}  // namespace ilora
