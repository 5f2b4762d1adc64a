// What a run's files say is noticed where it is not what was written.
#include "runs/seal.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ilora {
namespace {

const char* const kText =
    R"({"a":0.1,"b":-0.0,"c":[1e22,12345678901,null],"d":{"x":"\u00e4\n"},"e":3.0,"f":0.3333333333333333})";

TEST(Seal, HoldsForWhatWasWritten) {
  const Json object = Json::parse(kText);
  const Json whole = sealed(object);
  EXPECT_TRUE(whole.contains("hash"));
  for (const int indent : {-1, 2})
    EXPECT_TRUE(seal_holds(parse_json(json_text(whole, indent), "x"))) << indent;
  EXPECT_TRUE(seal_holds(object)) << "what has no hash is taken as it is";
  EXPECT_EQ(sealed_line(object), json_text(whole, -1));
}

// Bytes that are no UTF-8 are written as U+FFFD: the hash is of what is written.
TEST(Seal, IsOfWhatIsWritten) {
  const Json read = parse_json(sealed_line({{"name", "bad\xff"}}), "x");
  EXPECT_TRUE(seal_holds(read));
  EXPECT_EQ(read.at("name"), "bad\xef\xbf\xbd");
}

TEST(Seal, DoesNotHoldForAnotherHashOrNone) {
  Json object = sealed(Json::parse(kText));
  object["a"] = 0.2;
  EXPECT_FALSE(seal_holds(object));
  object["a"] = 0.1;
  EXPECT_TRUE(seal_holds(object));
  object["hash"] = 7;
  EXPECT_FALSE(seal_holds(object));
}

TEST(Seal, EveryFlippedBitOfALineIsNoticedOrChangesNothing) {
  const Json object = Json::parse(kText);
  const std::string line = sealed_line(object);
  size_t noticed = 0;
  for (size_t at = 0; at < line.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = line;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      try {
        const Json read = parse_json(damaged, "x");
        if (!seal_holds(read)) {
          ++noticed;
          continue;
        }
        // A digit beyond what a number holds, or the name of the hash's own key, which nobody
        // looks at then.
        for (const auto& [key, value] : object.items()) EXPECT_EQ(read.at(key), value) << damaged;
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::kFormat);
        ++noticed;
      }
    }
  }
  EXPECT_GT(noticed, line.size() * 7);
}

}  // namespace
}  // namespace ilora
