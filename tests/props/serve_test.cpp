// `ilora serve` as a child process, asked over HTTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <set>
#include <thread>

#include "base/exit_code.h"
#include "tests/served.h"

namespace ilora::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(Serve, AnswersAreThoseOfGenerate) {
  Served served;
  const std::string prompt = "Which colour has the sky?";
  const Outcome said = run_ilora(
      served.folder(), {"generate", "--run", served.run().string(), prompt, "-n", "8", "--json"});
  ASSERT_EQ(said.code, 0) << said.err;
  const std::string expected = Json::parse(said.out)[0]["answer"];
  EXPECT_EQ(served.complete(prompt), expected);
  EXPECT_EQ(served.complete(prompt, {{"model", "mine:slow"}}), expected);
  const auto [status, chat] = served.post(
      "/v1/chat/completions",
      Json{{"messages", {{{"role", "user"}, {"content", prompt}}}}, {"max_tokens", 8}}.dump());
  ASSERT_EQ(status, 200) << chat;
  EXPECT_EQ(chat["choices"][0]["message"]["content"], expected) << "as the run learned it: raw";
  EXPECT_EQ(chat["model"], "mine:slow");
  const auto models = served.client().Get("/v1/models");
  EXPECT_THAT(models->body, HasSubstr("mine:task-02"));
  EXPECT_EQ(served.client().Get("/v1/models/mine:fast")->status, 200);
  EXPECT_EQ(served.client().Get("/v1/models/nobody")->status, 404);
  EXPECT_EQ(served.post("/v1/completions", R"({"prompt": "x", "model": "nobody"})").first, 404);
}

TEST(Serve, AStreamSaysTheSameAndItsEnd) {
  Served served;
  const std::string whole = served.complete("The third stop of the tram is");
  const auto result = served.client().Post(
      "/v1/completions",
      R"({"prompt": "The third stop of the tram is", "max_tokens": 8, "stream": true,
          "stream_options": {"include_usage": true}})",
      "application/json");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->get_header_value("Content-Type"), "text/event-stream");
  std::string text, reason;
  int64_t tokens = 0;
  bool done = false;
  for (size_t at = 0; (at = result->body.find("data: ", at)) != std::string::npos;) {
    const size_t end = result->body.find("\n\n", at);
    const std::string data = result->body.substr(at + 6, end - at - 6);
    at = end;
    EXPECT_FALSE(done);
    if (data == "[DONE]") {
      done = true;
      continue;
    }
    const Json event = Json::parse(data);
    for (const Json& choice : event["choices"]) {
      text += choice["text"].get<std::string>();
      if (!choice["finish_reason"].is_null()) reason = choice["finish_reason"];
    }
    if (event.contains("usage")) tokens = event["usage"]["completion_tokens"];
  }
  EXPECT_TRUE(done);
  EXPECT_EQ(text, whole);
  EXPECT_FALSE(reason.empty());
  EXPECT_GT(tokens, 0);
}

