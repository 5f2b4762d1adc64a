#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <signal.h>
#include <sys/resource.h>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "base/error.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using testing::HasSubstr;

std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.insert(entry.path().filename().string());
  return names;
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat info {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info.st_mode;
}

TEST(File, WritesAndReadsBack) {
  const TemporaryFolder folder;
  const std::string content("a\0b\n", 4);
  write_file_atomic(folder / "x", content);
  EXPECT_EQ(read_file(folder / "x"), content);
  write_file_atomic(folder / "x", "");
  EXPECT_EQ(read_file(folder / "x"), "");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"x"});
}

TEST(File, MapsAndMoves) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "x", "hello");
  MappedFile first(folder / "x");
  const std::byte* data = first.bytes().data();
  const MappedFile second(std::move(first));
  EXPECT_EQ(second.bytes().data(), data);
  EXPECT_EQ(second.bytes().size(), 5u);
  EXPECT_EQ(first.bytes().size(),
            0u);  // NOLINT(bugprone-use-after-move): the moved-from state is the point
  MappedFile third;
  third = MappedFile(folder / "x");
  EXPECT_EQ(third.bytes().size(), 5u);
}

TEST(File, MissingFileIsOneClearError) {
  const TemporaryFolder folder;
  const Error error = error_of([&] { read_file(folder / "absent"); });
  EXPECT_EQ(error.kind(), ErrorKind::kFile);
  EXPECT_THAT(error.what(), HasSubstr((folder / "absent").string()));
  EXPECT_THAT(error.hint(), HasSubstr("no such file"));
}

TEST(File, FolderIsNotAFile) {
  const TemporaryFolder folder;
  make_folder(folder / "a" / "b");
  EXPECT_THAT(error_of([&] { read_file(folder / "a"); }).what(), HasSubstr("directory"));
  EXPECT_EQ(error_of([&] { write_file_atomic(folder / "a", "x"); }).kind(), ErrorKind::kFile);
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"a"});
}

TEST(File, APipeIsReadToItsEnd) {
  const TemporaryFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << std::string(100'000, 'x'); });
  EXPECT_EQ(read_file(pipe), std::string(100'000, 'x'));
  writer.join();
}

TEST(File, APipeIsWrittenInto) {
  const TemporaryFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = read_file(pipe); });
  write_file_atomic(pipe, std::string(100'000, 'y'));
  reader.join();
  EXPECT_EQ(got, std::string(100'000, 'y'));
  EXPECT_TRUE(S_ISFIFO(mode_of(pipe)));
}

TEST(File, ADeviceStaysOne) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink("/dev/null", folder / "null");  // never the real one by name
  write_file_atomic(folder / "null", "gone");
  EXPECT_TRUE(S_ISLNK(mode_of(folder / "null")));
  EXPECT_TRUE(S_ISCHR(mode_of("/dev/null")));
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"null"});
}

TEST(File, ALinkStaysAndWhatItNamesIsWritten) {
  const TemporaryFolder folder;
  make_folder(folder / "data");
  write_file_atomic(folder / "data/target", "old");
  std::filesystem::create_symlink("data/target", folder / "link");
  std::filesystem::create_symlink("link", folder / "second");
  write_file_atomic(folder / "second", "new");
  EXPECT_EQ(read_file(folder / "data/target"), "new");
  EXPECT_TRUE(S_ISLNK(mode_of(folder / "second")));
  EXPECT_TRUE(S_ISLNK(mode_of(folder / "link")));
  std::filesystem::create_symlink("data/absent", folder / "dangling");
  write_file_atomic(folder / "dangling", "made");
  EXPECT_EQ(read_file(folder / "data/absent"), "made");
  std::filesystem::create_symlink("circle", folder / "circle");
  EXPECT_THAT(error_of([&] { write_file_atomic(folder / "circle", "x"); }).what(),
              HasSubstr("symbolic links"));
}

TEST(File, AnOldFilesModeStays) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "x", "old");
  ASSERT_EQ(::chmod((folder / "x").c_str(), 0600), 0);
  write_file_atomic(folder / "x", "new");
  EXPECT_EQ(mode_of(folder / "x") & 07777u, 0600u);
}

