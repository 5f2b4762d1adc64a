// /v1/teach, /v1/deployments, /v1/rollback, /v1/memory.
#pragma once

#include "serve/recent_answers.h"
#include "serve/school.h"

namespace httplib {
class Server;
}

namespace ilora {

struct TeachingService {
  School& school;
  const RecentAnswers& recent;
  const Tokenizer& tokenizer;
  bool chat = false;  // rows are conversations (data.template)
};

// The service outlives the server.
void add_teaching_routes(httplib::Server& server, TeachingService& service);

}  // namespace ilora
