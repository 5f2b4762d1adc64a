// Runs passes through the model: embedding, blocks, losses, and back. One forward serves training,
// prefill and decoding.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "model/block.h"
#include "model/cache.h"
#include "model/losses/losses.h"
#include "model/pass.h"
#include "model/report.h"
#include "tensor/arena.h"

namespace ilora {

// What the products of new tokens read.
enum class Decoding : uint8_t {
  kBlocks,  // the file's blocks, where all its matrices are quantised (Kernels::stored_product)
  kExact,   // what training reads: other bits, slower
};

struct EngineOptions {
  int64_t max_tokens = 768;   // fed tokens of one micro-pass
  int64_t label_chunk = 256;  // labelled positions whose logits exist at a time
  // Keep of each block only its input, and run the block's forward once more before its backward:
  // the same bits in less memory.
  bool recompute = false;
  Decoding decoding = Decoding::kExact;
};

class Engine {
 public:
  // `config`, `weights` and `kernels` outlive the engine, and may serve others in other threads. The
  // engine itself has one user at a time.
  Engine(const ModelConfig& config, const Weights& weights, const Kernels& kernels,
         EngineOptions options);

  const EngineOptions& options() const { return options_; }
  const ModelConfig& config() const { return config_; }
  const Kernels& kernels() const { return kernels_; }
  DType gemm_type() const { return weights_.gemm_type(); }

  // Runs a pass in micro-passes: adds gradients to the flat vectors of trained uses, reports the
  // losses. What it computes does not depend on how it is cut. `dropout_key` names the step (and
  // seed) for dropout masks. `denominators`: count_denominators of the pass, summed over ranks.
  void run(const Pass& pass, const Denominators& denominators, uint64_t dropout_key,
           PassReport& report);

  // Feeds tokens behind the cache's (without one: each feed a sequence of its own) and gives each
  // feed the summed negative log-likelihood of its targets. A feed runs under lists[feed.under];
  // feeds under many lists share every product with a base weight.
  void score(std::span<const Feed> feeds, std::span<const Uses> lists, KeyValueCache* cache,
             std::span<double> sums);
  void score(std::span<const Feed> feeds, const Uses& uses, KeyValueCache& cache,
             std::span<double> sums) {
    score(feeds, {&uses, 1}, &cache, sums);
  }
  // Feeds tokens behind the cache's; the visitor sees each feed's logits (V) at its last token.
  using LogitsVisitor = std::function<void(size_t feed, std::span<const float> logits)>;
  void next_logits(std::span<const Feed> feeds, std::span<const Uses> lists, KeyValueCache& cache,
                   const LogitsVisitor& visit);
  void next_logits(std::span<const Feed> feeds, const Uses& uses, KeyValueCache& cache,
                   const LogitsVisitor& visit) {
    next_logits(feeds, {&uses, 1}, cache, visit);
  }
  // The same for answers in the making, one token a feed. Where has_steps() these read the file's
  // blocks, and no feed's bits hang on another; else it is next_logits.
  void step(std::span<const Feed> feeds, std::span<const Uses> lists, KeyValueCache& cache,
            const LogitsVisitor& visit);
  bool has_steps() const { return has_steps_; }
  // Logits (V) at every token of one sequence, without a cache: for tests and comparisons.
  void all_logits(std::span<const int32_t> tokens, const Uses& uses, const LogitsVisitor& visit);
  // The same at chosen positions alone, in their order; the visitor's first argument counts them.
  void logits_at(std::span<const int32_t> tokens, std::span<const int32_t> positions,
                 const Uses& uses, const LogitsVisitor& visit);

  // out (D) T = the mean of hidden[L] over a sequence's positions: a feature of the text. The
  // sequence runs alone, so that the bits depend on nothing else.
  void mean_hidden(Tensor out, std::span<const int32_t> tokens, const Uses& uses);
  // Hidden states of sequences fed without a cache: the visitor sees hidden[l] (D), l = 0..L, at
  // each feed's last token. Values are of T = F32.
  using HiddenVisitor =
      std::function<void(int64_t layer, size_t feed, std::span<const float> hidden)>;
  void last_hidden(std::span<const Feed> feeds, const Uses& uses, const HiddenVisitor& visit);
  // out (n,D) T = the embeddings of n tokens.
  void token_embeddings(Tensor out, std::span<const int32_t> tokens);

  // A cache that lives as long as the engine, emptied and given the shape asked for: evaluations
  // that follow each other use the same memory. One user at a time.
  KeyValueCache& cache(int64_t slots, int64_t capacity);

  // While one lives, no adapter's values change: their copies in the type of the products are made
  // once and not for every pass.
  class FrozenAdapters {
   public:
    explicit FrozenAdapters(Engine& engine) : engine_(engine) {
      if (engine_.frozen_++ == 0) engine_.drop_copies();
    }
    ~FrozenAdapters() { --engine_.frozen_; }
    FrozenAdapters(const FrozenAdapters&) = delete;

   private:
    Engine& engine_;
  };

  // Called before each block of a pass, forward and backward: another engine may take its turn there
  // (serve/right_of_way.h). What it throws ends the pass, whose results are then unusable. None: nobody is.
  void between_blocks(std::function<void()> call) { between_blocks_ = std::move(call); }

  // Bytes of activations placed so far, at their largest.
  const Arena& arena() const { return arena_; }

 private:
  void run_part(const Pass& pass, const MicroPass& part, const Denominators& denominators,
                uint64_t dropout_key, PassReport& report);
  using LayerVisitor = std::function<void(int64_t layer, Tensor hidden)>;  // hidden (N,D) T
  enum class Read : uint8_t { kLabels, kLastTokens, kAll };                // of hidden[L]
  void feed(std::span<const Feed> feeds, std::span<const Uses> lists, KeyValueCache* cache,
            Read read, int64_t labels, const LayerVisitor& visit = {});
  void run_feeds(std::span<const Uses> lists, KeyValueCache* cache, Read read, int64_t labels,
                 const LayerVisitor& visit);
  void resolve(const Uses& uses, PackedSegment& segment);
  Tensor product_values(const Adapter& adapter);
  void drop_copies() { copies_.clear(); }
  void drop_unused_copies();
  // `read`: rows of the pack whose hidden[L] is read; empty: any may be.
  void place(int64_t labels, std::span<const int32_t> read);
  void choose_top_rows(std::span<const int32_t> read);
  void require_context() const;
  void embed(const PassContext& ctx);
  std::span<const int32_t> last_tokens();
  template <class Visit>  // visit(layer, hidden)
  void forward(PassContext& ctx, const Visit& visit);
  void final_norm();
  void visit_logits(std::span<const int32_t> rows, const LogitsVisitor& visit);
  void backward(PassContext& ctx);
  PassContext context(KeyValueCache* cache);

  const ModelConfig& config_;
  const Weights& weights_;
  const Kernels& kernels_;
  EngineOptions options_;
  bool has_steps_;
  std::vector<RotaryTable> rotary_;  // by ModelConfig::rotary
  Arena arena_;
  Packed packed_;
  TopRows top_;
  std::vector<int32_t> head_rows_, last_tokens_;  // scratch
  ActivationShape shape_;
  Activations act_;
  Losses losses_;
  std::vector<uint64_t> input_keys_;
  struct AdapterCopy {
    const Adapter* adapter;
    Buffer values;  // the flat vector in G
    bool used;      // by the present pass
  };
  std::vector<AdapterCopy> copies_;
  int frozen_ = 0;
  std::function<void()> between_blocks_;
  std::unique_ptr<KeyValueCache> cache_;
  int64_t lowest_trained_ = 0;
};

}  // namespace ilora
