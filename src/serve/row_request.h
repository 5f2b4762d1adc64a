// A row as a client teaches it: what is asked and what is to be said, or a correction of an answer
// that was given.
#pragma once

#include "base/json_fwd.h"
#include "data/task.h"
#include "serve/recent_answers.h"

namespace ilora {

// {"prompt", "answer"}; {"messages", "tools"}; or {"id", "answer"}: the question that was answered
// under the id, with the right answer. `chat`: the run learns conversations; one that learns prompts
// as they stand takes of these only one question and its answer. Throws RequestError: 400 naming the
// row, 404 for an id that is not known (any more).
Example read_taught_row(const Json& row, const RecentAnswers& recent, bool chat,
                        const std::string& where);
// Lines of a JSON Lines file of such rows, ids apart.
std::vector<Example> read_taught_lines(const std::string& text, bool chat);

}  // namespace ilora
