#include "serve/teaching_routes.h"

#include "runs/schema.h"
#include "serve/http.h"
#include "serve/request_error.h"
#include "serve/request_fields.h"
#include "serve/row_request.h"

namespace ilora {
namespace {

constexpr int64_t kMostKeptShown = 1000;

// {"rows": [...], "task": "invoices", "learn": true}
void teach(const TeachingService& service, const httplib::Request& http,
           httplib::Response& response) {
  const Json body = body_of(http);
  RequestFields fields(body);
  const Json* rows = fields.find("rows");
  if (rows == nullptr || !rows->is_array())
    throw RequestError(kBadRequest, "[teach] expected a list in \"rows\"");
  const std::string task = fields.text("task").value_or("");
  const bool now = fields.flag("learn").value_or(false);
  fields.done();
  std::vector<Example> examples;
  bool corrects = false;
  for (size_t i = 0; i < rows->size(); ++i) {
    const Json& row = (*rows)[i];
    corrects |= row.is_object() && row.contains("id");
    examples.push_back(
        read_taught_row(row, service.recent, service.chat, fmt::format("row {}", i)));
  }
  const auto numbers = service.school.teach(examples, task, corrects ? "correction" : "taught",
                                            http.get_header_value("Idempotency-Key"), now);
  send(response, {{"object", "teach.receipt"},
                  {"rows", numbers},
                  {"rows_waiting", service.school.status()["rows_waiting"]}});
}

void learn(const TeachingService& service, const httplib::Request& http,
           httplib::Response& response) {
  const Json body = body_of(http);
  RequestFields fields(body);
  const std::string task = fields.text("task").value_or("");
  fields.done();
  const std::string name = service.school.learn(task);
  if (name.empty()) throw RequestError(kNotFound, "[teach] no rows wait under this name");
  send(response, {{"object", "teach.task"}, {"task", name}});
}

void list_deployments(const TeachingService& service, httplib::Response& response) {
  Json list = Json::array();
  for (const JournalEntry& entry : service.school.journal()) list.push_back(json_of(entry));
  send(response, {{"object", "list"}, {"data", std::move(list)}});
}

void roll_back(const TeachingService& service, const httplib::Request& http,
               httplib::Response& response) {
  const Json body = body_of(http);
  RequestFields fields(body);
  const auto number = fields.integer("deployment", 1, INT64_MAX);
  fields.done();
  if (!number) throw RequestError(kBadRequest, "[serve] expected a number in \"deployment\"");
  send(response, json_of(service.school.roll_back(*number)));
}

// The rows that a request's parameters name: ?task=NAME, ?row=NUMBER, ?text=PART.
std::function<bool(const KeptRow&)> chosen_rows(const TeachingService& service,
                                                const httplib::Request& http) {
  for (const auto& [key, value] : http.params)
    if (key != "task" && key != "row" && key != "text")
      throw RequestError(kBadRequest, "[memory] there are the parameters task, row and text");
  const std::string task = http.get_param_value("task"), row = http.get_param_value("row"),
                    text = http.get_param_value("text");
  if (row.find_first_not_of("0123456789") != row.npos || row.size() > 18)
    throw RequestError(kBadRequest, "[memory] expected a number in row");
  const int64_t number = row.empty() ? -1 : std::stoll(row);
  const Tokenizer& tokenizer = service.tokenizer;
  return [=, &tokenizer](const KeptRow& kept) {
    if (!task.empty() && kept.task != task) return false;
    if (number >= 0 && kept.number != number) return false;
    if (text.empty()) return true;
    const KeptText said = text_of(kept.row, tokenizer);
    return said.prompt.find(text) != text.npos || said.answer.find(text) != text.npos;
  };
}

void list_memory(const TeachingService& service, const httplib::Request& http,
                 httplib::Response& response) {
  const auto chosen = chosen_rows(service, http);
  Json list = Json::array();
  int64_t count = 0;
  for (const KeptRow& kept : service.school.kept().rows) {
    if (!chosen(kept) || ++count > kMostKeptShown) continue;
    const KeptText said = text_of(kept.row, service.tokenizer);
    list.push_back({{"task", kept.task},
                    {"row", kept.number},
                    {"prompt", said.prompt},
                    {"answer", said.answer}});
  }
  send(response, {{"object", "list"}, {"data", std::move(list)}, {"total", count}});
}

void delete_memory(const TeachingService& service, const httplib::Request& http,
                   httplib::Response& response) {
  if (http.params.empty())
    throw RequestError(kBadRequest, "[memory] which rows?",
                       "?task=NAME, ?row=NUMBER and ?text=PART say so.");
  const int64_t count = service.school.forget(chosen_rows(service, http));
  send(response, {{"object", "memory.deleted"}, {"rows", count}});
}

}  // namespace

void add_teaching_routes(httplib::Server& server, TeachingService& service) {
  using httplib::Request;
  using httplib::Response;
  const auto with = [&service](void (*route)(const TeachingService&, const Request&, Response&)) {
    return handled([&service, route](const Request& request, Response& response) {
      route(service, request, response);
    });
  };
  server.Post("/v1/teach", with(teach));
  server.Get("/v1/teach", handled([&](const Request&, Response& response) {
               send(response, service.school.status());
             }));
  server.Post("/v1/teach/learn", with(learn));
  server.Post("/v1/teach/pause", handled([&](const Request&, Response& response) {
                service.school.pause();
                send(response, service.school.status());
              }));
  server.Post("/v1/teach/resume", handled([&](const Request&, Response& response) {
                service.school.resume();
                send(response, service.school.status());
              }));
  server.Get("/v1/deployments", handled([&](const Request&, Response& response) {
               list_deployments(service, response);
             }));
  server.Post("/v1/rollback", with(roll_back));
  server.Get("/v1/memory", with(list_memory));
  server.Delete("/v1/memory", with(delete_memory));
}

}  // namespace ilora
