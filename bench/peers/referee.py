#!/usr/bin/env python3
"""Who is right where two programs' greedy answers part: PyTorch, in float32, with the GGUF file's weights expanded.

  bench/peers/referee.py MODEL.gguf PROGRAM [--tokens 64]

Has `ilora bench generate` answer eight prompts exactly (f32, engine.decoding exact), feeds each prompt with its answer to
transformers, and counts the tokens that are the likeliest there too. Needs torch, transformers and gguf (PyPI).
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

PROMPTS = ["Write a function that reverses a string in Python.", "def fibonacci(n):", "The capital of France is",
           "Explain what a hash table is.", "SELECT name FROM users WHERE", "#include <vector>\nint main() {",
           "Once upon a time there was a", "Translate to German: The house is small."]


def ours(program, model, tokens):
    with tempfile.TemporaryDirectory() as folder:
        texts = pathlib.Path(folder) / "texts.json"
        texts.write_text(json.dumps({"prompts": PROMPTS}))
        out = subprocess.run([program, "bench", "generate", "--model", model, "--texts", str(texts), "--max-new-tokens", str(tokens),
                              "--set", "engine.decoding=exact", "--mode", "f32", "--batch", "8", "--repeat", "1", "--json"],
                             capture_output=True, text=True, check=True)
    return json.loads(out.stdout)["answers"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model", type=pathlib.Path)
    arguments.add_argument("program")
    arguments.add_argument("--tokens", type=int, default=64)
    a = arguments.parse_args()
    answers = ours(a.program, str(a.model), a.tokens)

    import torch
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(a.model.parent, gguf_file=a.model.name, dtype=torch.float32).eval()
    same = total = 0
    for text, answer in zip(PROMPTS, answers):
        prompt = [int(t) for t in subprocess.run([a.program, "tokenize", "--model", str(a.model), "--", text], capture_output=True,
                                                 text=True, check=True).stdout.split()]
        with torch.no_grad():
            logits = model(torch.tensor([prompt + answer])).logits[0]
        wrong = []
        for i, token in enumerate(answer):
            at = logits[len(prompt) - 1 + i]
            if int(at.argmax()) != token:
                wrong.append((i, float(at.max() - at[token])))
        same += len(answer) - len(wrong)
        total += len(answer)
        print(f"{text!r}: {len(answer) - len(wrong)} of {len(answer)} tokens; others, with the referee's lead: {wrong[:3]}", flush=True)
    print(f"{same} of {total} tokens are the referee's")


if __name__ == "__main__":
    main()
