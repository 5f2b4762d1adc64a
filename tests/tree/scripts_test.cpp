// The shell scripts: they parse, and say plainly what is wrong. What downloads or builds is not run
// here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/wait.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

struct Outcome {
  int code = -1;
  std::string output;  // both streams
};

Outcome run(const std::string& command) {
  Outcome outcome;
  FILE* pipe = ::popen(("cd '" ILORA_SOURCE_DIR "' && " + command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return outcome;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof(buffer), pipe))
    outcome.output.append(buffer, n);
  const int status = ::pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

std::vector<fs::path> scripts() {
  std::vector<fs::path> paths = {fs::path(ILORA_SOURCE_DIR) / ".ci" / "run"};
  for (const auto& entry : fs::directory_iterator(fs::path(ILORA_SOURCE_DIR) / "scripts")) {
    if (entry.path().extension() == ".sh") paths.push_back(entry.path());
  }
  return paths;
}

TEST(Scripts, ParseAndAreExecutable) {
  ASSERT_GE(scripts().size(), 6u);
  for (const fs::path& script : scripts()) {
    EXPECT_EQ(run("bash -n '" + script.string() + "'").code, 0) << script;
    const auto executable = fs::status(script).permissions() & fs::perms::owner_exec;
    EXPECT_NE(executable, fs::perms::none) << script;
  }
}

TEST(Scripts, ModelTakesOneOfYourOwn) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "my model");
  const Outcome found = run("scripts/model.sh '" + (folder / "my model").string() + "'");
  EXPECT_EQ(found.code, 0);
  EXPECT_EQ(found.output, fs::canonical(folder / "my model").string() + "\n");
  const Outcome absent = run("scripts/model.sh '" + (folder / "absent").string() + "'");
  EXPECT_EQ(absent.code, 1);
  EXPECT_EQ(absent.output, "model: there is no such model: " + (folder / "absent").string() + "\n");
}

TEST(Scripts, ModelSaysWhatItNeeds) {
  const TemporaryFolder folder;
  // A python3 without pip stands first on the path.
  fs::create_directories(folder / "bin");
  ASSERT_EQ(run("printf '#!/bin/sh\\nexit 1\\n' > '" + (folder / "bin/python3").string() +
                "' && chmod +x '" + (folder / "bin/python3").string() + "'")
                .code,
            0);
  const Outcome outcome = run("PATH='" + (folder / "bin").string() + "':$PATH ILORA_CACHE='" +
                              (folder / "cache").string() + "' scripts/model.sh");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.output, HasSubstr("needs python3 with pip; scripts/setup.sh installs them"));
}

TEST(Scripts, UnknownArgumentsAreRefused) {
  for (const std::string script : {"setup", "format", "fuzz"}) {
    const Outcome outcome = run("scripts/" + script + ".sh nonsense");
    EXPECT_EQ(outcome.code, 1) << script;
    EXPECT_THAT(outcome.output, HasSubstr("got 'nonsense'")) << script;
  }
}

}  // namespace
}  // namespace ilora
