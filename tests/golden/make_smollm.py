"""Writes tests/golden/smollm2/reference.json: what transformers computes in float32 from the SmolLM2 GGUF itself.

  python tests/golden/make_smollm.py PATH/TO/SmolLM2-135M-Instruct.Q4_1.gguf        (about a minute on two cores)

transformers expands the quantised weights to float32 and undoes the row permutation of Llama's queries and keys, so
the reference depends on the very bytes that ilora reads. Token ids are stored, so no tokenizer is needed to use it.
"""

import hashlib
import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, __version__

PROMPTS = [
    "The capital of France is the city of",
    "Once upon a time, in a small village at the foot of a mountain, there lived an old woman who",
    "Die Katze sitzt auf dem Dach und schaut in den",
    "Wasser gefriert bei null Grad. Über dem Siedepunkt wird es zu",
    "今天天气很好，我们一起去公园",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return",
    "1, 2, 4, 8, 16, 32,",
    "<|im_start|>user\nWhat is 12 + 30?<|im_end|>\n<|im_start|>assistant\n",
]
GREEDY = 64  # generated tokens of each prompt; the end of the text is not a reason to stop
TOP = 64  # largest logits of the last position that are stored
FIXED = 512  # further token ids, the same for all prompts: (i * 7919 + 13) mod vocabulary size


def greedy(model, ids):
    """The next GREEDY tokens and, for each, how far its logit lies above the second best."""
    tokens, margins, cache, step = [], [], None, torch.tensor([ids])
    for _ in range(GREEDY):
        out = model(input_ids=step, past_key_values=cache, use_cache=True)
        best, index = out.logits[0, -1].topk(2)
        tokens.append(index[0].item())
        margins.append((best[0] - best[1]).item())
        cache, step = out.past_key_values, index[:1].view(1, 1)
    return tokens, margins


def reference(model, tokenizer, prompt):
    ids = tokenizer(prompt, add_special_tokens=False).input_ids
    logits = model(input_ids=torch.tensor([ids])).logits[0]  # (T,V)
    last = logits[-1]
    top = last.topk(TOP)
    fixed = [(i * 7919 + 13) % last.numel() for i in range(FIXED)]
    tokens, margins = greedy(model, ids)
    print(repr(prompt), len(ids), repr(tokenizer.decode(tokens)), f"smallest margin {min(margins):.2e}")
    return {
        "prompt": prompt,
        "ids": ids,
        "top_ids": top.indices.tolist(),
        "top_logits": short(top.values),
        "fixed_logits": short(last[fixed]),
        "sum": last.double().sum().item(),
        "mean": last.double().mean().item(),
        "l2": last.double().norm().item(),
        "next_logits": short(logits[range(len(ids) - 1), ids[1:]]),
        "greedy": tokens,
        "greedy_smallest_margin": min(margins),
    }


def short(values):
    return [float(f"{v:.7g}") for v in values.tolist()]


def main():
    gguf = Path(sys.argv[1])
    torch.set_grad_enabled(False)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    result = {
        "file": gguf.name,
        "sha256": hashlib.sha256(gguf.read_bytes()).hexdigest(),
        "transformers": __version__,
        "fixed_ids": [(i * 7919 + 13) % model.config.vocab_size for i in range(FIXED)],
        "prompts": [reference(model, tokenizer, p) for p in PROMPTS],
    }
    folder = Path(__file__).resolve().parent / "smollm2"
    folder.mkdir(exist_ok=True)
    (folder / "reference.json").write_text(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
