// `ilora serve` on a tiny run as a child process, and a client that asks it.
#pragma once

#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/run_fixture.h"

namespace ilora::testing {

inline sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline int free_port() {
  const int s = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  ::bind(s, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(s, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(s);
  return ntohs(address.sin_port);
}

// A server of a tiny run, and a client of it.
class Served {
 public:
  explicit Served(const std::vector<std::string>& more = {}, const Settings& settings = {})
      : run_(folder_.path() / "mine"), port_(free_port()) {
    const Outcome trained =
        run_ilora(folder_, train_arguments(tiny_settings(run_, "ilora", settings)));
    EXPECT_EQ(trained.code, 0) << trained.err;
    arguments_ = {"serve", run_.string(), "--listen", fmt::format("127.0.0.1:{}", port_)};
    arguments_.insert(arguments_.end(), more.begin(), more.end());
    start();
  }

  void start() {
    child_.emplace(folder_, arguments_);
    for (int i = 0; i < 600 && child_->running(); ++i) {
      if (client().Get("/health")) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    const Outcome outcome = child_->wait();
    throw std::runtime_error("the server did not start: " + outcome.all());
  }

  httplib::Client client(const std::string& key = {}) const {
    httplib::Client client("127.0.0.1", port_);
    client.set_connection_timeout(2);
    client.set_read_timeout(20);
    if (!key.empty()) client.set_bearer_token_auth(key.c_str());
    return client;
  }

  // The status, and the body as JSON (or as a text where it is none).
  std::pair<int, Json> post(const std::string& path, const std::string& body,
                            const std::string& key = {}) const {
    const auto result = client(key).Post(path.c_str(), body, "application/json");
    if (!result) return {0, nullptr};
    return {result->status,
            Json::accept(result->body) ? Json::parse(result->body) : Json(result->body)};
  }
  std::string complete(const std::string& prompt, const Json& more = Json::object()) const {
    Json body = {{"prompt", prompt}, {"max_tokens", 8}};
    body.update(more);
    const auto [status, reply] = post("/v1/completions", body.dump());
    EXPECT_EQ(status, 200) << reply;
    return status == 200 ? reply["choices"][0]["text"].get<std::string>() : "";
  }

  std::pair<int, Json> get(const std::string& path) const {
    const auto result = client().Get(path.c_str());
    if (!result) return {0, nullptr};
    return {result->status,
            Json::accept(result->body) ? Json::parse(result->body) : Json(result->body)};
  }
  // Until nothing is left to learn; what the server says of it then.
  Json learned() const {
    for (int i = 0; i < 1200; ++i) {
      const auto [status, json] = get("/v1/teach");
      if (status == 200 && json["learning"].is_null() && json["queue"].empty() &&
          json["rows_waiting"] == 0)
        return json;
      if (status == 200 && !json["problem"].is_null()) return json;
      std::this_thread::sleep_for(std::chrono::milliseconds(25));
    }
    return nullptr;
  }
  void kill() {
    child_->send(SIGKILL);
    child_->wait();
  }
  Child& child() { return *child_; }
  const TemporaryFolder& folder() const { return folder_; }
  const fs::path& run() const { return run_; }
  int port() const { return port_; }
  const std::vector<std::string>& arguments() const { return arguments_; }

 private:
  TemporaryFolder folder_;
  fs::path run_;
  int port_;
  std::vector<std::string> arguments_;
  std::optional<Child> child_;
};

}  // namespace ilora::testing
