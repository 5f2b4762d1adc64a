// The tiny tokenizer, and errors of the readers, for the tokenizers' tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"

namespace ilora::test {

using Ids = std::vector<int32_t>;

inline const std::filesystem::path kTinyTokenizer =
    std::filesystem::path(ILORA_SOURCE_DIR) / "tests/data/tiny-tokenizer";

inline const Tokenizer& tiny() {
  static const Tokenizer tokenizer = Tokenizer::from_folder(kTinyTokenizer);
  return tokenizer;
}

inline void expect_error(ErrorKind kind, const std::vector<std::string>& parts,
                         const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    for (const std::string& part : parts) EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
  }
}

}  // namespace ilora::test
