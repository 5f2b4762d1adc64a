// /v1/models, /v1/chat/completions, /v1/completions, /lora-adapters.
#pragma once

#include <cstdint>
#include <string>

#include "serve/answering.h"
#include "serve/recent_answers.h"
#include "serve/served_learners.h"

namespace httplib {
class Server;
}

namespace ilora {

struct AnswerService {
  Workbench& bench;
  Answering& answering;
  ServedLearners& learners;
  RecentAnswers& recent;
  bool chat = false;              // prompts are turns of a conversation (data.template)
  int64_t request_seconds = 120;  // for an answer
  Sampling sampling{};            // what a request does not say
};

// The service outlives the server.
void add_answer_routes(httplib::Server& server, AnswerService& service);

}  // namespace ilora
