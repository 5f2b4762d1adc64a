// libFuzzer entry: any text that check_yaml lets through is read by yaml-cpp to its end, and has no
// tag. See README.md.
#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/yaml_check.h"

namespace {

bool has_tag(const YAML::Node& node) {
  const std::string& tag = node.Tag();
  if (!tag.empty() && tag != "?" && tag != "!") return true;  // those of plain and quoted texts
  if (node.IsSequence()) {
    for (const YAML::Node& item : node)
      if (has_tag(item)) return true;
  } else if (node.IsMap()) {
    for (const auto& entry : node)
      if (has_tag(entry.first) || has_tag(entry.second)) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    ilora::check_yaml(text, "fuzz");
  } catch (const ilora::Error&) {
    return 0;
  }
  try {
    for (const YAML::Node& document : YAML::LoadAll(text))
      if (has_tag(document)) std::abort();
  } catch (const YAML::Exception&) {
  }
  return 0;
}
