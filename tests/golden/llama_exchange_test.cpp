// What ilora exports against llama.cpp itself, through check_llama.py. Needs ILORA_LLAMA (an interpreter
// with llama-cpp-python) and ILORA_MODEL (a GGUF file with a tokenizer).
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/json.h"
#include "base/random.h"
#include "data/encoder.h"
#include "model/generate.h"
#include "model/gguf_lora.h"
#include "model/merged.h"
#include "tests/model_fixture.h"
#include "tests/unit/base/temporary_folder.h"
#include "train/loaded_model.h"

namespace ilora {
namespace {

using testing::golden_folder;
using testing::TestModel;
namespace fs = std::filesystem;

constexpr int64_t kTokens = 64;
constexpr double kLora = 2e-3;  // of a logit: both compute in float32
// llama.cpp rounds activations to halves before it multiplies them with halves.
constexpr double kMerged = 0.1;

struct Continuation {
  std::vector<double> logits, margins;  // at the prompt's end; at each step
  std::vector<int32_t> tokens;
};

class LlamaExchange : public ::testing::Test {
 protected:
  void SetUp() override {
    const char *python = std::getenv("ILORA_LLAMA"), *model = std::getenv("ILORA_MODEL");
    if (python == nullptr || model == nullptr)
      GTEST_SKIP() << "set ILORA_LLAMA to an interpreter with llama-cpp-python, and ILORA_MODEL";
    python_ = python;
    base_.emplace(model);
    LoraOptions options;
    options.targets.clear();
    for (const Module m : kAllModules) {
      if (base_->config().has(m)) options.targets.emplace_back(module_name(m));
    }
    adapter_ = Adapter(base_->config(), options);
    adapter_.initialise(1, 0);
    const Random random(2, Stream::kTest);
    for (const LoraBlock& b : adapter_.layout().blocks()) {
      for (int64_t i = b.offset_bt; i < b.offset_bt + b.rank * b.out; ++i)
        adapter_.values().ptr<float>()[i] =
            static_cast<float>(0.005 * random.normal(static_cast<uint64_t>(i)));
    }
    read_prompts();
  }
  void read_prompts() {
    const Tokenizer tokenizer = load_tokenizer(*base_);
    const Encoder encoder(tokenizer, {}, base_->config().context);
    for (const char* text : {"The capital of France is", "Once upon a time there was a",
                             "def fibonacci(n):", "Is a whale a fish?", "Water boils at",
                             "Die Hauptstadt von Deutschland ist",
                             "The three primary colours are red,", "To make bread you need"})
      prompts_.push_back(encoder.prompt(text));
    write_json(folder_ / "prompts.json", prompts_);
  }

