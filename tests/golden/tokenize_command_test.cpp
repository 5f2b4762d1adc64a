// ilora tokenize: of a vocabulary alone, whatever architecture its file names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/run_fixture.h"
#include "tests/unit/text/gguf_writer.h"

namespace ilora::testing {
namespace {

TEST(Tokenize, AVocabularyOfAnyArchitecture) {
  test::GgufWriter writer;
  writer.text("general.architecture", "mamba");
  writer.text("tokenizer.ggml.model", "gpt2");
  writer.text("tokenizer.ggml.pre", "gpt-2");
  writer.texts("tokenizer.ggml.tokens", {"a", "b", "ab", "<end>"});
  writer.integers("tokenizer.ggml.token_type", {1, 1, 1, 3});
  writer.texts("tokenizer.ggml.merges", {"a b"});
  writer.u32("tokenizer.ggml.eos_token_id", 3);
  const TemporaryFolder folder;
  write_file_atomic(folder / "vocabulary.gguf", writer.finish());
  const Outcome outcome =
      run_ilora(folder, {"tokenize", "--model", folder / "vocabulary.gguf", "abba"});
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_EQ(outcome.out, "2 1 0\n");
}

}  // namespace
}  // namespace ilora::testing
