// What the routes share: JSON in, JSON out, errors as OpenAI's clients read them. Include this header
// only in .cpp files of routes: httplib's is heavy.
#pragma once

#include <httplib.h>

#include <functional>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace ilora {

// The status that an error has over HTTP, and its body: {"error": {"message", "type", "param", "code"}}.
int status_of(const Error& error);
Json error_json(const Error& error);

void send(httplib::Response& response, const Json& body, int status = 200);
// Sends what `error` is: an Error's own words; of other exceptions that something failed.
void send_error(httplib::Response& response, const std::exception_ptr& error);

// The request's body as JSON. Throws Error(kFormat) where it is none.
Json body_of(const httplib::Request& request);

// A handler whose errors are sent.
using Handle = std::function<void(const httplib::Request&, httplib::Response&)>;
httplib::Server::Handler handled(Handle handle);

}  // namespace ilora
