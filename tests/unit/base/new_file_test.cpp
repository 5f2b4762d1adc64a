// Files and folders that are there as a whole or not at all.
#include "base/new_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "base/file.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.insert(entry.path().filename().string());
  return names;
}

TEST(NewFile, IsThereWhenItIsFinished) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "x", "old");
  {
    NewFile file(folder / "x");
    file.write(std::string_view("new "));
    file.write(std::string_view("content"));
    EXPECT_EQ(file.size(), 11U);
    EXPECT_EQ(read_file(folder / "x"), "old");
    file.finish();
  }
  EXPECT_EQ(read_file(folder / "x"), "new content");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"x"});
}

TEST(NewFile, LeavesNothingWhereItIsGivenUp) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "x", "old");
  try {
    NewFile file(folder / "x");
    file.write(std::string_view("a part"));
    throw std::runtime_error("no more");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(read_file(folder / "x"), "old");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"x"});
  EXPECT_EQ(error_of([&] { NewFile file(folder / "absent/x"); }).kind(), ErrorKind::kFile);
}

TEST(RemoveFolder, TakesItAwayWithWhatIsInIt) {
  const TemporaryFolder folder;
  make_folder(folder / "a/b");
  write_file_atomic(folder / "a/b/x", "1");
  remove_folder(folder / "a");
  EXPECT_TRUE(names_in(folder.path()).empty());
  remove_folder(folder / "a");  // nothing to do
  EXPECT_EQ(error_of([&] { remove_folder("/dev/null/x"); }).kind(), ErrorKind::kFile);
}

TEST(RequireSameKind, SparesWhatIsNamedByMistake) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "page.html", "<!DOCTYPE html>\n<html>");
  write_file_atomic(folder / "config.yaml", "method: ilora\n");
  write_file_atomic(folder / "short", "<!d");
  write_file_atomic(folder / "empty", "");
  for (const char* name : {"page.html", "empty", "absent"})
    EXPECT_NO_THROW(require_same_kind(folder / name, "--out", "<!doctype html")) << name;
  for (const char* name : {"config.yaml", "short"}) {
    const auto action = [&] { require_same_kind(folder / name, "--out", "<!doctype html"); };
    EXPECT_THAT(error_of(action).what(), HasSubstr("left as it is (--out)")) << name;
  }
}

TEST(NewFolder, IsThereWhenItIsFinished) {
  const TemporaryFolder folder;
  {
    NewFolder made(folder / "a/b/");
    write_file_atomic(made.path() / "x", "1");
    EXPECT_FALSE(fs::exists(folder / "a/b"));
    made.finish();
  }
  EXPECT_EQ(read_file(folder / "a/b/x"), "1");
  { const NewFolder given_up(folder / "a/c"); }
  EXPECT_EQ(names_in(folder / "a"), std::set<std::string>{"b"});
}

TEST(NewFolder, TakesNobodysPlace) {
  const TemporaryFolder folder;
  NewFolder made(folder / "x");
  make_folder(folder / "x");  // meanwhile
  EXPECT_EQ(error_of([&] { made.finish(); }).kind(), ErrorKind::kFile);
}

TEST(Outputs, ReplacePlainFilesAlone) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "file", "1");
  make_folder(folder / "folder");
  fs::create_symlink(folder / "file", folder / "link");
  EXPECT_NO_THROW(require_new_file(folder / "file", "--out"));
  EXPECT_NO_THROW(require_new_file(folder / "new", "--out"));
  EXPECT_NO_THROW(require_new_folder(folder / "new/", "--out"));
  for (const char* name : {"folder", "link"})
    EXPECT_THAT(message_of([&] { require_new_file(folder / name, "--out"); }), HasSubstr("--out"));
  EXPECT_THAT(message_of([] { require_new_file("/dev/null", "--out"); }), HasSubstr("plain file"));
  for (const char* name : {"folder", "folder/", "file", "link"})
    EXPECT_THAT(message_of([&] { require_new_folder(folder / name, "--out"); }),
                HasSubstr("is there already"));
  EXPECT_THAT(message_of([] { NewFile file("~/x"); }), HasSubstr("no shell"));
}

}  // namespace
}  // namespace ilora
