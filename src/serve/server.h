// The HTTP server: who may ask, how much, and which routes there are. Each kind of route is a file of
// its own (answer_routes.cpp, ...).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "serve/access.h"
#include "serve/answer_routes.h"
#include "serve/job_routes.h"
#include "serve/teaching_routes.h"

namespace ilora {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;               // 0: any that is free
  int64_t body_bytes = 8 << 20;  // of a request
  int64_t connections = 64;      // served at once; others wait
  std::function<void(const std::string& line)>
      log{};  // of each request, without texts; may be empty
};

class Server {
 public:
  // What is given outlives the server. Throws Error(kUsage) where it would listen beyond this machine
  // without keys.
  // `teaching`, `jobs`: null where nothing is to be learned.
  Server(ServerOptions options, const Access& access, AnswerService& answers,
         TeachingService* teaching, JobService* jobs);
  ~Server();  // stop()
  Server(const Server&) = delete;

  // Listens and serves, in threads of its own. Throws Error(kUsage) where the address is taken or is
  // none of this machine's.
  void start();
  // No new connection; those that there are end with their request.
  void stop();
  int port() const;  // after start()

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace ilora
