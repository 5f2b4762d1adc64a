#include "base/listed.h"

#include <gtest/gtest.h>

#include <array>

namespace ilora {
namespace {

struct Entry {
  const char* name;
  int value;
};

TEST(Listed, JoinsWhatAProjectionGives) {
  const std::array<Entry, 3> table = {{{"one", 1}, {"", 2}, {"three", 3}}};
  EXPECT_EQ(listed(table, &Entry::name), "one, , three");
  EXPECT_EQ(listed(table, [](const Entry& e) { return std::to_string(e.value); }), "1, 2, 3");
  EXPECT_EQ(listed(std::array<Entry, 0>{}, &Entry::name), "");
}

}  // namespace
}  // namespace ilora
