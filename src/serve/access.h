// Who may ask a server for what: keys, and the hosts and pages that a browser may speak for. Pure
// functions of a request's headers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ilora {

enum class Right : uint8_t {
  kNone,
  kRead,  // to ask, and to look
  kAll,   // to teach, deploy and delete too
};

class Access {
 public:
  // Without keys everybody may do all, which only a loopback address is good for. `host`: where the
  // server listens; `more`: names that it is reached by besides.
  Access(std::string host, std::vector<std::string> more);

  // Adds the keys of a file: one a line, "KEY" or "KEY read", of at least 16 characters; lines that
  // begin with '#' and empty ones do not count. Throws Error(kFormat) naming file and line, without
  // the key; Error(kUsage) for a file without keys.
  void read_keys(const std::filesystem::path& file);
  bool has_keys() const { return !keys_.empty(); }

  // By the header "Authorization: Bearer KEY". Takes as long for a wrong key as for a right one.
  Right right_of(std::string_view authorization) const;
  // Whether "Host" names this server: a page of another host that was made to resolve to this address
  // does not. With keys any host will do, for no such page knows one.
  bool knows_host(std::string_view host) const;
  // Whether "Origin", where a browser sends one, is this server's own page.
  bool knows_origin(std::string_view origin, std::string_view host) const;

 private:
  struct Key {
    std::string text;
    Right right;
  };
  std::vector<std::string> hosts_;
  std::vector<Key> keys_;
};

// Whether an address is the machine's own: 127.0.0.0/8, ::1, localhost.
bool is_loopback(std::string_view host);

}  // namespace ilora
