"""The peer of `ilora bench generate` by llama.cpp: greedy answers of a fixed number of tokens, all prompts together.

Every prompt is a sequence of one context and is read whole; then each pass feeds one token of every sequence. Tokens
are chosen by llama.cpp's own greedy sampler. No token ends an answer.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import llama_cpp as llama


class Context:
    """A model with room for so many tokens of so many sequences."""

    def __init__(self, path, tokens, sequences):
        threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))
        self.quiet = llama.llama_log_callback(lambda level, text, data: None)  # kept: llama.cpp calls it
        llama.llama_log_set(self.quiet, None)
        llama.llama_backend_init()
        self.model = llama.llama_model_load_from_file(str(path).encode(), llama.llama_model_default_params())
        self.vocabulary = llama.llama_model_get_vocab(self.model)
        params = llama.llama_context_default_params()
        params.n_ctx, params.n_seq_max = tokens * sequences, sequences
        params.n_batch = params.n_ubatch = 512
        params.n_threads = params.n_threads_batch = threads
        self.context = llama.llama_init_from_model(self.model, params)
        self.sampler = llama.llama_sampler_init_greedy()
        self.batch = llama.llama_batch_init(512, 0, 1)

    def tokens(self, text):
        data = text.encode()
        out = (llama.llama_token * (len(data) + 8))()
        count = llama.llama_tokenize(self.vocabulary, data, len(data), out, len(out), False, False)
        return list(out[:count])

    def clear(self):
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)

    def feed(self, entries):
        """Decodes (token, position, sequence, whether its logits are wanted)."""
        self.batch.n_tokens = len(entries)
        for i, (token, position, sequence, wanted) in enumerate(entries):
            self.batch.token[i], self.batch.pos[i] = token, position
            self.batch.n_seq_id[i], self.batch.seq_id[i][0] = 1, sequence
            self.batch.logits[i] = wanted
        if llama.llama_decode(self.context, self.batch) != 0:
            sys.exit("llama_decode failed")

    def greedy(self, row):
        return llama.llama_sampler_sample(self.sampler, self.context, row)


def answers(context, prompts, count):
    context.clear()
    made = []
    for sequence, prompt in enumerate(prompts):
        last = len(prompt) - 1
        for first in range(0, len(prompt), 512):
            part = prompt[first:first + 512]
            context.feed([(t, first + i, sequence, first + i == last) for i, t in enumerate(part)])
        made.append([context.greedy(-1)])
    for step in range(count - 1):
        context.feed([(answer[-1], len(prompt) + step, sequence, True)
                      for sequence, (prompt, answer) in enumerate(zip(prompts, made, strict=True))])
        for row, answer in enumerate(made):
            answer.append(context.greedy(row))
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    args = parser.parse_args()
    texts = json.loads(args.texts.read_text())["prompts"]
    context = Context(args.model, args.max_new_tokens + max(map(len, texts)), len(texts))
    prompts = [context.tokens(text) for text in texts]
    made = answers(context, prompts, args.max_new_tokens)
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        answers(context, prompts, args.max_new_tokens)
        print(time.perf_counter() - began, flush=True)
    print(json.dumps({"answers": made, "prompt_tokens": sum(map(len, prompts)),
                      "new_tokens": sum(map(len, made))}))


if __name__ == "__main__":
    main()