  std::vector<Continuation> theirs(const fs::path& model, const fs::path& lora = {},
                                   int64_t tokens = kTokens) const {
    const std::string with = lora.empty() ? "" : fmt::format("--lora '{}'", lora.string());
    const std::string command = fmt::format(
        "'{}' '{}' --model '{}' {} --prompts '{}' --tokens {} --out '{}'", python_,
        golden_folder("check_llama.py").string(), model.string(), with,
        (folder_ / "prompts.json").string(), tokens, (folder_ / "theirs.json").string());
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    std::vector<Continuation> all;
    for (const Json& one : read_json(folder_ / "theirs.json"))
      all.push_back({one.at("logits"), one.at("margins"), one.at("tokens")});
    return all;
  }
  std::vector<Continuation> ours(const fs::path& path, const Adapter* adapter,
                                 int64_t tokens = kTokens, const EngineOptions& engine = {}) const {
    TestModel model(path, cpu_kernels(), DType::kF32, engine);
    const Uses uses = adapter != nullptr ? Uses{{adapter, 1.0, {}}} : Uses{};
    std::vector<Continuation> all;
    for (const std::vector<int32_t>& prompt : prompts_) {
      Continuation& one = all.emplace_back();
      model.engine.all_logits(prompt, uses, [&](size_t, std::span<const float> logits) {
        one.logits.assign(logits.begin(), logits.end());
      });
    }
    GenerateOptions options;
    options.max_new_tokens = tokens;
    const Answers answers = generate(model.engine, uses, prompts_, options);
    for (size_t i = 0; i < all.size(); ++i) all[i].tokens = answers[i];
    return all;
  }
  // The largest difference of a logit.
  static double difference(const std::vector<Continuation>& a, const std::vector<Continuation>& b) {
    double worst = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].logits.size(), b[i].logits.size());
      for (size_t v = 0; v < a[i].logits.size(); ++v)
        worst = std::max(worst, std::abs(a[i].logits[v] - b[i].logits[v]));
    }
    return worst;
  }
  // Prompts whose continuations are equal. Where one is not, by how much their best token led.
  static size_t equal_continuations(const std::vector<Continuation>& own,
                                    const std::vector<Continuation>& their) {
    size_t equal = 0;
    for (size_t i = 0; i < own.size(); ++i) {
      const auto [a, b] = std::ranges::mismatch(own[i].tokens, their[i].tokens);
      if (a == own[i].tokens.end()) {
        ++equal;
        continue;
      }
      const auto at = static_cast<size_t>(a - own[i].tokens.begin());
      std::printf("prompt %zu: the first %zu tokens are equal; there the best led by %.2e\n", i, at,
                  their[i].margins[at]);
    }
    std::printf("%zu of %zu continuations of %ld tokens are equal\n", equal, own.size(),
                static_cast<long>(kTokens));
    return equal;
  }

  static double largest(const std::vector<Continuation>& all) {
    double most = 0;
    for (const Continuation& one : all) {
      for (const double v : one.logits) most = std::max(most, std::abs(v));
    }
    return most;
  }
  // Where a continuation parts from theirs: our own logits of both tokens after what is equal.
  void print_own_margins(const std::vector<Continuation>& own,
                         const std::vector<Continuation>& their) const {
    TestModel model(base_->path(), cpu_kernels(), DType::kF32, {});
    for (size_t i = 0; i < own.size(); ++i) {
      const auto [a, b] = std::ranges::mismatch(own[i].tokens, their[i].tokens);
      if (a == own[i].tokens.end()) continue;
      std::vector<int32_t> tokens = prompts_[i];
      tokens.insert(tokens.end(), own[i].tokens.begin(), a);
      const auto mine = static_cast<size_t>(*a), other = static_cast<size_t>(*b);
      double margin = 0;
      model.engine.all_logits(tokens, {}, [&](size_t, std::span<const float> logits) {
        margin = static_cast<double>(logits[mine]) - static_cast<double>(logits[other]);
      });
      std::printf("prompt %zu: here, exactly, ours lead by %.2e\n", i, margin);
    }
  }

  std::string python_;
  std::optional<ModelFiles> base_;
  Adapter adapter_;
  std::vector<std::vector<int32_t>> prompts_;
  const TemporaryFolder folder_;
};

TEST_F(LlamaExchange, LoraOverAFloat32Base) {
  const Adapter nothing(base_->config(), adapter_.options());
  write_merged_gguf(folder_ / "base.gguf", *base_, nothing, DType::kF32);
  save_gguf_lora(folder_ / "lora.gguf", adapter_, *base_, DType::kF32);
  const std::vector<Continuation> own = ours(folder_ / "base.gguf", &adapter_);
  const std::vector<Continuation> their = theirs(folder_ / "base.gguf", folder_ / "lora.gguf");
  const double effect = difference(own, ours(folder_ / "base.gguf", nullptr, 0));
  const double worst = difference(own, their);
  std::printf("largest difference of a logit: %.2e; the adapter changes one by %.2e\n", worst,
              effect);
  EXPECT_GT(effect, 100 * kLora) << "the adapter changes too little: nothing was tested";
  EXPECT_LE(worst, kLora);
  EXPECT_EQ(equal_continuations(own, their), prompts_.size());
}

