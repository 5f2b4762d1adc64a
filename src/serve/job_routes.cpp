#include "serve/job_routes.h"

#include <algorithm>

#include "serve/http.h"
#include "serve/request_error.h"
#include "serve/request_fields.h"
#include "serve/row_request.h"

namespace ilora {
namespace {

using httplib::Request;
using httplib::Response;

constexpr const char* kJob = "ftjob-";  // before a task's name

Json file_json(const JobFile& file) {
  return {{"id", file.id},           {"object", "file"},      {"bytes", file.bytes},
          {"created_at", file.time}, {"filename", file.name}, {"purpose", "fine-tune"},
          {"status", "processed"}};
}

void upload(JobService& service, const Request& http, Response& response) {
  if (!http.has_file("file"))
    throw RequestError(kBadRequest, "[files] expected a form with a \"file\" and its \"purpose\"");
  const std::string purpose = http.get_file_value("purpose").content;
  if (purpose != "fine-tune")
    throw RequestError(kBadRequest, "[files] expected the purpose fine-tune");
  const auto file = http.get_file_value("file");
  if (read_taught_lines(file.content, service.chat)
          .empty())  // an error now, not when it is learned
    throw RequestError(kBadRequest, "[files] there are no rows in the file");
  const std::lock_guard lock(service.mutex);
  send(response, file_json(service.files.add(file.filename, file.content)));
}

void list_files(JobService& service, Response& response) {
  Json list = Json::array();
  for (const JobFile& file : service.files.list()) list.push_back(file_json(file));
  send(response, {{"object", "list"}, {"data", std::move(list)}, {"has_more", false}});
}

void delete_file(JobService& service, const std::string& id, Response& response) {
  const std::lock_guard lock(service.mutex);
  service.files.remove(id);
  send(response, {{"id", id}, {"object", "file"}, {"deleted", true}});
}

const JournalEntry* entry_of(const std::vector<JournalEntry>& journal, const std::string& task) {
  const auto at = std::ranges::find(journal, task, &JournalEntry::task);
  return at == journal.end() ? nullptr : &*at;
}

const char* status_of(const School& school, const std::string& task, const JournalEntry* entry) {
  if (entry == nullptr) return school.learns(task) ? "running" : "queued";
  if (entry->kind == JournalEntry::kDeployed) return "succeeded";
  return entry->kind == JournalEntry::kCancelled ? "cancelled" : "failed";
}

Json job_json(const JobService& service, const TaughtTask& task) {
  const std::vector<JournalEntry> journal = service.school.journal();
  const JournalEntry* entry = entry_of(journal, task.name);
  const std::string status = status_of(service.school, task.name, entry);
  Json job = {{"id", kJob + task.name},
              {"object", "fine_tuning.job"},
              {"created_at", task.time},
              {"finished_at", entry != nullptr ? Json(entry->time) : Json(nullptr)},
              {"model", service.model},
              {"fine_tuned_model", status == "succeeded" ? Json(service.model) : Json(nullptr)},
              {"organization_id", ""},
              {"result_files", Json::array()},
              {"status", status},
              {"training_file", task.training_file},
              {"validation_file",
               task.validation_file.empty() ? Json(nullptr) : Json(task.validation_file)},
              {"hyperparameters", {{"n_epochs", "auto"}}},
              {"seed", 0},
              {"trained_tokens", nullptr}};
  job["error"] = status == "failed"
                     ? Json{{"code", entry->kind}, {"message", entry->reason}, {"param", nullptr}}
                     : Json(nullptr);
  return job;
}

// The task of a job. Throws RequestError(404).
TaughtTask task_of(const JobService& service, const std::string& id) {
  for (TaughtTask& task : service.school.tasks())
    if (kJob + task.name == id) return std::move(task);
  throw RequestError(kNotFound, "[jobs] there is no such job");
}

void create(JobService& service, const Request& http, Response& response) {
  const Json body = body_of(http);
  RequestFields fields(body);
  TaughtTask task;
  task.training_file = fields.text("training_file").value_or("");
  task.validation_file = fields.text("validation_file").value_or("");
  task.name = fields.text("suffix").value_or("job");
  const std::string model = fields.text("model").value_or(service.model);
  if (model != service.model)
    throw RequestError(kBadRequest,
                       fmt::format("[jobs] what is trained here is {}", service.model));
  if (const Json* given = fields.find("hyperparameters")) {
    RequestFields of_training(*given);
    for (const char* key : {"n_epochs", "batch_size", "learning_rate_multiplier"})
      of_training.only(key, "\"auto\"");
    of_training.done();
  }
  fields.ignore({"metadata", "seed"});
  fields.only("integrations", "[]");
  fields.only("method", "{\"type\": \"supervised\"}");
  fields.done();
  task.rows = read_taught_lines(service.files.content(task.training_file), service.chat);
  if (!task.validation_file.empty())
    task.test = read_taught_lines(service.files.content(task.validation_file), service.chat);
  const std::string name = service.school.learn(task);
  send(response, job_json(service, task_of(service, kJob + name)));
}

void list_jobs(const JobService& service, Response& response) {
  Json list = Json::array();
  const std::vector<TaughtTask> tasks = service.school.tasks();
  for (auto task = tasks.rbegin(); task != tasks.rend(); ++task)
    list.push_back(job_json(service, *task));
  send(response, {{"object", "list"}, {"data", std::move(list)}, {"has_more", false}});
}

// What is known of a job after the fact: when it came, and what became of it.
void list_events(const JobService& service, const std::string& id, Response& response) {
  const TaughtTask task = task_of(service, id);
  Json list = Json::array();
  const auto add = [&](const std::string& what, int64_t time, const std::string& level,
                       const std::string& message) {
    list.insert(list.begin(), Json{{"id", "ftevent-" + task.name + "-" + what},
                                   {"object", "fine_tuning.job.event"},
                                   {"created_at", time},
                                   {"level", level},
                                   {"message", message},
                                   {"type", "message"}});
  };
  add("created", task.time, "info", fmt::format("{} rows are to be learned", task.rows.size()));
  const std::vector<JournalEntry> journal = service.school.journal();
  if (const JournalEntry* entry = entry_of(journal, task.name))
    add("ended", entry->time, entry->kind == JournalEntry::kDeployed ? "info" : "error",
        fmt::format("{}: {}", entry->kind, entry->reason));
  send(response, {{"object", "list"}, {"data", std::move(list)}, {"has_more", false}});
}

void list_checkpoints(const JobService& service, const std::string& id, Response& response) {
  const TaughtTask task = task_of(service, id);
  Json list = Json::array();
  const std::vector<JournalEntry> journal = service.school.journal();
  const JournalEntry* entry = entry_of(journal, task.name);
  if (entry != nullptr && entry->kind == JournalEntry::kDeployed)
    list.push_back({{"id", fmt::format("ftckpt-{:04}", entry->number)},
                    {"object", "fine_tuning.job.checkpoint"},
                    {"created_at", entry->time},
                    {"fine_tuned_model_checkpoint", service.model},
                    {"fine_tuning_job_id", id},
                    {"metrics", {{"valid_loss", nullptr}}},
                    {"step_number", 0}});
  send(response, {{"object", "list"}, {"data", std::move(list)}, {"has_more", false}});
}

void act(JobService& service, const std::string& id, const std::string& what, Response& response) {
  const TaughtTask task = task_of(service, id);
  if (what == "cancel" && !service.school.cancel(task.name))
    throw RequestError(kConflict, "[jobs] the job is done with");
  // One task is learned after another: to hold one is to hold all.
  if (what == "pause") service.school.pause();
  if (what == "resume") service.school.resume();
  send(response, job_json(service, task));
}

}  // namespace

void add_job_routes(httplib::Server& server, JobService& service) {
  constexpr const char* kFiles = "/v1/files";
  constexpr const char* kJobs = "/v1/fine_tuning/jobs";
  const auto with = [](auto route) { return handled(route); };
  server.Post(kFiles, with([&](const Request& q, Response& r) { upload(service, q, r); }));
  server.Get(kFiles, with([&](const Request&, Response& r) { list_files(service, r); }));
  server.Get("/v1/files/([^/]+)", with([&](const Request& q, Response& r) {
               send(r, file_json(service.files.find(q.matches[1])));
             }));
  server.Get("/v1/files/([^/]+)/content", with([&](const Request& q, Response& r) {
               r.set_content(service.files.content(q.matches[1]), "application/jsonl");
             }));
  server.Delete("/v1/files/([^/]+)", with([&](const Request& q, Response& r) {
                  delete_file(service, q.matches[1], r);
                }));
  server.Post(kJobs, with([&](const Request& q, Response& r) { create(service, q, r); }));
  server.Get(kJobs, with([&](const Request&, Response& r) { list_jobs(service, r); }));
  server.Get("/v1/fine_tuning/jobs/([^/]+)", with([&](const Request& q, Response& r) {
               send(r, job_json(service, task_of(service, q.matches[1])));
             }));
  server.Get("/v1/fine_tuning/jobs/([^/]+)/events",
             with([&](const Request& q, Response& r) { list_events(service, q.matches[1], r); }));
  server.Get("/v1/fine_tuning/jobs/([^/]+)/checkpoints", with([&](const Request& q, Response& r) {
               list_checkpoints(service, q.matches[1], r);
             }));
  server.Post(
      "/v1/fine_tuning/jobs/([^/]+)/(cancel|pause|resume)",
      with([&](const Request& q, Response& r) { act(service, q.matches[1], q.matches[2], r); }));
}

}  // namespace ilora
