#include "serve/http.h"

#include <new>

#include "serve/request_error.h"

namespace ilora {

int status_of(const Error& error) {
  if (const auto* request = dynamic_cast<const RequestError*>(&error)) return request->status;
  switch (error.kind()) {
    case ErrorKind::kUsage:
    case ErrorKind::kFormat:
    case ErrorKind::kData:
    case ErrorKind::kUnsupported:
      return kBadRequest;
    case ErrorKind::kInUse:
      return kConflict;
    case ErrorKind::kInterrupted:
      return kUnavailable;
    default:
      return kServerError;
  }
}

Json error_json(const Error& error) {
  const int status = status_of(error);
  const auto* request = dynamic_cast<const RequestError*>(&error);
  std::string message = error.what();
  if (!error.hint().empty()) message += fmt::format(". {}", error.hint());
  const char* type = status == kTooMany        ? "rate_limit_error"
                     : status == kUnauthorized ? "authentication_error"
                     : status == kForbidden    ? "permission_error"
                     : status >= kServerError  ? "server_error"
                                               : "invalid_request_error";
  Json body;
  body["error"] = {{"message", message}, {"type", type}, {"param", nullptr}, {"code", nullptr}};
  if (request != nullptr && !request->code.empty()) body["error"]["code"] = request->code;
  return body;
}

void send(httplib::Response& response, const Json& body, int status) {
  response.status = status;
  response.set_content(json_text(body, -1), "application/json");
}

void send_error(httplib::Response& response, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    send(response, error_json(e), status_of(e));
    if (response.status == kTooMany) response.set_header("Retry-After", "1");
  } catch (const std::bad_alloc&) {
    send(response, error_json(RequestError(kUnavailable, "[serve] there is not enough memory")),
         kUnavailable);
  } catch (const std::exception& e) {
    send(response, error_json(RequestError(kServerError, fmt::format("[serve] {}", e.what()))),
         kServerError);
  }
}

Json body_of(const httplib::Request& request) {
  return parse_json(request.body, "the request's body");
}

httplib::Server::Handler handled(Handle handle) {
  return
      [handle = std::move(handle)](const httplib::Request& request, httplib::Response& response) {
        try {
          handle(request, response);
        } catch (...) {
          send_error(response, std::current_exception());
        }
      };
}

}  // namespace ilora
