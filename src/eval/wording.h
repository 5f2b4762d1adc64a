// How a task's texts are written: labels that are one in meaning and two in letters, texts that show
// nothing, marks of chat templates, splits too small to tell. What `ilora data check` finds and
// `ilora train` warns of.
#pragma once

#include <string_view>
#include <vector>

#include "eval/finding.h"

namespace ilora {

// White space and invisible characters alone (zero-width space, byte order mark, soft hyphen), or
// nothing.
bool looks_empty(std::string_view text);

// The first mark of a chat template in a text, such as "<|im_end|>" or "[INST]"; empty: none.
std::string_view template_mark(std::string_view text);

// `parsed`: control tokens that rows write out are control tokens (data.special_tokens: parse).
void check_wording(std::vector<Finding>& findings, const TaskText& task, const RowPlaces& places,
                   bool parsed = false);

}  // namespace ilora
