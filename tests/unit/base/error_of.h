// What an action that must fail says.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace ilora {

// The error that `action` throws; fails the test where it throws none.
template <class Action>
Error error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return {ErrorKind::kInternal, ""};
}

// Its message and, on a line of its own, its hint.
template <class Action>
std::string message_of(Action&& action) {
  const Error error = error_of(action);
  return std::string(error.what()) + "\n" + error.hint();
}

}  // namespace ilora
