#include "serve/access.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"

namespace ilora {
namespace {

constexpr size_t kShortestKey = 16;

// As long for any two texts of the same first length.
bool same(std::string_view given, std::string_view known) {
  size_t differs = given.size() ^ known.size();
  for (size_t i = 0; i < given.size(); ++i) {
    const char right = known.empty() ? '\0' : known[i % known.size()];
    differs |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(right);
  }
  return differs == 0;
}

// "[::1]:8080" and "localhost:8080" without the port and the brackets.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    return end == host.npos ? host : host.substr(1, end - 1);
  }
  const size_t colon = host.find(':');
  if (host.find(':', colon + 1) != host.npos && colon != host.npos) return host;  // an IPv6 address
  return host.substr(0, colon);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words(1);
  for (const char c : line) {
    if (c != ' ' && c != '\t' && c != '\r') {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

}  // namespace

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Access::Access(std::string host, std::vector<std::string> more) : hosts_(std::move(more)) {
  hosts_.push_back(std::move(host));
  for (const char* own : {"localhost", "127.0.0.1", "::1"}) hosts_.emplace_back(own);
  for (std::string& name : hosts_) name = lower(without_port(name));
}

void Access::read_keys(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  size_t number = 0;
  for (size_t begin = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::vector<std::string> words =
        words_of(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    if (words.empty() || words.front().starts_with('#')) continue;
    const bool reads = words.size() == 2 && words[1] == "read";
    if (words.front().size() < kShortestKey || (words.size() > 1 && !reads))
      throw Error(ErrorKind::kFormat,
                  fmt::format("[serve] expected \"KEY\" or \"KEY read\" ({} line {})",
                              file.string(), number + 1),
                  fmt::format("A key has at least {} characters and no space; `openssl rand -hex "
                              "24` makes one.",
                              kShortestKey));
    keys_.push_back({words.front(), reads ? Right::kRead : Right::kAll});
  }
  if (keys_.empty())
    throw Error(ErrorKind::kUsage, fmt::format("[serve] there is no key in {}", file.string()),
                "One a line: \"KEY\", or \"KEY read\" for who may only ask.");
}

Right Access::right_of(std::string_view authorization) const {
  if (keys_.empty()) return Right::kAll;
  constexpr std::string_view kBearer = "bearer ";
  if (lower(authorization.substr(0, kBearer.size())) != kBearer) return Right::kNone;
  const std::string_view given = authorization.substr(kBearer.size());
  Right right = Right::kNone;
  for (const Key& key : keys_)  // all of them, whichever it is
    if (same(given, key.text)) right = key.right;
  return right;
}

bool Access::knows_host(std::string_view host) const {
  if (has_keys()) return true;
  return std::ranges::count(hosts_, lower(without_port(host))) > 0;
}

bool Access::knows_origin(std::string_view origin, std::string_view host) const {
  if (origin.empty()) return true;
  const size_t scheme = origin.find("://");
  return scheme != origin.npos && lower(origin.substr(scheme + 3)) == lower(host);
}

}  // namespace ilora
