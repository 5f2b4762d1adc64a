// What CONTRIBUTING.md says of files, enforced: how long they are, what a unit test is named after;
// and that comments name files that there are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"

namespace ilora {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

namespace fs = std::filesystem;

// The project's own files with one of some extensions, by their paths from its root.
std::vector<std::string> files_in(const std::vector<std::string>& folders,
                                  const std::set<std::string>& extensions) {
  const fs::path root = ILORA_SOURCE_DIR;
  std::vector<std::string> files;
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.is_regular_file() && extensions.contains(entry.path().extension().string()))
        files.push_back(entry.path().lexically_relative(root).generic_string());
    }
  }
  std::ranges::sort(files);
  return files;
}

std::string content_of(const std::string& path) {
  return read_file(fs::path(ILORA_SOURCE_DIR) / path);
}

TEST(Files, OfTheSourceHaveAtMost500Lines) {
  const std::vector<std::string> files = files_in({"src", "include"}, {".h", ".cpp"});
  ASSERT_GT(files.size(), 100U) << "the source tree was not found";
  for (const std::string& path : files) {
    const std::string text = content_of(path);
    EXPECT_LE(std::ranges::count(text, '\n'), 500) << path;
  }
}

// tests/unit/LAYER/NAME_test.cpp tests src/LAYER/NAME, a file or a folder of files.
TEST(UnitTests, AreNamedAfterWhatTheyTest) {
  const std::vector<std::string> files = files_in({"tests/unit"}, {".cpp"});
  ASSERT_GT(files.size(), 30U);
  for (const std::string& path : files) {
    constexpr std::string_view kFront = "tests/unit/", kBack = "_test.cpp";
    ASSERT_TRUE(path.ends_with(kBack)) << path;
    const std::string name = path.substr(kFront.size(), path.size() - kFront.size() - kBack.size());
    const fs::path tested = fs::path(ILORA_SOURCE_DIR) / "src" / name;
    EXPECT_TRUE(fs::is_directory(tested) || fs::exists(tested.string() + ".h") ||
                fs::exists(tested.string() + ".cpp"))
        << path;
  }
}

// Files that a text's comments name and that are not among `known`, as "line: name". A name is a
// path's end: "run.h" or "continual/run.h". Placeholders (NAME.cpp, *_test.cpp) are none.
std::vector<std::string> absent_files(const std::string& text, const std::set<std::string>& known) {
  static const std::regex name(R"((^|[^\w/.\-*>}])((?:[\w\-]+/)*[\w\-]+\.(?:cpp|h))(?!\w|/))");
  std::vector<std::string> absent;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const size_t comment = line.find("//");
    if (comment == std::string::npos) continue;
    const std::string part = line.substr(comment);
    for (std::sregex_iterator at(part.begin(), part.end(), name), end; at != end; ++at) {
      const std::string found = (*at)[2];
      if (found.find("NAME") == std::string::npos && !known.contains(found))
        absent.push_back(std::to_string(number) + ": " + found);
    }
  }
  return absent;
}

std::vector<std::string> own_code() {
  return files_in({"src", "include", "tests", "examples", "bench"}, {".h", ".cpp"});
}

// Every end of every path: "src/base/file.h", "base/file.h", "file.h".
std::set<std::string> known_files() {
  // Of other projects.
  std::set<std::string> known = {"llama.cpp", "foreach_target.h", "ggml-common.h"};
  for (std::string path : own_code()) {
    known.insert(path);
    for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/')) {
      path.erase(0, slash + 1);
      known.insert(path);
    }
  }
  return known;
}

TEST(Comments, NameFilesThatThereAre) {
  const std::set<std::string> known = known_files();
  for (const std::string& path : own_code())
    EXPECT_THAT(absent_files(content_of(path), known), IsEmpty()) << path;
}

TEST(AbsentFiles, AreFoundByWholeNames) {
  const std::set<std::string> known = {"base/file.h", "file.h"};
  const std::string comment = std::string("/") + "/ ";  // apart: this file is looked at too
  const std::string text = "int x;  " + comment + "file.h, base/file.h, (file.h)\n" + comment +
                           "gone.cpp: base/gone.h.\n";
  EXPECT_THAT(absent_files(text, known), ElementsAre("2: gone.cpp", "2: base/gone.h"));
  EXPECT_THAT(absent_files("#include <gone.h>\n\"gone.h\"\n", known), IsEmpty());
  EXPECT_THAT(absent_files(comment + "NAME.cpp, *_test.cpp, <layer>/x.cpp, ${a}_fuzz.cpp\n", known),
              IsEmpty());
}

}  // namespace
}  // namespace ilora
