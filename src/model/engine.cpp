#include "model/engine.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/denormals.h"
#include "base/error.h"
#include "model/base_weight.h"
#include "model/head.h"
#include "model/norm.h"
#include "model/soft_prompt.h"
#include "tensor/finite.h"

namespace ilora {
Engine::Engine(const ModelConfig& config, const Weights& weights, const Kernels& kernels,
               EngineOptions options)
    : config_(config),
      weights_(weights),
      kernels_(kernels),
      options_(options),
      has_steps_(options.decoding == Decoding::kBlocks && weights.has_blocks()) {
  for (const RotarySpec& spec : config.rotary)
    rotary_.emplace_back(spec, config.context, kernels.state);
  shape_.state = kernels.state;
  shape_.gemm = gemm_type();
  shape_.lora_rank.resize(static_cast<size_t>(config.layers));
}

void Engine::run(const Pass& pass, const Denominators& denominators, uint64_t dropout_key,
                 PassReport& report) {
  const FlushDenormals flush;
  report.begin(pass, denominators);
  for (const MicroPass& part : cut_pass(pass, options_.max_tokens)) {
    run_part(pass, part, denominators, dropout_key, report);
  }
}

// Shows each hidden state as it comes: 0 (embedding) .. L (after the final norm).
template <class Visit>
void Engine::forward(PassContext& ctx, const Visit& visit) {
  embed(ctx);
  for (int64_t l = 0; l < config_.layers; ++l) {
    if (between_blocks_) between_blocks_();
    visit(l, act_.layers[static_cast<size_t>(l)].x);
    const bool top = l + 1 == config_.layers;
    block_forward(ctx, l, top ? act_.x_last : act_.layers[static_cast<size_t>(l + 1)].x);
  }
  final_norm();
  visit(config_.layers, act_.last);
}

void Engine::run_part(const Pass& pass, const MicroPass& part, const Denominators& denominators,
                      uint64_t dropout_key, PassReport& report) {
  packed_.pack(pass, part, dropout_key);
  if (packed_.rows == 0) return;
  require_context();
  for (size_t s = 0; s < pass.segments.size(); ++s)
    resolve(pass.segments[s].uses, packed_.segments[s]);
  drop_unused_copies();
  losses_.plan(pass, packed_, denominators, config_.layers);
  place(static_cast<int64_t>(packed_.label_rows.size()), losses_.top_rows());

  PassContext ctx = context(nullptr);
  const bool backward_too = packed_.gradient_rows > 0;
  forward(ctx,
          [&](int64_t layer, Tensor hidden) { losses_.at_hidden(ctx, layer, hidden, report); });
  // The gradient of hidden[L] has its place only now that the blocks are done.
  const Tensor dlast = backward_too ? act_.dnormed : Tensor();
  if (backward_too) kernels_.fill(dlast, 0.0);
  losses_.at_labels(ctx, dlast, report);
  if (!backward_too) return;
  losses_.add_seeds(ctx, config_.layers, dlast);
  backward(ctx);
}

void Engine::backward(PassContext& ctx) {
  const int64_t n = top_.narrow() ? top_.gradient_count() : packed_.gradient_rows;
  Tensor dx = act_.dx, dlast = act_.dnormed;
  if (top_.narrow()) {
    dx = act_.top_dx;
    dlast = act_.top_hidden.rows(0, n);
    top_.gather(kernels_, dlast, act_.dnormed);
  }
  kernels_.fill(dx, 0.0);
  norm_backward(kernels_, config_, dx, dlast, act_.x_last.rows(0, n), weights_.final_norm(),
                act_.rstd_last.rows(0, n));
  for (int64_t l = config_.layers - 1; l >= std::max(lowest_trained_, int64_t{0}); --l) {
    if (between_blocks_) between_blocks_();
    if (l + 1 < config_.layers) losses_.add_seeds(ctx, l + 1, act_.dx);
    if (options_.recompute) block_recompute(ctx, l);
    block_backward(ctx, l, l > lowest_trained_);
  }
  if (lowest_trained_ < 0) soft_prompts_backward(ctx, act_.dx);
}

void Engine::resolve(const Uses& uses, PackedSegment& segment) {
  segment.uses.resize(uses.size());
  int64_t column = 0;
  for (size_t i = 0; i < uses.size(); ++i) {
    const Adapter& adapter = *uses[i].adapter;
    segment.uses[i] = {&adapter, product_values(adapter), uses[i].gradient,
                       uses[i].scale * adapter.scaling(), column};
    column += adapter.options().rank;
  }
}

// An adapter's flat vector in G. A copy lives while pass after pass uses it, so that memory does
// not grow with the number of adapters that take turns.
Tensor Engine::product_values(const Adapter& adapter) {
  const Tensor values = adapter.values();
  if (values.dtype == shape_.gemm || adapter.layout().blocks().empty()) return values;
  auto copy = std::find_if(copies_.begin(), copies_.end(), [&](const AdapterCopy& c) {
    return c.adapter == &adapter && c.values.view().shape[0] == values.shape[0];
  });
  const bool known = copy != copies_.end();
  if (!known) {
    copies_.push_back({&adapter, Buffer(shape_.gemm, {values.shape[0]}), true});
    copy = copies_.end() - 1;
  }
  copy->used = true;
  if (!known || frozen_ == 0) kernels_.convert(copy->values.view(), values);
  return copy->values.view();
}

void Engine::drop_unused_copies() {
  std::erase_if(copies_, [](AdapterCopy& copy) { return !std::exchange(copy.used, false); });
}

KeyValueCache& Engine::cache(int64_t slots, int64_t capacity) {
  if (cache_ == nullptr) {
    cache_ = std::make_unique<KeyValueCache>(config_, kernels_.state, slots, capacity);
  } else {
    cache_->reshape(slots, capacity);
  }
  return *cache_;
}

void Engine::place(int64_t labels, std::span<const int32_t> read) {
  lowest_trained_ = config_.layers;
  for (auto& layer : shape_.lora_rank) layer.fill(0);
  for (const PackedSegment& segment : packed_.segments) {
    for (const ActiveUse& use : segment.uses) {
      for (const LoraBlock& block : use.adapter->layout().blocks()) {
        int64_t& rank =
            shape_.lora_rank[static_cast<size_t>(block.layer)][static_cast<size_t>(block.module)];
        rank = std::max(rank, use.column + block.rank);
      }
      if (use.gradient)
        lowest_trained_ = std::min(lowest_trained_, use.adapter->layout().lowest_layer());
    }
  }
  choose_top_rows(read);
  shape_.rows = packed_.rows;
  shape_.gradient_rows = packed_.gradient_rows;
  shape_.labels = labels;
  shape_.label_chunk = options_.label_chunk;
  shape_.recompute = options_.recompute;
  shape_.lowest_saved = std::max(lowest_trained_, int64_t{0});
  shape_.top_rows = top_.count();
  shape_.top_gradient_rows = top_.gradient_count();
  shape_.weight_scratch = weights_.scratch_elements();
  arena_.lay_out([&](Arena& arena) {
    act_.place(arena, config_, shape_);
    losses_.place(arena, config_, shape_);
  });
}

void Engine::choose_top_rows(std::span<const int32_t> read) {
  top_.take_all();
  if (config_.layers == 0 || read.empty()) return;
  for (const Module m : kAboveAttention) {
    if (shape_.lora_rank.back()[static_cast<size_t>(m)] > 0) return;
  }
  top_.choose(read, packed_);
}

PassContext Engine::context(KeyValueCache* cache) {
  return {kernels_, config_, weights_, packed_,     top_,
          act_,     rotary_, cache,    input_keys_, head_rows_};
}

// Rows of data are cut to the context when they are encoded; soft prompts come on top.
void Engine::require_context() const {
  for (const AttentionSpan& span : packed_.spans) {
    const int64_t positions = span.shared_len + span.key_len;
    if (positions <= config_.context) continue;
    throw Error(ErrorKind::kData,
                fmt::format("[engine] a row of {} positions, soft prompts included, does not fit "
                            "into the model's context of {}",
                            positions, config_.context),
                "Lower data.max_length.");
  }
}

void Engine::embed(const PassContext& ctx) {
  const Tensor first = config_.layers > 0 ? act_.layers.front().x : act_.x_last;
  embed_tokens(kernels_, config_, weights_, first, packed_.tokens, act_.normed);
  soft_prompts_forward(ctx, first);
}

void Engine::token_embeddings(Tensor out, std::span<const int32_t> tokens) {
  const Buffer scratch(gemm_type(), {out.shape[0], config_.width});
  embed_tokens(kernels_, config_, weights_, out, tokens, scratch.view());
}

void Engine::final_norm() {
  if (!top_.narrow()) {
    norm_forward(kernels_, config_, act_.last, act_.rstd_last, act_.x_last, weights_.final_norm());
    return;
  }
  const int64_t m = top_.count();
  norm_forward(kernels_, config_, act_.top_hidden, act_.rstd_last.rows(0, m),
               act_.x_last.rows(0, m), weights_.final_norm());
  top_.scatter(kernels_, act_.last, act_.top_hidden);
}

void Engine::feed(std::span<const Feed> feeds, std::span<const Uses> lists, KeyValueCache* cache,
                  Read read, int64_t labels, const LayerVisitor& visit) {
  packed_.pack_feeds(feeds, cache != nullptr ? cache->capacity() : 0);
  run_feeds(lists, cache, read, labels, visit);
}

// The forward of feeds that are packed.
void Engine::run_feeds(std::span<const Uses> lists, KeyValueCache* cache, Read read, int64_t labels,
                       const LayerVisitor& visit) {
  const FlushDenormals flush;
  for (PackedSegment& segment : packed_.segments) {
    const auto list = static_cast<size_t>(segment.under);
    ILORA_CHECK(list < lists.size(), "a feed under list {} of {}", list, lists.size());
    resolve(lists[list], segment);
  }
  drop_unused_copies();
  losses_.clear();
  require_context();
  std::span<const int32_t> rows;
  if (read == Read::kLabels) rows = packed_.label_rows;
  if (read == Read::kLastTokens && !packed_.step) rows = last_tokens();  // of a step: all
  place(std::max(labels, static_cast<int64_t>(packed_.label_rows.size())), rows);
  PassContext ctx = context(cache);
  forward(ctx, [&](int64_t layer, Tensor hidden) {
    if (visit) visit(layer, hidden);
  });
}

std::span<const int32_t> Engine::last_tokens() {
  last_tokens_.clear();
  for (const PackedSequence& s : packed_.sequences)
    last_tokens_.push_back(static_cast<int32_t>(s.begin + s.length - 1));
  return last_tokens_;
}

namespace {

// Where numbers of the model become an answer or a score: a NaN is neither.
void require_finite(bool finite) {
  if (finite) return;
  throw Error(ErrorKind::kNumeric, "[model] expected finite logits, got others",
              "The model or an adapter holds numbers that are too large or none, or the mode "
              "(engine.mode) cannot hold them.");
}

}  // namespace

void Engine::score(std::span<const Feed> feeds, std::span<const Uses> lists, KeyValueCache* cache,
                   std::span<double> sums) {
  const FlushDenormals flush;
  feed(feeds, lists, cache, Read::kLabels, 0);
  PassContext ctx = context(cache);
  std::fill(sums.begin(), sums.end(), 0.0);
  label_losses(ctx, act_.logits, packed_.label_rows, packed_.label_targets,
               [&](size_t label, double loss) {
                 sums[static_cast<size_t>(packed_.label_sequence[label])] += loss;
               });
  for (const double sum : sums) require_finite(std::isfinite(sum));
}

void Engine::next_logits(std::span<const Feed> feeds, std::span<const Uses> lists,
                         KeyValueCache& cache, const LogitsVisitor& visit) {
  const FlushDenormals flush;
  feed(feeds, lists, &cache, Read::kLastTokens, static_cast<int64_t>(feeds.size()));
  visit_logits(last_tokens(), visit);
}

void Engine::step(std::span<const Feed> feeds, std::span<const Uses> lists, KeyValueCache& cache,
                  const LogitsVisitor& visit) {
  if (!has_steps_) {
    next_logits(feeds, lists, cache, visit);
    return;
  }
  const FlushDenormals flush;
  packed_.pack_feeds(feeds, cache.capacity(), true);
  run_feeds(lists, &cache, Read::kLastTokens, static_cast<int64_t>(feeds.size()), {});
  visit_logits(last_tokens(), visit);
}

void Engine::all_logits(std::span<const int32_t> tokens, const Uses& uses,
                        const LogitsVisitor& visit) {
  std::vector<int32_t> positions(tokens.size());
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int32_t>(i);
  logits_at(tokens, positions, uses, visit);
}

void Engine::logits_at(std::span<const int32_t> tokens, std::span<const int32_t> positions,
                       const Uses& uses, const LogitsVisitor& visit) {
  const Feed whole{tokens, {}, 0, 0};
  feed({&whole, 1}, {&uses, 1}, nullptr, Read::kAll, static_cast<int64_t>(positions.size()));
  visit_logits(positions, visit);
}

void Engine::mean_hidden(Tensor out, std::span<const int32_t> tokens, const Uses& uses) {
  const Feed whole{tokens, {}, 0, 0};
  feed({&whole, 1}, {&uses, 1}, nullptr, Read::kAll, 0);
  const Tensor sum = out.reshaped({1, out.size()});
  kernels_.fill(sum, 0.0);
  const auto count = static_cast<int64_t>(tokens.size());
  for (int64_t n = 0; n < count; ++n) kernels_.add(sum, act_.last.rows(n, n + 1));
  kernels_.scale(sum, 1.0 / static_cast<double>(count));
}

void Engine::last_hidden(std::span<const Feed> feeds, const Uses& uses,
                         const HiddenVisitor& visit) {
  feed(feeds, {&uses, 1}, nullptr, Read::kLastTokens, 0, [&](int64_t layer, Tensor hidden) {
    const auto width = static_cast<size_t>(config_.width);
    for (size_t i = 0; i < feeds.size(); ++i) {
      const PackedSequence& s = packed_.sequences[i];
      const auto last = static_cast<size_t>(s.begin + s.length - 1);
      visit(layer, i, {hidden.ptr<float>() + last * width, width});
    }
  });
}

void Engine::visit_logits(std::span<const int32_t> rows, const LogitsVisitor& visit) {
  const FlushDenormals flush;
  PassContext ctx = context(nullptr);
  const auto chunk = static_cast<size_t>(act_.logits.shape[0]);
  const auto vocabulary = static_cast<size_t>(config_.vocabulary);
  for (size_t first = 0; first < rows.size(); first += chunk) {
    const size_t n = std::min(rows.size() - first, chunk);
    const Tensor logits = head_logits(ctx, act_.logits, rows.subspan(first, n));
    for (size_t i = 0; i < n; ++i) {
      const std::span<const float> row(logits.ptr<float>() + i * vocabulary, vocabulary);
      require_finite(all_finite(row));
      visit(first + i, row);
    }
  }
}

}  // namespace ilora
