// The options of a run: one list, from which YAML, `--set`, config.yaml and `ilora train --options`
// come.
#include "train/recipe.h"

namespace ilora {
namespace {

using enum OptionRole;
using enum OptionStage;

// What `protocol` sets. full: as many rows as the I-LoRA paper takes, and its epochs (methods of
// the reference code's first version). reduced: for two cores, about twenty minutes a run of eight
// tasks.
const std::vector<OptionList::PresetValue> kProtocols = {
    {"full", "data.train_rows", "5000"},
    {"full", "data.eval_rows", "500"},
    {"full", "data.test_rows", "500"},
    {"full", "train.epochs", "5"},
    {"reduced", "data.max_length", "256"},
    {"reduced", "data.max_answer", "128"},
    {"reduced", "data.train_rows", "120"},
    {"reduced", "data.eval_rows", "200"},
    {"reduced", "data.test_rows", "200"},
    {"reduced", "data.task_rows",
     "MeetingBank.eval=50, MeetingBank.test=50, 20Minuten.eval=50, 20Minuten.test=50"},
    {"reduced", "train.epochs", "3"},
    {"reduced", "eval.matrix", "diagonal"},
};

void add_run_options(Recipe& r, OptionList& o) {
  o.add("method", &r.method, "the continual-learning method; `ilora methods` lists them",
        {.fixed_once_learned = true});
  o.add("protocol", &r.protocol,
        "full: the paper's rows and epochs; reduced: for two cores, 256 tokens, 120 training and "
        "200 test rows, 3 epochs; options that are given keep their value",
        {.choices = {"none", "full", "reduced"}, .fixed_once_learned = true});
  o.add("seed", &r.seed, "decides data order, adapter, memory and dropout",
        {.min = 0, .fixed_once_learned = true});
  o.add("output", &r.output, "the run's folder", {.role = kWhere, .fixed_once_learned = true});
}

void add_engine_options(Recipe& r, OptionList& o) {
  o.add("model.path", &r.model, "a GGUF file or a Hugging Face folder",
        {.role = kWhere, .fixed_once_learned = true, .from = kModel});
  o.add("model.weights", &r.weights,
        "expanded: to the GEMMs' precision, once; stored: as in the file, each matrix expanded "
        "where it is used (less memory, slower); auto: expanded, or what engine.memory asks for",
        {.choices = {"auto", "expanded", "stored"}, .role = kRounding, .from = kModel});
  // Not rounding alone: bf16 keeps eight bits of what it multiplies (docs/numerics.md).
  o.add("engine.mode", &r.mode,
        "precision of the GEMMs; bf16-expanded: weights in bf16, products in f32; auto: the faster "
        "of f32 and bf16 on this machine, measured; int8: the same with most products in bytes; a "
        "run keeps what it began with",
        {.choices = {"auto", "f32", "bf16", "bf16-expanded", "int8", "int8-f32", "int8-bf16"},
         .from = kModel});
  o.add("engine.kernels", &r.kernels, "cpu: fast; reference: plain; check: both, compared",
        {.choices = {"cpu", "reference", "check"}, .role = kRounding, .from = kModel});
  o.add("engine.threads", &r.threads, "0: all cores",
        {.min = 0, .max = 1024, .role = kHow, .from = kModel});
  o.add("engine.max_tokens", &r.max_tokens,
        "tokens that run at once (a longer row alone); more need more memory",
        {.min = 16, .role = kRounding, .from = kAnswers});
  o.add("engine.recompute", &r.recompute,
        "layer: keep only each layer's input for the backward and compute the rest again; the same "
        "bits in less memory, slower; auto: none, or what engine.memory asks for",
        {.choices = {"auto", "none", "layer"}, .role = kHow});
  o.add(
      "engine.memory", &r.memory,
      "such as 4GiB: the fastest step that fits; engine.max_tokens and engine.label_chunk are then "
      "upper limits; empty: no limit",
      {.role = kRounding});
  o.add(
      "engine.decoding", &r.decoding,
      "what new tokens of an answer are computed from; blocks: a quantised file's own blocks, by "
      "products of bytes (files with plain matrices: as exact); exact: what training reads, slower",
      {.choices = {"blocks", "exact"}, .role = kRounding, .from = kAnswers});
  o.add("engine.label_chunk", &r.label_chunk, "labelled tokens whose logits exist at once",
        {.min = 1, .role = kRounding, .from = kAnswers});
}

void add_data_options(Recipe& r, OptionList& o) {
  o.add("data.folder", &r.data_folder, "where the task folders are",
        {.role = kWhere, .fixed_once_learned = true});
  o.add("data.tasks", &r.tasks, "task folders in the order they are learned; empty: all, by name",
        {.fixed_once_learned = true});
  o.add("data.template", &r.text_template,
        "raw: prompt and answer as they stand; chat: the model's chat template",
        {.choices = {"raw", "chat"}, .fixed_once_learned = true, .from = kAnswers});
  o.add("data.turns", &r.turns,
        "of a conversation: all: every answer is learned, but those that its row takes out; last: "
        "the last one alone",
        {.choices = {"all", "last"}});
  o.add("data.special_tokens", &r.special_tokens,
        "text: what rows write is text, whatever it looks like; parse: control tokens that they "
        "write out, such as <|im_end|>, are control tokens",
        {.choices = {"text", "parse"}, .fixed_once_learned = true, .from = kAnswers});
  o.add("data.max_length", &r.max_length, "longest row in tokens; prompts are cut from the left",
        {.min = 2, .fixed_once_learned = true, .from = kAnswers});
  o.add("data.max_answer", &r.max_answer,
        "longest answer that is learned, in tokens, cut at its end; 0: whole answers", {.min = 0});
  o.add("data.train_rows", &r.train_rows, "most training rows of a task; 0: all", {.min = 0});
  o.add(
      "data.rows_seed", &r.rows_seed,
      "which training rows data.train_rows leaves; 0: the same in every run; -1: drawn by seed, so "
      "that runs of several seeds repeat the whole experiment",
      {.min = -1});
  o.add("data.eval_rows", &r.eval_rows, "most eval rows of a task; 0: all",
        {.min = 0, .fixed_once_learned = true});
  o.add("data.test_rows", &r.test_rows, "most test rows of a task; 0: all",
        {.min = 0, .fixed_once_learned = true});
  o.add("data.task_rows", &r.task_rows,
        "other limits for single tasks, TASK.SPLIT=N, such as MeetingBank.test=50",
        {.fixed_once_learned = true});
}

void add_lora_options(Recipe& r, OptionList& o) {
  o.add(
      "lora.rank", &r.lora.rank, "r",
      {.min = 1, .max = 1024, .source = "paper", .also_called = {"r"}, .fixed_once_learned = true});
  o.add("lora.alpha", &r.lora.alpha, "the update is scaled by alpha/r",
        {.min = 0, .source = "paper", .also_called = {"lora_alpha"}, .fixed_once_learned = true});
  o.add("lora.dropout", &r.lora.dropout, "of LoRA's input, while training",
        {.min = 0, .max = 0.95, .also_called = {"lora_dropout"}});
  o.add("lora.rslora", &r.lora.rslora, "scale by alpha/sqrt(r)",
        {.also_called = {"use_rslora"}, .fixed_once_learned = true});
  o.add("lora.targets", &r.lora.targets, "linear maps that carry LoRA",
        {.choices = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
                     "qkv_proj", "gate_up_proj"},
         .source = "paper",
         .also_called = {"target_modules"},
         .fixed_once_learned = true});
  o.add(
      "lora.start", &r.start_adapter,
      "an adapter to start from, a PEFT folder or a LoRA file in GGUF; its rank, alpha and targets "
      "are taken over",
      {.role = kWhere, .fixed_once_learned = true});
}

void add_training_options(Recipe& r, OptionList& o) {
  o.add("train.epochs", &r.epochs, "passes over each task's training rows",
        {.min = 0, .also_called = {"num_train_epochs"}});
  o.add("train.batch_size", &r.batch_size, "rows of an optimiser step (replayed rows come on top)",
        {.min = 1, .also_called = {"per_device_train_batch_size", "batch"}});
  o.add("train.learning_rate", &r.learning_rate, "peak of the schedule",
        {.min = 0, .also_called = {"lr"}});
  o.add("train.schedule", &r.schedule, "after the warm-up",
        {.choices = {"constant", "linear", "cosine"}, .also_called = {"lr_scheduler_type"}});
  o.add("train.warm_up", &r.warm_up, "share of a task's steps over which the rate rises",
        {.min = 0, .max = 1, .also_called = {"warmup_ratio"}});
  o.add("train.weight_decay", &r.weight_decay, "decoupled (AdamW)", {.min = 0});
  o.add("train.beta1", &r.beta1, "AdamW", {.min = 0, .max = 0.999999});
  o.add("train.beta2", &r.beta2, "AdamW", {.min = 0, .max = 0.999999});
  o.add("train.epsilon", &r.epsilon, "AdamW", {.min = 0, .above_min = true});
  o.add("train.clip", &r.clip, "largest global norm of the gradient; 0: off",
        {.min = 0, .also_called = {"max_grad_norm"}});
  o.add("train.loss_reduction", &r.loss_reduction,
        "sequence: mean per row, then over rows; token: mean over tokens",
        {.choices = {"sequence", "token"}});
  o.add("train.train_on_prompt", &r.train_on_prompt, "labels on the prompt too");
  o.add("train.reset_optimizer", &r.reset_optimizer,
        "AdamW's moments start anew with each task; first: the first moment does, the second lives "
        "on",
        {.choices = {"true", "false", "first"}, .source = "reference code"});
}

void add_evaluation_options(Recipe& r, OptionList& o) {
  o.add("eval.measures", &r.measures,
        "one for all tasks or one per task: auto (the task's own, `ilora tasks`), generated (the "
        "one that reads its generated text), or what `ilora measures` lists");
  o.add("eval.split", &r.split, "the split that is scored",
        {.choices = {"test", "eval"}, .fixed_once_learned = true});
  o.add("eval.matrix", &r.matrix,
        "full: every task after every task; diagonal: row 0, the task just learned, the last row; "
        "trained: the same without row 0, the base model's; last: the last row alone",
        {.choices = {"full", "diagonal", "trained", "last"}});
  o.add("eval.references", &r.references,
        "finished runs (of single tasks, of one, of mtl) whose scores are the references of "
        "intransigence",
        {.role = kWhere});
  o.add("eval.max_new_tokens", &r.max_new_tokens,
        "for measures that generate; 0: each task's own (`ilora tasks`), else 32",
        {.min = 0, .fixed_once_learned = true, .from = kAnswers});
}

void add_probe_options(Recipe& r, OptionList& o) {
  o.add("probe.text", &r.probe.text,
        "plain text files whose perplexity is taken before training and after every task",
        {.role = kWhere, .fixed_once_learned = true});
  o.add("probe.choices", &r.probe.choices,
        "multiple-choice sets, taken likewise: JSON lines of question, choices, answer",
        {.role = kWhere, .fixed_once_learned = true});
  o.add("probe.tokens", &r.probe.tokens, "most tokens of a text; 0: all",
        {.min = 0, .fixed_once_learned = true});
  o.add("probe.rows", &r.probe.rows, "most questions of a set; 0: all",
        {.min = 0, .fixed_once_learned = true});
}

void add_checkpoint_and_log_options(Recipe& r, OptionList& o) {
  o.add("checkpoint.every", &r.checkpoint_every,
        "optimiser steps between checkpoints; 0: at the end of each task",
        {.min = 0, .role = kHow});
  o.add("log.gradient_norms_every", &r.gradient_norms_every,
        "optimiser steps between logs of each loss term's own gradient norm (costs one more pass); "
        "0: never",
        {.min = 0, .role = kHow});
}

}  // namespace

void Recipe::add_options(OptionList& options) {
  add_run_options(*this, options);
  add_engine_options(*this, options);
  add_data_options(*this, options);
  add_lora_options(*this, options);
  add_training_options(*this, options);
  add_evaluation_options(*this, options);
  add_probe_options(*this, options);
  add_checkpoint_and_log_options(*this, options);
  options.add_preset("protocol", kProtocols);
}

}  // namespace ilora
