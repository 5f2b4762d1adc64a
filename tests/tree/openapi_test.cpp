// src/serve/openapi.json names each route of the server, and no other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "base/file.h"
#include "base/json.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAreArray;

const fs::path kServe = fs::path(ILORA_SOURCE_DIR) / "src/serve";

// "[^/]+" and ".+" of a route, as OpenAPI's "{}"; "(a|b)" as two routes.
std::set<std::string> spelled(const std::string& method, const std::string& path) {
  static const std::regex kAny(R"(\((\[\^/\]\+|\.\+)\))"), kOneOf(R"(\(([a-z]+(\|[a-z]+)+)\))");
  const std::string plain = std::regex_replace(path, kAny, "{}");
  std::smatch found;
  if (!std::regex_search(plain, found, kOneOf)) return {method + " " + plain};
  std::set<std::string> all;
  std::stringstream words(found[1]);
  for (std::string word; std::getline(words, word, '|');)
    all.insert(method + " " + std::string(found.prefix()) + word + std::string(found.suffix()));
  return all;
}

std::set<std::string> routes_of_sources() {
  static const std::regex kConstant(R"re(constexpr const char\* (k\w+) = "(/[^"]*)")re");
  static const std::regex kRoute(
      R"re((?:server|http)\.(Get|Post|Delete)\(\s*(?:"(/[^"]*)"|(k\w+)))re");
  static const std::regex kFile(R"re(add\(server, "(/[^"]*)")re");
  std::set<std::string> routes;
  for (const auto& entry : fs::directory_iterator(kServe)) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string text = read_file(entry.path());
    std::map<std::string, std::string> constants;
    const auto each = [&](const std::regex& pattern, const auto& take) {
      for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at)
        take(*at);
    };
    each(kConstant, [&](const std::smatch& m) { constants[m[1]] = m[2]; });
    each(kFile, [&](const std::smatch& m) { routes.insert("Get " + m[1].str()); });
    each(kRoute, [&](const std::smatch& m) {
      routes.merge(spelled(m[1], m[2].matched ? m[2].str() : constants.at(m[3])));
    });
  }
  return routes;
}

TEST(OpenApi, HasEveryRouteOfTheServer) {
  const Json api = read_json(kServe / "openapi.json");
  EXPECT_EQ(api.at("openapi"), "3.1.0");
  EXPECT_EQ(api.at("info").at("version"), ILORA_VERSION);
  std::set<std::string> named;
  static const std::regex kName(R"(\{[a-z]+\})");
  for (const auto& [path, operations] : api.at("paths").items()) {
    for (const auto& [method, operation] : operations.items()) {
      std::string upper = method;
      upper[0] = static_cast<char>(std::toupper(upper[0]));
      named.insert(upper + " " + std::regex_replace(path, kName, "{}"));
      EXPECT_FALSE(operation.at("summary").get<std::string>().empty());
    }
  }
  EXPECT_GT(named.size(), 25U);
  EXPECT_THAT(named, ElementsAreArray(routes_of_sources()));
}

}  // namespace
}  // namespace ilora
