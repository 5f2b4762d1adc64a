// The table src/layers.txt, enforced: every include of src/ obeys it, and each foreign library
// stays in its place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"

namespace ilora {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Layers = std::map<std::string, std::set<std::string>>;

// Path below src/ -> content.
using Sources = std::map<std::string, std::string>;

// Reads the table; a layer that uses one not yet declared above it is reported in `problems` (so
// there is no cycle).
Layers parse_layers(const std::string& text, std::vector<std::string>* problems) {
  Layers layers;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find(':');
    if (line.starts_with('#') || colon == std::string::npos) continue;
    const std::string layer = line.substr(0, colon);
    std::istringstream words(line.substr(colon + 1));
    std::set<std::string> below;
    for (std::string word; words >> word;) {
      if (!layers.contains(word))
        problems->push_back("layers.txt: " + layer + " uses " + word + " from above");
      below.insert(word);
    }
    layers[layer] = below;
  }
  return layers;
}

// A library, the marks of its use, and the only places for it (prefixes of paths).
struct Confined {
  std::string name;
  std::vector<std::string> marks;
  std::vector<std::string> places;
};

const std::vector<Confined>& confined() {
  static const std::vector<Confined> list = {
      {"Highway", {"hwy/"}, {"kernels/cpu/"}},
      {"vector intrinsics", {"immintrin.h", "x86intrin.h", "arm_neon.h"}, {"kernels/cpu/"}},
      {"oneDNN", {"dnnl", "oneapi/"}, {"kernels/cpu/"}},
      {"OpenMP", {"omp.h"}, {"base/parallel.cpp"}},
      {"MPI", {"mpi.h"}, {"comm/"}},
      {"CUDA", {"cuda", "cublas"}, {"kernels/cuda/"}},
      {"yaml-cpp", {"yaml-cpp/"}, {"base/options_yaml.cpp"}},
      {"nlohmann-json", {"nlohmann/"}, {"base/json.h", "base/json_fwd.h"}},
      {"CLI11", {"CLI/"}, {"cli/"}},
  };
  return list;
}

// What stands between the quotes or brackets of an include line, with them; empty for other lines.
std::string included(const std::string& line) {
  const size_t hash = line.find_first_not_of(" \t");
  if (hash == std::string::npos || line[hash] != '#') return {};
  const size_t word = line.find_first_not_of(" \t", hash + 1);
  if (word == std::string::npos || line.compare(word, 7, "include") != 0) return {};
  const size_t open = line.find_first_of("\"<", word);
  if (open == std::string::npos) return {};
  const size_t close = line.find(line[open] == '"' ? '"' : '>', open + 1);
  return close == std::string::npos ? std::string{} : line.substr(open, close - open + 1);
}

class Checker {
 public:
  explicit Checker(const std::string& table) : layers_(parse_layers(table, &problems_)) {}

  std::vector<std::string> check(const Sources& sources) {
    for (const auto& [path, content] : sources) check_file(path, content);
    if (onednn_files_.size() > 1) {
      std::string all;
      for (const std::string& file : onednn_files_) all += " " + file;
      problems_.push_back("oneDNN in more than one file:" + all);
    }
    return problems_;
  }

 private:
  void check_file(const std::string& path, const std::string& content) {
    const size_t slash = path.find('/');
    const std::string layer = slash == std::string::npos ? "" : path.substr(0, slash);
    if (!layers_.contains(layer)) {
      problems_.push_back(path + ": in no layer of layers.txt");
      return;
    }
    std::istringstream lines(content);
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
      const std::string place = path + ":" + std::to_string(++number);
      const std::string include = included(line);
      if (!include.empty()) check_include(path, layer, include, place);
      if (line.find("#pragma omp") != std::string::npos && path != "base/parallel.cpp") {
        problems_.push_back(place + ": OpenMP belongs in base/parallel.cpp");
      }
    }
  }

  void check_include(const std::string& path, const std::string& layer, const std::string& include,
                     const std::string& place) {
    for (const Confined& library : confined()) {
      const auto starts = [&](const std::string& mark) {
        return include.compare(1, mark.size(), mark) == 0;
      };
      if (std::ranges::none_of(library.marks, starts)) continue;
      if (library.name == "oneDNN") onednn_files_.insert(path);
      const auto within = [&](const std::string& prefix) { return path.starts_with(prefix); };
      if (std::ranges::none_of(library.places, within)) {
        problems_.push_back(place + ": " + library.name + " belongs in " + library.places[0]);
      }
      return;
    }
    if (include[0] != '"') return;
    const std::string target = include.substr(1, include.find('/') - 1);
    if (target == "ilora" && layer == "session")
      return;  // the public header is for users, and for its implementation
    if (!layers_.contains(target)) {
      problems_.push_back(place + ": " + include +
                          " is not a path from src/ (write \"layer/file.h\")");
    } else if (target != layer && !layers_[layer].contains(target)) {
      problems_.push_back(place + ": " + layer + " may not include " + target);
    }
  }

  std::vector<std::string> problems_;
  Layers layers_;
  std::set<std::string> onednn_files_;
};