// The published file: llama.cpp rounds activations to blocks of bytes, so ties fall otherwise.
TEST_F(LlamaExchange, LoraOverTheFileItself) {
  save_gguf_lora(folder_ / "lora.gguf", adapter_, *base_, DType::kF32);
  const std::vector<Continuation> their = theirs(base_->path(), folder_ / "lora.gguf");
  for (const Decoding decoding : {Decoding::kExact, Decoding::kBlocks}) {
    const std::vector<Continuation> own =
        ours(base_->path(), &adapter_, kTokens, {.decoding = decoding});
    std::printf("engine.decoding %s: largest difference of a logit %.2e\n",
                decoding == Decoding::kExact ? "exact" : "blocks", difference(own, their));
    EXPECT_GT(equal_continuations(own, their), 0U);
  }
}

// The same without an adapter: a published file alone. Where answers part, what our best two differ by
// there stands beside theirs.
TEST_F(LlamaExchange, ThePublishedFile) {
  const std::vector<Continuation> their = theirs(base_->path());
  for (const Decoding decoding : {Decoding::kExact, Decoding::kBlocks}) {
    const std::vector<Continuation> own =
        ours(base_->path(), nullptr, kTokens, {.decoding = decoding});
    std::printf("engine.decoding %s: largest difference of a logit %.2e, the largest logit %.1f\n",
                decoding == Decoding::kExact ? "exact" : "blocks", difference(own, their),
                largest(own));
    EXPECT_GT(equal_continuations(own, their), 0U);
    print_own_margins(own, their);
  }
}

TEST_F(LlamaExchange, MergedAgainstBaseAndAdapter) {
  const std::vector<Continuation> own = ours(base_->path(), &adapter_);
  write_merged_gguf(folder_ / "f32.gguf", *base_, adapter_, DType::kF32);
  const double exact = difference(own, theirs(folder_ / "f32.gguf", {}, 0));
  std::printf("merged in f32: largest difference of a logit %.2e\n", exact);
  EXPECT_LE(exact, kLora);
  const MergeReport report = write_merged_gguf(folder_ / "f16.gguf", *base_, adapter_, DType::kF16);
  const std::vector<Continuation> their = theirs(folder_ / "f16.gguf");
  const double halves = difference(own, their);
  std::printf("merged in f16: there %.2e of %.1f, here %.2e; rounding is %.2e of the adapter\n",
              halves, largest(own), difference(own, ours(folder_ / "f16.gguf", nullptr, 0)),
              report.rounding / report.change);
  EXPECT_LE(halves, kMerged);
  equal_continuations(own, their);
}

// Files of the K types, and one that keeps the types of its base: llama.cpp reads them and answers as we do from the same
// file, up to its rounding of activations to bytes.
TEST_F(LlamaExchange, MergedInKTypes) {
  const std::vector<Continuation> want = ours(base_->path(), &adapter_, 0);
  for (const std::optional<DType> type :
       {std::optional<DType>(DType::kQ4_K), std::optional<DType>(DType::kQ5_K),
        std::optional<DType>(DType::kQ6_K), std::optional<DType>()}) {
    const MergeReport report = write_merged_gguf(folder_ / "k.gguf", *base_, adapter_, type);
    const std::vector<Continuation> own = ours(folder_ / "k.gguf", nullptr);
    const std::vector<Continuation> their = theirs(folder_ / "k.gguf");
    std::printf(
        "merged in %s: there and here %.2e of %.1f apart; from base and adapter %.2e; rounding is "
        "%.2e of the adapter\n",
        type ? dtype_name(*type) : "the base's types", difference(own, their), largest(own),
        difference(want, own), report.rounding / report.change);
    EXPECT_LE(difference(own, their), 0.1 * largest(own));
    equal_continuations(own, their);  // printed
  }
}

}  // namespace
}  // namespace ilora