TEST(Serve, ManyClientsHearWhatEachWouldHearAlone) {
  constexpr int kClients = 12, kEach = 6;
  Served served({"--slots", "5"});
  const auto question = [](int client, int i) {
    const char* models[] = {"mine", "mine:fast", "mine:task-01", "mine:base", "mine:slow~fast@0.5"};
    return std::pair(fmt::format("Question {} of {}:", i, client),
                     Json{{"model", models[(client + i) % 5]},
                          {"max_tokens", 3 + (client * i) % 11},
                          {"temperature", i % 2 == 0 ? 0.0 : 0.9},
                          {"seed", client}});
  };
  std::vector<std::string> alone, together(kClients * kEach);
  for (int i = 0; i < kClients * kEach; ++i) {
    const auto [prompt, more] = question(i / kEach, i % kEach);
    alone.push_back(served.complete(prompt, more));
  }
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c)
    clients.emplace_back([&, c] {
      for (int i = 0; i < kEach; ++i) {
        const auto [prompt, more] = question(c, i);
        together[static_cast<size_t>(c * kEach + i)] = served.complete(prompt, more);
      }
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(together, alone);
  EXPECT_GT(std::set<std::string>(alone.begin(), alone.end()).size(), 20u);
}

// Sends bytes as they are; what comes back. A client that sends no more (`ends`) may count as gone.
std::string raw(int port, const std::string& bytes, bool ends = true) {
  const int s = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in to = loopback(port);
  std::string reply;
  if (::connect(s, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0 &&
      ::send(s, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
    if (ends) ::shutdown(s, SHUT_WR);
    char buffer[4096];
    for (ssize_t n = 0; (ends || reply.empty()) && (n = ::recv(s, buffer, sizeof(buffer), 0)) > 0;)
      reply.append(buffer, static_cast<size_t>(n));
  }
  ::close(s);
  return reply;
}

TEST(Serve, WhatIsWrongIsRefusedAndTheServerGoesOn) {
  Served served({"--max-body", "1"});
  EXPECT_EQ(served.post("/v1/completions", "{").first, 400);
  EXPECT_EQ(served.post("/v1/completions", "").first, 400);
  EXPECT_EQ(served.post("/v1/completions", R"({"prompt": "x", "prompt": "y"})").first, 400);
  EXPECT_EQ(served.post("/v1/completions", R"({"prompt": "x", "frobnicate": 1})").first, 400);
  EXPECT_EQ(served.post("/v1/completions", std::string(300, '[')).first, 400);
  EXPECT_EQ(served.post("/v1/completions", std::string(2 << 20, 'x')).first, 413);
  EXPECT_EQ(served.post("/v1/completions", R"({"prompt": [999999]})").first, 400);
  EXPECT_EQ(served
                .post("/v1/chat/completions",
                      R"({"messages": [{"role": "user", "content": "a"},
                            {"role": "assistant", "content": "b"},
                            {"role": "user", "content": "c"}]})")
                .first,
            400)
      << "a run that learned prompts as they stand";
  for (const char* path : {"/nothing", "/../../etc/passwd", "/v1/../../etc/passwd",
                           "/%2e%2e/%2e%2e/etc/passwd", "/v1/models/..%2f..%2fetc%2fpasswd"})
    EXPECT_EQ(served.client().Get(path)->status, 404) << path;
  const std::string host = fmt::format("Host: 127.0.0.1:{}\r\n", served.port());
  const auto status = [&](const std::string& head) {
    return raw(served.port(), head, false).substr(0, 12);
  };
  EXPECT_EQ(status("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "HTTP/1.1 403");
  EXPECT_EQ(status("GET /health HTTP/1.1\r\n" + host + "Origin: http://evil.example\r\n\r\n"),
            "HTTP/1.1 403");
  EXPECT_EQ(status("POST /v1/completions HTTP/1.1\r\n" + host +
                   "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
            "HTTP/1.1 411");
  EXPECT_EQ(status("POST /v1/completions HTTP/1.1\r\n" + host +
                   "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
            "HTTP/1.1 415");
  raw(served.port(), "nonsense");
  raw(served.port(), std::string(1 << 20, 'A'));
  raw(served.port(), "GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n\r\n");
  raw(served.port(), "POST /v1/completions HTTP/1.1\r\n" + host + "Content-Length: 99\r\n\r\n{");
  EXPECT_EQ(served.client().Get("/health")->status, 200);
  EXPECT_FALSE(served.complete("Still there?").empty());
}

TEST(Serve, KeysDecideWhoMayDoWhat) {
  const std::string owner = "owner-0123456789abcdef", guest = "guest-0123456789abcdef";
  TemporaryFolder folder;
  write_file_atomic(folder / "keys", owner + "\n" + guest + " read\n");
  Served served({"--key-file", (folder / "keys").string()});
  const std::string ask = R"({"prompt": "x", "max_tokens": 1})";
  EXPECT_EQ(served.post("/v1/completions", ask).first, 401);
  EXPECT_EQ(served.post("/v1/completions", ask, owner + "x").first, 401);
  EXPECT_EQ(served.post("/v1/completions", ask, owner).first, 200);
  EXPECT_EQ(served.post("/v1/completions", ask, guest).first, 200);
  EXPECT_EQ(served.client(guest).Delete("/v1/models/mine")->status, 403);
  EXPECT_EQ(served.client().Get("/v1/models")->status, 401);
  EXPECT_EQ(served.client().Get("/health")->status, 200);
}

TEST(Serve, ASignalLetsAnswersEnd) {
  Served served;
  std::thread asks([&] {
    EXPECT_FALSE(served.complete("A long one:", {{"max_tokens", 200}}).empty());
  });
  std::this_thread::sleep_for(20ms);
  served.child().send(SIGTERM);
  const auto began = std::chrono::steady_clock::now();
  const Outcome outcome = served.child().wait();
  asks.join();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
  EXPECT_EQ(outcome.code, exit_code_of_signal(SIGTERM)) << outcome.all();
}

TEST(Serve, APortIsNotShared) {
  Served served;
  const Outcome second = run_ilora(served.folder(), {"serve", data_folder("tiny-model").string(),
                                                     "--listen", std::to_string(served.port())});
  EXPECT_EQ(second.code, kExitUsage);
  EXPECT_THAT(second.err, HasSubstr(std::to_string(served.port())));
}

TEST(Serve, OtherMachinesNeedKeys) {
  TemporaryFolder folder;
  const std::string model = data_folder("tiny-model").string();
  const Outcome open = run_ilora(folder, {"serve", model, "--listen", "0.0.0.0:0"});
  EXPECT_EQ(open.code, kExitUsage);
  EXPECT_THAT(open.err, HasSubstr("--key-file"));
  for (const char* wrong : {"nowhere:port", "127.0.0.1:70000", ":", "127.0.0.1:"})
    EXPECT_EQ(run_ilora(folder, {"serve", model, "--listen", wrong}).code, kExitUsage) << wrong;
}

}  // namespace
}  // namespace ilora::testing