TEST(File, ASocketIsRefused) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mknod((folder / "socket").c_str(), S_IFSOCK | 0600, 0), 0);
  EXPECT_EQ(error_of([&] { write_file_atomic(folder / "socket", "x"); }).kind(), ErrorKind::kFile);
  EXPECT_TRUE(S_ISSOCK(mode_of(folder / "socket")));
}

TEST(File, WritersAtOnceLeaveOneWholeFile) {
  const TemporaryFolder folder;
  std::vector<std::thread> writers;
  for (char c = 'a'; c < 'e'; ++c) {
    writers.emplace_back([&, c] {
      for (int i = 0; i < 20; ++i) write_file_atomic(folder / "x", std::string(50'000, c));
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string left = read_file(folder / "x");
  EXPECT_EQ(left, std::string(50'000, left[0]));
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"x"});
}

TEST(File, LeftoversOfAKilledWriterGo) {
  const TemporaryFolder folder;
  make_folder(folder / "below");
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_GT(child, 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);  // a number that nobody has any more
  write_file_atomic(folder / fmt::format("below/state.{}-3.tmp", child), "half");
  write_file_atomic(folder / fmt::format("state.{}-0.tmp", ::getpid()), "being written");
  make_folder(folder /
              fmt::format("kept.{}-1.tmp/below", child));  // a folder that was not finished
  write_file_atomic(folder / fmt::format("kept.{}-1.tmp/below/x", child), "half");
  write_file_atomic(folder / "mine.tmp", "a user's");
  write_file_atomic(folder / fmt::format("notes.{}-3b.tmp", child), "a user's");
  remove_leftovers(folder.path());
  EXPECT_TRUE(names_in(folder / "below").empty());
  EXPECT_EQ(names_in(folder.path()).size(), 4u);
}

TEST(File, HomeIsExpandedOrRefused) {
  const TemporaryFolder folder;
  ASSERT_EQ(::setenv("HOME", "/home/me", 1), 0);
  EXPECT_EQ(expand_home("runs/~x"), "runs/~x");
  EXPECT_EQ(expand_home("~/runs"), "/home/me/runs");
  EXPECT_EQ(expand_home("~"), "/home/me");
  EXPECT_EQ(error_of([] { expand_home("~somebody/runs"); }).kind(), ErrorKind::kUsage);
  for (const auto& action : std::vector<std::function<void()>>{
           [] { write_file_atomic("~/x", ""); }, [] { append_line("~x/y", ""); },
           [] { make_folder("~"); }, [] { make_folder("$HOME/x"); },
           [] { make_folder("${RUNS}/x"); }})
    EXPECT_THAT(error_of(action).what(), HasSubstr("which no shell has expanded"));
  EXPECT_FALSE(std::filesystem::exists("./~"));
}

TEST(File, AppendsLines) {
  const TemporaryFolder folder;
  append_line(folder / "log", "one");
  append_line(folder / "log", "two");
  EXPECT_EQ(read_file(folder / "log"), "one\ntwo\n");
}

TEST(File, FolderBelowAFileCannotBeMade) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "x", "");
  EXPECT_EQ(error_of([&] { make_folder(folder / "x" / "y"); }).kind(), ErrorKind::kFile);
}

// A file-size limit stands for a full disk: write() fails after a part was written.
TEST(File, FullDiskKeepsTheOldFile) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "checkpoint", "the old content");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  rlimit tight = before;
  tight.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const std::string large(100000, 'x');
  const Error error = error_of([&] { write_file_atomic(folder / "checkpoint", large); });
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);

  EXPECT_EQ(error.kind(), ErrorKind::kFile);
  EXPECT_THAT(error.hint(), HasSubstr("Free some space"));
  EXPECT_EQ(read_file(folder / "checkpoint"), "the old content");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"checkpoint"});
}

TEST(MappedFile, PagesThatWereLetGoReadTheSame) {
  const TemporaryFolder folder;
  std::string content(20'000, ' ');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('a' + i % 23);
  write_file_atomic(folder / "data", content);
  const MappedFile file(folder / "data");
  const auto bytes = file.bytes();
  // Around pages, inside one, none.
  for (const auto& [begin, size] :
       {std::pair<size_t, size_t>{0, 20'000}, {100, 15'000}, {8, 9}, {3, 0}})
    release_pages(bytes.subspan(begin, size));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), content);
}

}  // namespace
}  // namespace ilora
