// JSON values and files, by nlohmann-json. Include this header only in .cpp files: it is heavy.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/json_fwd.h"

// Compiled once, in json.cpp: it is the larger part of what a file that uses it takes to compile.
extern template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace ilora {

// Objects without order, which find a key in the logarithm of their size: for vocabularies.
using JsonTree = nlohmann::json;

// Deeper ones are refused: what walks through a value later may be recursive.
inline constexpr size_t kJsonDepth = 256;

enum class JsonNumbers : uint8_t {
  kValues,
  kDigits,  // one that would print otherwise than it was written, such as 3.10, becomes a text
};

// Parses `text`, one value and nothing after it; `where` names the source in the error (kind
// kFormat, with line and column and, where it is known, the cause). An object that has a key twice
// is refused: two readers would see two different files. Linear in the text's size.
Json parse_json(std::string_view text, const std::string& where,
                JsonNumbers numbers = JsonNumbers::kValues);
Json read_json(const std::filesystem::path& path);
JsonTree read_json_tree(const std::filesystem::path& path);

// In our words, what a look-up found that the library throws about: "the key \"r\" is missing".
std::string what_is_wrong(const Json::exception& error);

// As text; bytes that are no UTF-8, such as a file's name may hold, become U+FFFD. indent -1: on
// one line.
std::string json_text(const Json& value, int indent = 2);
// Writes atomically (see write_file_atomic), pretty-printed, with a final newline.
void write_json(const std::filesystem::path& path, const Json& value);

}  // namespace ilora
