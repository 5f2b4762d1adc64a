// The state of a run in one file, written atomically: a crash or a full disk leaves the previous
// one valid.
//
// A safetensors file: flat vectors as F32, rows as I32, and in its metadata one JSON object of
// numbers and a hash of all of it.
#pragma once

#include <filesystem>
#include <limits>
#include <list>
#include <string>
#include <vector>

#include "base/json.h"
#include "continual/state.h"
#include "formats/safetensors.h"
#include "runs/schema.h"

namespace ilora {

class StateWriter : public StateVisitor {
 public:
  void value(const std::string& name, int64_t& x) override { numbers_[name] = x; }
  void value(const std::string& name, double& x) override { numbers_[name] = x; }
  void count(const std::string& name, int64_t& n) override { numbers_[name] = n; }
  void vector(const std::string& name, Tensor flat) override;
  void rows(const std::string& name, std::vector<Row>& rows) override;
  void json(const std::string& name, const Json& value) { numbers_[name] = value; }

  void write(const std::filesystem::path& path) const;

 private:
  void integers(const std::string& name, std::vector<int32_t> values);
  void top_logits(const std::string& name, const std::vector<Row>& rows);
  void gaps(const std::string& name, const std::vector<Row>& rows);

  Json numbers_ = Json::object();
  std::vector<StoredTensor> tensors_;
  // What tensors_ points to; entries stay where they are.
  std::list<std::vector<int32_t>> integers_;
  std::list<std::vector<float>> floats_;
};

// Throws Error(kFormat) naming file and entry where something is missing or does not fit, or where
// the file is not as it was written.
class StateReader : public StateVisitor {
 public:
  // What rows may name: tokens below `vocabulary`, tasks below `tasks`.
  struct Bounds {
    int64_t vocabulary = std::numeric_limits<int32_t>::max();
    int64_t tasks = std::numeric_limits<int32_t>::max();
  };
  StateReader(const std::filesystem::path& path, const Bounds& bounds);
  explicit StateReader(const std::filesystem::path& path) : StateReader(path, Bounds()) {}
  void value(const std::string& name, int64_t& x) override;
  void value(const std::string& name, double& x) override;
  void count(const std::string& name, int64_t& n) override;
  void vector(const std::string& name, Tensor flat) override;
  void rows(const std::string& name, std::vector<Row>& rows) override;
  bool has(const std::string& name) const { return numbers_.contains(name); }
  const Json& json(const std::string& name) const;
  std::string text(const std::string& name) const;
  std::vector<std::string> texts(const std::string& name) const;
  template <class T>
  T parse(const std::string& name) const {
    return JsonReader::parse<T>(json(name), {fmt::format("{}, {}", file_.name(), name), kRemedy});
  }

 private:
  static constexpr const char* kRemedy =
      "The checkpoint was written by another version or for another method.";

  [[noreturn]] void unexpected(const std::string& name, const std::string& expected) const;
  template <class T>
  std::vector<T> list(const std::string& name) const;
  void top_logits(const std::string& name, std::vector<Row>& rows) const;
  void gaps(const std::string& name, std::vector<Row>& rows) const;
  [[noreturn]] void damaged(const std::string& name) const;

  SafetensorsFile file_;
  Bounds bounds_;
  Json numbers_;
};

}  // namespace ilora