Sources sources_of_this_tree() {
  namespace fs = std::filesystem;
  const fs::path root = fs::path(ILORA_SOURCE_DIR) / "src";
  Sources sources;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".h" || extension == ".cpp" || extension == ".cu" || extension == ".inc") {
      sources[entry.path().lexically_relative(root).generic_string()] = read_file(entry.path());
    }
  }
  return sources;
}

TEST(Layers, EveryIncludeObeysTheTable) {
  const Sources sources = sources_of_this_tree();
  ASSERT_GT(sources.size(), 10u) << "the source tree was not found";
  Checker checker(read_file(ILORA_SOURCE_DIR "/src/layers.txt"));
  EXPECT_THAT(checker.check(sources), IsEmpty());
}

// What a run folder holds is known in one place: nobody else spells the names of its files.
TEST(Layers, FilesOfARunFolderAreNamedInRunsAlone) {
  for (const auto& [path, content] : sources_of_this_tree()) {
    if (path.starts_with("runs/")) continue;
    for (const char* file : {"config.yaml", "results.json", "rows.jsonl", "metrics.jsonl",
                             "failed.json", "state.safetensors", "log.txt"})
      EXPECT_THAT(content, Not(HasSubstr('"' + std::string(file) + '"'))) << path;
  }
}

constexpr const char* kTable =
    "# a comment: ignored\nbase:\nkernels:  base\nmodel: kernels base\nsession: model\ncli: model "
    "base\n";

std::vector<std::string> problems_of(const Sources& sources) {
  return Checker(kTable).check(sources);
}

TEST(LayersChecker, AcceptsWhatTheTableAllows) {
  EXPECT_THAT(problems_of({{"base/a.h", "#include <vector>\n#include \"base/b.h\"\n"},
                           {"base/parallel.cpp", "#include <omp.h>\n#pragma omp parallel for\n"},
                           {"kernels/cpu/rows.cpp",
                            "#include <hwy/highway.h>\n#include \"hwy/foreach_target.h\"\n"},
                           {"kernels/cpu/gemm.cpp", "#include <dnnl.hpp>\n"},
                           {"model/m.cpp", "  #  include \"kernels/k.h\"\n// #include is a word\n"},
                           {"session/session.cpp", "#include \"ilora/ilora.h\"\n"}}),
              IsEmpty());
}

TEST(LayersChecker, FindsUpwardAndSidewaysIncludes) {
  EXPECT_THAT(problems_of({{"base/a.h", "\n#include \"model/m.h\"\n"}}),
              ElementsAre("base/a.h:2: base may not include model"));
  EXPECT_THAT(problems_of({{"cli/a.cpp", "#include \"kernels/k.h\"\n"}}),
              ElementsAre("cli/a.cpp:1: cli may not include kernels"));
}

TEST(LayersChecker, FindsPathsThatAreNotFromSrc) {
  EXPECT_THAT(problems_of({{"base/a.cpp", "#include \"b.h\"\n"}}),
              ElementsAre(HasSubstr("not a path from src/")));
  EXPECT_THAT(problems_of({{"base/a.cpp", "#include \"../base/b.h\"\n"}}),
              ElementsAre(HasSubstr("not a path from src/")));
  EXPECT_THAT(
      problems_of({{"odd/a.cpp", ""}, {"b.cpp", ""}}),
      ElementsAre("b.cpp: in no layer of layers.txt", "odd/a.cpp: in no layer of layers.txt"));
}

TEST(LayersChecker, ConfinesForeignLibraries) {
  EXPECT_THAT(problems_of({{"model/m.cpp", "#include <hwy/highway.h>\n"}}),
              ElementsAre(HasSubstr("Highway")));
  EXPECT_THAT(problems_of({{"model/m.cpp", "#include <dnnl.hpp>\n"}}),
              ElementsAre(HasSubstr("oneDNN")));
  EXPECT_THAT(problems_of({{"model/m.cpp", "#include <omp.h>\n"}}),
              ElementsAre(HasSubstr("OpenMP")));
  EXPECT_THAT(problems_of({{"model/m.cpp", "#pragma omp simd\n"}}),
              ElementsAre(HasSubstr("OpenMP")));
  EXPECT_THAT(problems_of({{"kernels/a.cpp", "#include <immintrin.h>\n"}}),
              ElementsAre(HasSubstr("intrinsics")));
  EXPECT_THAT(problems_of({{"kernels/cpu/a.cpp", "#include <dnnl.hpp>\n"},
                           {"kernels/cpu/b.cpp", "#include <oneapi/dnnl/dnnl.hpp>\n"}}),
              ElementsAre("oneDNN in more than one file: kernels/cpu/a.cpp kernels/cpu/b.cpp"));
}

TEST(LayersChecker, FindsACycleInTheTable) {
  EXPECT_THAT(Checker("a: b\nb: a\n").check({}), ElementsAre("layers.txt: a uses b from above"));
}

}  // namespace
}  // namespace ilora
