#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <signal.h>
#include <sys/resource.h>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using testing::HasSubstr;

TEST(File, WritesAndReadsBack) {
  const TemporaryFolder folder;
  const std::string content("a\0b\n", 4);
  write_file_atomic(folder / "x", content);
  EXPECT_EQ(read_file(folder / "x"), content);
  write_file_atomic(folder / "x", "");
  EXPECT_EQ(read_file(folder / "x"), "");
  EXPECT_FALSE(std::filesystem::exists(folder / "x.tmp"));
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
  EXPECT_FALSE(std::filesystem::exists(folder / "a.tmp"));
}

TEST(File, APipeIsReadToItsEnd) {
  const TemporaryFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << std::string(100'000, 'x'); });
  EXPECT_EQ(read_file(pipe), std::string(100'000, 'x'));
  writer.join();
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
  EXPECT_FALSE(std::filesystem::exists(folder / "checkpoint.tmp"));
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
