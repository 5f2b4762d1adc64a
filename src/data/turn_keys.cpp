#include "data/turn_keys.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"

namespace ilora {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& where,
                       const std::string& hint = {}) {
  throw Error(ErrorKind::kData, fmt::format("[data] {} ({})", what, where), hint);
}

bool says_nothing(const Json& turn, std::string_view key) {
  const auto at = turn.find(key);
  return at == turn.end() || at->is_null() || at->empty() || *at == "";
}

void require_role(const std::string& role, const char* wanted, std::string_view key,
                  const std::string& where) {
  if (role == wanted) return;
  fail(fmt::format("\"{}\" in a turn of the role {}", key, role), where,
       fmt::format("It belongs to turns of the role {}.", wanted));
}

// Arguments as an object: templates write it as JSON, or go through it.
Json arguments_of(const Json& arguments, const std::string& where) {
  Json read = arguments;
  if (arguments.is_string())
    read = arguments == ""
               ? Json::object()
               : parse_json(arguments.get_ref<const std::string&>(), "the arguments in " + where);
  if (!read.is_object()) fail("expected an object in \"arguments\"", where);
  return read;
}

Json calls_of(const Json& calls, const std::string& where) {
  const char* hint =
      R"(A call is {"function": {"name": "...", "arguments": {...}}}, beside "type" and "id".)";
  if (!calls.is_array()) fail("expected a list in \"tool_calls\"", where, hint);
  Json read = Json::array();
  for (const Json& call : calls) {
    if (!call.is_object()) fail("expected an object in \"tool_calls\"", where, hint);
    Json one = call;
    Json* function = one.contains("function") ? &one["function"] : &one;
    if (!function->is_object() || !function->contains("name") || !(*function)["name"].is_string())
      fail("expected a function with a \"name\" in \"tool_calls\"", where, hint);
    (*function)["arguments"] =
        arguments_of(function->contains("arguments") ? (*function)["arguments"] : Json(""), where);
    read.push_back(std::move(one));
  }
  return read;
}

}  // namespace

std::string turn_keys(const Json& turn, const std::string& role, const std::string& where) {
  Json more = Json::object();
  for (const char* key : {"reasoning_content", "reasoning", "thinking"}) {
    if (says_nothing(turn, key)) continue;
    require_role(role, "assistant", key, where);
    if (!turn[key].is_string()) fail(fmt::format("expected a text in \"{}\"", key), where);
    if (more.contains("reasoning_content") && more["reasoning_content"] != turn[key])
      fail("two reasonings in one turn", where, "Keep one of the keys.");
    more["reasoning_content"] = turn[key];
  }
  if (!says_nothing(turn, "tool_calls")) {
    require_role(role, "assistant", "tool_calls", where);
    more["tool_calls"] = calls_of(turn["tool_calls"], where);
    if (!turn.contains("content") || turn["content"].is_null()) more["content"] = nullptr;
  }
  if (!says_nothing(turn, "tool_call_id")) {
    require_role(role, "tool", "tool_call_id", where);
    if (!turn["tool_call_id"].is_string()) fail("expected a text in \"tool_call_id\"", where);
    more["tool_call_id"] = turn["tool_call_id"];
  }
  return more.empty() ? std::string() : more.dump();
}

std::string tools_of(const Json& tools, const std::string& where) {
  if (tools.is_null() || tools.empty() || tools == "") return {};
  Json read = tools;
  if (tools.is_string())
    read = parse_json(tools.get_ref<const std::string&>(), "\"tools\" in " + where);
  if (!read.is_array()) fail("expected a list in \"tools\"", where);
  for (const Json& tool : read)
    if (!tool.is_object()) fail("expected an object for each of \"tools\"", where);
  return read.empty() ? std::string() : read.dump();
}

bool calls_tools(const std::string& more) {
  return !more.empty() && parse_json(more, "a turn").contains("tool_calls");
}

}  // namespace ilora
