#include "serve/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

constexpr const char* kOwner = "0123456789abcdef-owner";
constexpr const char* kGuest = "0123456789abcdef-guest";

Access with_keys(const std::string& text) {
  TemporaryFolder folder;
  write_file_atomic(folder / "keys", text);
  Access access("127.0.0.1", {});
  access.read_keys(folder / "keys");
  return access;
}

std::string problem_of(const std::string& text) {
  try {
    with_keys(text);
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}

TEST(Access, AKeyGivesItsRightAndNoOtherDoes) {
  const Access access = with_keys(fmt::format("# people\n\n{}\r\n  {} read\n", kOwner, kGuest));
  EXPECT_EQ(access.right_of(std::string("Bearer ") + kOwner), Right::kAll);
  EXPECT_EQ(access.right_of(std::string("bearer ") + kGuest), Right::kRead);
  const std::string owner = kOwner;
  for (const std::string& wrong : std::vector<std::string>{
           "", "Bearer ", "Bearer", owner, "Basic " + owner, "Bearer " + owner + owner,
           "Bearer " + owner.substr(1), "Bearer " + owner + " ", "Bearer read", "Bearer # people"})
    EXPECT_EQ(access.right_of(wrong), Right::kNone) << wrong;
  EXPECT_EQ(Access("127.0.0.1", {}).right_of(""), Right::kAll) << "without keys";
}

TEST(Access, AFileOfKeysIsReadWholeOrRefused) {
  using ::testing::HasSubstr;
  EXPECT_THAT(problem_of("short\n"), HasSubstr("line 1"));
  EXPECT_THAT(problem_of(fmt::format("{}\n{} write\n", kOwner, kGuest)), HasSubstr("line 2"));
  EXPECT_THAT(problem_of("# none\n"), HasSubstr("no key"));
  EXPECT_THAT(problem_of(fmt::format("{} write\n", kOwner)), ::testing::Not(HasSubstr(kOwner)));
}

TEST(Access, OnlyNamesOfThisServerAndItsOwnPageAreKnown) {
  const Access access("192.168.0.7", {"ilora.example"});
  for (const char* own : {"localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080",
                          "192.168.0.7:8080", "ilora.example"})
    EXPECT_TRUE(access.knows_host(own)) << own;
  for (const char* other : {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil", "::1x"})
    EXPECT_FALSE(access.knows_host(other)) << other;
  EXPECT_TRUE(access.knows_origin("", "localhost:8080")) << "no browser";
  EXPECT_TRUE(access.knows_origin("http://localhost:8080", "localhost:8080"));
  for (const char* other :
       {"null", "http://localhost:8081", "http://evil.example", "localhost:8080"})
    EXPECT_FALSE(access.knows_origin(other, "localhost:8080")) << other;
}

TEST(Access, TheMachinesOwnAddresses) {
  for (const char* own : {"localhost", "127.0.0.1", "127.8.8.8", "::1"})
    EXPECT_TRUE(is_loopback(own)) << own;
  for (const char* other : {"0.0.0.0", "::", "192.168.0.7", "127evil", ""})
    EXPECT_FALSE(is_loopback(other)) << other;
}

}  // namespace
}  // namespace ilora
