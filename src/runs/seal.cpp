#include "runs/seal.h"

#include <utility>

#include "base/hash.h"

namespace ilora {
namespace {

constexpr const char* kHash = "hash";

std::string hash_of(const Json& object) {
  return hash_digits(hash_text(json_text(object, -1)));
}

}  // namespace

Json sealed(Json object) {
  object[kHash] = hash_of(object);
  return object;
}

bool seal_holds(const Json& object) {
  const auto hash = object.find(kHash);
  if (hash == object.end()) return true;
  Json others = object;
  others.erase(kHash);
  return hash->is_string() && hash->get_ref<const std::string&>() == hash_of(others);
}

std::string sealed_line(Json object) {
  return json_text(sealed(std::move(object)), -1);
}

}  // namespace ilora
