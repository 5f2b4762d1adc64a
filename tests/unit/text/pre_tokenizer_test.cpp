#include "text/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ilora {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> words_of(const PreTokenizerStep& step, const std::string& text) {
  const PreTokenizer cut({step}, "test");
  PreTokenizer::Scratch scratch;
  cut.split(text, true, scratch);
  return {scratch.words.begin(), scratch.words.end()};
}

// As Python's `regex` cuts with tiktoken's expression of o200k_base.
TEST(PreTokenizer, WordsOfGpt4oEndWhereSmallLettersDo) {
  EXPECT_THAT(words_of(gpt4o_words_step(),
                       "HelloWorld it's ABCdef 12345 foo/bar//\n\n  x'LL École 東京タワー…"),
              ElementsAre("Hello", "World", " it's", " ABCdef", " ", "123", "45", " foo", "/bar",
                          "//\n\n", " ", " x'LL", " École", " 東京タワー", "…"));
}

TEST(PreTokenizer, NumbersAreCutInThrees) {
  EXPECT_THAT(words_of(llama3_words_step(), "a1234"), ElementsAre("a", "123", "4"));
  EXPECT_THAT(words_of(qwen2_words_step(), "a12"), ElementsAre("a", "1", "2"));
  EXPECT_THAT(words_of(gpt2_words_step(), "a1234"), ElementsAre("a", "1234"));
}

}  // namespace
}  // namespace ilora
