#include "base/stand_in.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

constexpr const char* kPointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 134\n";

TEST(StandIn, IsNamed) {
  EXPECT_EQ(stand_in(kPointer)->name, "a pointer of Git LFS");
  EXPECT_EQ(stand_in("<!DOCTYPE html>\n<html>")->name, "a web page");
  EXPECT_EQ(stand_in("\n <HTML lang=en>")->name, "a web page");
}

TEST(StandIn, AnythingElseIsNone) {
  for (const char* text : {"", " ", "version: 3", "{\"a\": 1}", "<svg>", "<!doctype", "GGUF"})
    EXPECT_FALSE(stand_in(text)) << text;
}

TEST(StandIn, OfJsonIsSaid) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "tokenizer.json", kPointer);
  const Error error = error_of([&] { read_json(folder / "tokenizer.json"); });
  EXPECT_NE(std::string(error.what()).find("a pointer of Git LFS"), std::string::npos)
      << error.what();
  EXPECT_NE(error.hint().find("git lfs pull"), std::string::npos);
}

}  // namespace
}  // namespace ilora
