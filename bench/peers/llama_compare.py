"""Lets ilora and llama.cpp take turns at generation on the same file, and prints medians and ratios.

Called by bench/llama.sh. Both read the same texts and must find as many tokens in them. How many first tokens of their
answers agree is told and no condition: both round what they multiply, each in its own way.
"""

import argparse
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

import workloads
from compare import HERE, Child, environment_of_cpu

# Name: prompts, their tokens (about), new tokens.
CASES = {"one prompt, 128 new tokens": (1, 16, 128), "16 prompts together, 64 new tokens each": (16, 16, 64),
         "a prompt of 512 tokens, 1 new token": (1, 512, 1)}
AGREEMENT = 8


def agreement(a, b):
    return sum(x[:AGREEMENT] == y[:AGREEMENT] for x, y in zip(a, b, strict=True))


def measure(args, number, prompts, length, count):
    path = args.work / f"texts-{number}.json"
    path.write_text(json.dumps(workloads.texts(prompts, length, length, [])))
    settings = [f"--set={setting}" for setting in args.set]
    commands = ([args.ilora, "bench", "generate", "--model", args.model, "--texts", path, "--max-new-tokens", count,
                 "--batch", prompts, "--json", "--paced", *settings],
                [sys.executable, HERE / "llama_generate.py", "--model", args.model, "--texts", path,
                 "--max-new-tokens", count])
    children = []
    for command in commands:
        children.append(Child(command))
        children[-1].ready()
    for _ in range(args.turns):
        for child in children:
            child.turn()
    ours, peer = (child.finish() for child in children)
    if ours["facts"]["prompt_tokens"] != peer["facts"]["prompt_tokens"]:
        raise SystemExit(f"{ours['facts']['prompt_tokens']} and {peer['facts']['prompt_tokens']} prompt tokens")
    return ours, peer


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--ilora", type=Path, required=True, help="the program")
    parser.add_argument("--work", type=Path, required=True, help="folder of what is made")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], help="key=value of ours")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    args.work.mkdir(parents=True, exist_ok=True)
    print(f"CPU: {environment_of_cpu()['cpu']}, {os.environ['OMP_NUM_THREADS']} threads. Model: {args.model.name}. "
          f"llama-cpp-python {version('llama-cpp-python')}. Medians of {args.turns} turns.\n\n"
          "| work | ours, tokens/s | llama.cpp, tokens/s | ratio | range of a turn's ratio | same first tokens |\n"
          "|---|---|---|---|---|---|", flush=True)
    for number, (name, (prompts, length, count)) in enumerate(CASES.items()):
        ours, peer = measure(args, number, prompts, length, count)
        tokens = ours["facts"]["prompt_tokens"] if count == 1 else prompts * count
        ratios = [b / a for a, b in zip(ours["seconds"], peer["seconds"], strict=True)]
        same = agreement(ours["facts"]["answers"], peer["facts"]["answers"])
        print(f"| {name} | {tokens / ours['median']:.0f} | {tokens / peer['median']:.0f} | "
              f"{peer['median'] / ours['median']:.2f} × | {min(ratios):.2f} to {max(ratios):.2f} | "
              f"{same} of {prompts} |", flush=True)


if __name__ == "__main__":
    main()
