// Stop texts, however the answer is cut into parts.
#include "text/stop_text.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

// What is shown of parts, and whether a stop ended them.
std::pair<std::string, bool> shown(const std::vector<std::string>& stops,
                                   const std::vector<std::string>& parts) {
  StopText stop(stops);
  std::string text;
  for (const std::string& part : parts) text += stop.push(part);
  return {text + stop.finish(), stop.stopped()};
}

using Shown = std::pair<std::string, bool>;

TEST(StopText, EndsAnAnswerWhereverItIsCut) {
  const std::string text = "one two\n\nthree";
  for (size_t a = 0; a <= text.size(); ++a) {
    for (size_t b = a; b <= text.size(); ++b) {
      const std::vector<std::string> parts = {text.substr(0, a), text.substr(a, b - a),
                                              text.substr(b)};
      EXPECT_EQ(shown({"\n\n"}, parts), Shown("one two", true)) << a << " " << b;
      EXPECT_EQ(shown({"xyz", "two\n", "\n\n"}, parts), Shown("one ", true));
      EXPECT_EQ(shown({"three!"}, parts), Shown(text, false));
      EXPECT_EQ(shown({}, parts), Shown(text, false));
    }
  }
}

TEST(StopText, HoldsBackWhatMayBecomeOne) {
  StopText stop({"END"});
  EXPECT_EQ(stop.push("the E"), "the ");
  EXPECT_EQ(stop.push("N"), "");
  EXPECT_EQ(stop.push("EN"), "EN");
  EXPECT_EQ(stop.push("D of it"), "");
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.push("more"), "");
  EXPECT_EQ(stop.finish(), "");
  EXPECT_EQ(shown({"aab"}, {"aaab!"}), Shown("a", true));
}

}  // namespace
}  // namespace ilora
