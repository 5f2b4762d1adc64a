// What a turn says beside its text: calls of tools, reasoning, whose answer a tool's is. Read for
// conversation.h and by the importers; templates write it (text/chat_template.h).
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/json_fwd.h"

namespace ilora {

// The keys of a turn that are read here.
inline constexpr std::array<std::string_view, 5> kTurnKeys = {
    "tool_calls", "tool_call_id", "reasoning_content", "reasoning", "thinking"};

// Those of a turn as one JSON object, "" where it has none: "tool_calls" (of the assistant; a list of
// {"function": {"name", "arguments"}}, arguments as an object or as a JSON text of one, and what else
// they have), "reasoning_content" (of the assistant; also called reasoning or thinking),
// "tool_call_id" (of a tool), and "content": null where a turn with calls says nothing else. `where`
// names the turn. Throws Error(kData) for other values, and for keys of another role.
std::string turn_keys(const Json& turn, const std::string& role, const std::string& where);

// A row's "tools", a list of descriptions or a JSON text of one, as JSON; "" where there are none.
std::string tools_of(const Json& tools, const std::string& where);

// Whether such an object has calls of tools.
bool calls_tools(const std::string& more);

}  // namespace ilora
