// The fields of a request's JSON object, each read once and in its range. What nobody read is refused
// by name in the end: nothing that a client asks for goes unheeded.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"

namespace ilora {

class RequestFields {
 public:
  // `body` outlives it. Throws Error(kData) where it is no object. So do the readers, for a value of
  // another type or out of range; null is as if the field were not there.
  explicit RequestFields(const Json& body);

  const Json* find(std::string_view key);
  std::optional<double> number(std::string_view key, double low, double high);
  std::optional<int64_t> integer(std::string_view key, int64_t low, int64_t high);
  std::optional<bool> flag(std::string_view key);
  std::optional<std::string> text(std::string_view key);
  // A text or a list of at most `most` texts, none empty.
  std::vector<std::string> texts(std::string_view key, size_t most);

  // Fields that change no answer here.
  void ignore(std::initializer_list<std::string_view> keys);
  // A field that is not honoured: only the value that asks for nothing is taken. `neutral` is JSON.
  void only(std::string_view key, const char* neutral);
  // Throws Error(kData) naming the first field that was not read.
  void done() const;

 private:
  const Json& body_;
  std::set<std::string, std::less<>> read_;
};

}  // namespace ilora
