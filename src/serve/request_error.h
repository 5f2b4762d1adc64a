// An error that is the client's to mend, with the status that says so over HTTP. Other errors have
// the status of their kind (http.h).
#pragma once

#include <string>

#include "base/error.h"

namespace ilora {

enum HttpStatus : int {
  kBadRequest = 400,
  kUnauthorized = 401,
  kForbidden = 403,
  kNotFound = 404,
  kTimeout = 408,
  kConflict = 409,
  kLengthRequired = 411,
  kTooLarge = 413,
  kUnsupportedMedia = 415,
  kTooMany = 429,
  kServerError = 500,
  kUnavailable = 503,
};

class RequestError : public Error {
 public:
  // `code`: OpenAI's word for it, such as "model_not_found"; may be empty.
  RequestError(int http_status, const std::string& message, std::string hint = {},
               std::string word = {})
      : Error(ErrorKind::kData, message, std::move(hint)),
        status(http_status),
        code(std::move(word)) {}

  const int status;
  const std::string code;
};

}  // namespace ilora
