// OpenAI's /v1/files and /v1/fine_tuning/jobs: a job is a task that comes whole, in a file.
#pragma once

#include <mutex>
#include <string>
#include <utility>

#include "serve/job_files.h"
#include "serve/school.h"

namespace httplib {
class Server;
}

namespace ilora {

struct JobService {
  JobService(School& s, const RunFolder& run, std::string name, bool conversations)
      : school(s), files(run), model(std::move(name)), chat(conversations) {}

  School& school;
  const JobFiles files;
  const std::string model;  // what clients call the run
  const bool chat;          // rows are conversations
  std::mutex mutex;         // of the files
};

// The service outlives the server.
void add_job_routes(httplib::Server& server, JobService& service);

}  // namespace ilora
