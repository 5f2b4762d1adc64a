#include "serve/server.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "serve/http.h"
#include "serve/page.h"
#include "serve/request_error.h"
#include "serve/status_text.h"

namespace ilora {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kReadSeconds = 10, kWriteSeconds = 30, kIdleSeconds = 10;
constexpr size_t kRequestsOfAConnection = 10000;

bool changes(const httplib::Request& request) {
  return request.method != "GET" && request.method != "HEAD";
}

// A port that nobody else listens on: httplib would share it (SO_REUSEPORT), without a word.
void take_alone(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

// What needs no key: whether the server is there, and the page, which asks for one.
bool is_open(const std::string& path) {
  return path == "/health" || path == "/" || path == "/page.css" || path == "/page.js" ||
         path == "/openapi.json";
}

// Asking for an answer changes nothing.
bool asks(const std::string& path) {
  return path == "/v1/chat/completions" || path == "/v1/completions";
}

}  // namespace

struct Server::Implementation {
  Implementation(ServerOptions o, const Access& a, AnswerService& s)
      : options(std::move(o)), access(a), answers(s) {}

  const ServerOptions options;
  const Access& access;
  AnswerService& answers;
  httplib::Server http;
  std::thread thread;
  int port = 0;
  const Clock::time_point began = Clock::now();
  std::atomic<int64_t> requests{0};

  // Throws RequestError for a request that is not let in. Nothing of its body is read yet.
  void admit(const httplib::Request& request) const {
    const std::string host = request.get_header_value("Host");
    if (!access.knows_host(host))
      throw RequestError(kForbidden, "[serve] the request names another host than this server",
                         "A server that is reached by other names is told them by --allow-host.");
    if (!access.knows_origin(request.get_header_value("Origin"), host))
      throw RequestError(kForbidden, "[serve] a page of another origin asks");
    // What may grow without end as it is read.
    if (request.has_header("Transfer-Encoding"))
      throw RequestError(kLengthRequired, "[serve] a body needs a Content-Length");
    if (request.has_header("Content-Encoding"))
      throw RequestError(kUnsupportedMedia, "[serve] a body is taken as it is, not compressed");
    if (is_open(request.path)) return;
    const Right right = access.right_of(request.get_header_value("Authorization"));
    if (right == Right::kNone)
      throw RequestError(kUnauthorized, "[serve] a key is needed (Authorization: Bearer KEY)", {},
                         "invalid_api_key");
    if (right == Right::kRead && changes(request) && !asks(request.path))
      throw RequestError(kForbidden, "[serve] this key may ask and look, not change");
  }

  void configure() {
    http.new_task_queue = [this] {
      return new httplib::ThreadPool(static_cast<size_t>(options.connections));
    };
    http.set_payload_max_length(static_cast<size_t>(options.body_bytes));
    http.set_read_timeout(kReadSeconds);
    http.set_write_timeout(kWriteSeconds);
    http.set_keep_alive_timeout(kIdleSeconds);
    http.set_keep_alive_max_count(kRequestsOfAConnection);
    http.set_tcp_nodelay(true);
    http.set_socket_options(take_alone);
    http.set_default_headers({{"X-Content-Type-Options", "nosniff"},
                              {"X-Frame-Options", "DENY"},
                              {"Referrer-Policy", "no-referrer"}});
    http.set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          ++requests;
          try {
            admit(request);
            return httplib::Server::HandlerResponse::Unhandled;
          } catch (...) {
            send_error(response, std::current_exception());
            response.set_header("Connection", "close");
            return httplib::Server::HandlerResponse::Handled;
          }
        });
    // Of what httplib refuses itself: too large, no such route, no HTTP.
    http.set_error_handler([](const httplib::Request& request, httplib::Response& response) {
      if (!response.body.empty()) return;
      const int status = response.status;
      const std::string what = status == kNotFound
                                   ? fmt::format("there is no {} here", request.method)
                               : status == kTooLarge ? "the body is too large"
                                                     : "this request cannot be read";
      send(response, error_json(RequestError(status, "[serve] " + what)), status);
    });
    http.set_exception_handler([](const httplib::Request&, httplib::Response& response,
                                  std::exception_ptr error) { send_error(response, error); });
    if (options.log) {
      http.set_logger([this](const httplib::Request& request, const httplib::Response& response) {
        options.log(fmt::format("{} {} {}", request.method, request.path, response.status));
      });
    }
  }

  void add_own_routes() {
    http.Get("/health", handled([](const httplib::Request&, httplib::Response& response) {
               send(response, {{"status", "ok"}});
             }));
    http.Get("/metrics", handled([this](const httplib::Request&, httplib::Response& response) {
               const std::chrono::duration<double> up = Clock::now() - began;
               response.set_content(status_text(answers.answering.counts(), requests, up.count()),
                                    "text/plain; version=0.0.4");
             }));
  }
};

Server::Server(ServerOptions options, const Access& access, AnswerService& answers,
               TeachingService* teaching, JobService* jobs) {
  if (!is_loopback(options.host) && !access.has_keys())
    throw Error(ErrorKind::kUsage,
                fmt::format("[serve] without keys the server listens on this machine alone, and {} "
                            "is reached from others",
                            options.host),
                "Name a file of keys by --key-file, or listen on 127.0.0.1.");
  implementation_ = std::make_unique<Implementation>(std::move(options), access, answers);
  implementation_->configure();
  implementation_->add_own_routes();
  add_page(implementation_->http);
  add_answer_routes(implementation_->http, answers);
  if (teaching != nullptr) add_teaching_routes(implementation_->http, *teaching);
  if (jobs != nullptr) add_job_routes(implementation_->http, *jobs);
}

Server::~Server() {
  stop();
}

void Server::start() {
  Implementation& i = *implementation_;
  const ServerOptions& o = i.options;
  i.port = o.port == 0 ? i.http.bind_to_any_port(o.host)
                       : (i.http.bind_to_port(o.host, o.port) ? o.port : -1);
  if (i.port < 0)
    throw Error(ErrorKind::kUsage, fmt::format("[serve] cannot listen on {}:{}", o.host, o.port),
                "Another program may listen there, or the address is none of this machine's.");
  i.thread = std::thread([&i] { i.http.listen_after_bind(); });
}

void Server::stop() {
  Implementation& i = *implementation_;
  if (!i.thread.joinable()) return;
  i.http.stop();
  i.thread.join();
}

int Server::port() const {
  return implementation_->port;
}

}  // namespace ilora
