// Reads a YAML document into an option list: the only file that knows yaml-cpp.
#include <yaml-cpp/yaml.h>

#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "base/yaml_check.h"

namespace ilora {
namespace {

class Reader {
 public:
  Reader(OptionList& list, const std::string& source) : list_(list), source_(source) {}

  void read(const YAML::Node& map, const std::string& section) {
    for (const auto& entry : map) {
      const YAML::Node& name = entry.first;
      if (!name.IsScalar()) fail(name, "expected a name, got a list or map as key");
      const std::string key = section.empty() ? name.Scalar() : section + "." + name.Scalar();
      const std::string place = where(name);
      if (const auto [it, fresh] = seen_.emplace(key, place); !fresh) {
        fail(name, fmt::format("expected {} once, got it again after {}", key, it->second));
      }
      value(key, entry.second, place);
    }
  }

 private:
  void value(const std::string& key, const YAML::Node& node, const std::string& place) {
    if (node.IsMap() && !list_.has(key) && (list_.is_section(key) || node.size() > 0)) {
      read(node, key);
    } else if (node.IsMap()) {
      list_.assign(key, {false, {"a map"}}, place);
    } else if (node.IsNull() && list_.is_section(key)) {
      return;  // a section without keys
    } else if (node.IsSequence()) {
      OptionList::Written written{true, {}};
      for (const YAML::Node& item : node) {
        if (!item.IsScalar()) fail(item, fmt::format("{}: expected plain values in the list", key));
        written.items.push_back(item.Scalar());
      }
      list_.assign(key, written, place);
    } else {
      // A key without a value is never meant: it would silently empty a text.
      if (node.IsNull() && list_.has(key)) {
        throw Error(ErrorKind::kUsage,
                    fmt::format("[config] {}: expected a value, got none ({})", key, place),
                    "Write a value, \"\" for an empty text, or remove the line.");
      }
      list_.assign(key, {false, {node.IsNull() ? "nothing" : node.Scalar()}}, place);
    }
  }

  std::string where(const YAML::Node& node) const {
    return fmt::format("{}:{}", source_, node.Mark().line + 1);
  }
  [[noreturn]] void fail(const YAML::Node& node, const std::string& message) const {
    throw Error(ErrorKind::kUsage, fmt::format("[config] {} ({})", message, where(node)));
  }

  OptionList& list_;
  const std::string& source_;
  std::map<std::string, std::string> seen_;  // key -> where
};

}  // namespace

void OptionList::load_yaml(const std::filesystem::path& path) {
  load_yaml_text(read_file(path), path.string());
}

void OptionList::load_yaml_text(std::string_view text, const std::string& where) {
  check_yaml(text, where);
  YAML::Node root;
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1)
      throw Error(
          ErrorKind::kUsage,
          fmt::format("[config] expected one document, got {} ({})", documents.size(), where),
          "Take out the line ---, or what stands after it.");
    if (!documents.empty()) root = documents.front();
  } catch (const YAML::Exception& e) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[config] not valid YAML: {} ({}:{})", e.msg, where, e.mark.line + 1),
                "Check the indentation and quotes on that line.");
  }
  if (root.IsNull()) return;
  if (!root.IsMap()) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[config] expected `key: value` lines, got {} ({}:1)",
                            root.IsSequence() ? "a list" : "a single value", where));
  }
  Reader(*this, where).read(root, "");
}

}  // namespace ilora
