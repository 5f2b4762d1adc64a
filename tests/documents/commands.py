#!/usr/bin/env python3
"""Runs the commands that the documents print.

  tests/documents/commands.py build/release/bin/ilora

The `sh` blocks of README.md, CONTRIBUTING.md and docs/*.md run in order, in a folder that goes away, on the tests' tiny
model and on made-up tasks with the benchmarks' names. A YAML block that begins with `# NAME.yaml` becomes that file. NOT_RUN
says what is not run, and why; SMALLER, what is made smaller. A command that is in neither list and is no `ilora` fails.
"""
import json
import re
import sys
import tempfile
import time
from collections import Counter
from shutil import copytree

from common import PAGES, ROOT, SMALL_RUN, Program, blocks, problem, problems

RUN = re.compile(r"(ilora|cp|export|printf) ")
NOT_RUN = [  # the first pattern that is found in a command, and the reason
    (r"scripts/(quickstart|setup|model)\.sh", "installs packages or downloads"),
    (r"scripts/test\.sh|\.ci/run|ctest", "runs this test"),
    (r"scripts/(format|tidy)\.sh", "needs clang's tools, and minutes"),
    (r"bench/compare\.sh", "needs PyTorch, and forty minutes"),
    (r"bench/measure\.sh", "needs PyTorch and llama.cpp, and an hour"),
    (r"learn6|bench/small_suites|SUITES/", "needs rows of the sets that they are made of"),
    (r"ilora serve|curl ", "a server; tests/props/serve_test.cpp and teach_test.cpp start it"),
    (r"bench/connectivity\.py", "needs the benchmarks' data, and hours"),
]
SMALLER = [
    (r"^(ilora (train \w|compare|sweep)(?!.*--only-table).*)", rf"\1 {SMALL_RUN}"),
    (r"1e-3,2e-3,4e-3,8e-3,5e-4", "1e-3"),
    (r"--seeds 1,2,3", "--seeds 1"),
    (r"^(.* --keep (\S+) .*)", r"rm -rf \2; \1"),  # what is kept there is of another model
    (r"^(ilora analyze (path|plane|cka) .*)", r"\1 --rows 4"),
    (r"^(ilora analyze path .*)", r"\1 --points 5 --curve-steps 4"),
    (r"^(ilora analyze plane .*)", r"\1 --grid 5"),
    (r"^(ilora analyze sharpness .*)", r"\1 --hessian-rows 4 --probes 2 --steps 3"),
    (r"^(ilora export .*--to )(gguf|ollama) ", r"\1hf "),  # the tests' model is a folder, not a GGUF file
    (r" --repeat \d+", ""),
    (r"^(ilora bench .*)", r"\1 --repeat 1"),
]


def made_up_rows(task, split):
    """Rows of a built-in task's kind."""
    rows = []
    for i in range(8 if split == "train" else 4):
        prompt, answer = f"{split} {i} of {task['name']}", f"A summary of {i}."
        if task["measure"] == "choice-letter":
            prompt, answer = f"{prompt}\nA. this\nB. that\nAnswer:", f"{'AB'[i % 2]}\nbecause"
        elif task["measure"] == "number":
            answer = str(i)
        elif task["options"]:
            answer = task["options"][i % len(task["options"])]
        rows.append({"prompt": prompt, "answer": answer})
    return json.dumps(rows)


def furnish(program):
    """What a reader has who followed the documents: model, benchmarks' tasks, texts, and the quickstart's runs."""
    folder = program.folder
    copytree(ROOT / "docs", folder / "docs")
    copytree(ROOT / "examples", folder / "examples")
    model = folder / "MODEL.gguf"  # a folder, which a model may be; its context holds the rows of `ilora bench`
    copytree(ROOT / "tests/data/tiny-model", model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 512}))
    (folder / ".cache/models").mkdir(parents=True)
    (folder / ".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf").symlink_to(model)
    for task in program.json("tasks"):
        (folder / "DATA" / task["name"]).mkdir(parents=True)
        for split in ("train", "eval", "test"):
            (folder / "DATA" / task["name"] / f"{split}.json").write_text(made_up_rows(task, split))
    texts = {"prompts": [f"Prompt {i}:" for i in range(4)], "options": [" yes", " no"]}
    (folder / "TEXTS.json").write_text(json.dumps(texts))
    program.shell("ilora suite mini --out runs/quickstart/suite")
    for name in ("seq", "ilora"):
        program.shell(f"ilora train examples/quickstart-{name}.yaml --set model.path=MODEL.gguf {SMALL_RUN}")


def commands(text):
    """The commands of a page's `sh` blocks, each on one line, without comments."""
    lines = "".join(blocks(text, "sh")).replace("\\\n", " ").splitlines()
    return [" ".join(re.sub(r"(^|\s)#.*", "", line).split()) for line in lines if line.strip()]


def run_page(program, page, not_run):
    """Returns how many commands ran."""
    ran, text, name = 0, page.read_text(), page.relative_to(ROOT)
    for block in blocks(text, "yaml"):
        if file := re.match(r"# (\S+\.yaml)\n", block):
            (program.folder / file[1]).write_text(block)
    for command in commands(text):
        reason = next((why for pattern, why in NOT_RUN if re.search(pattern, command)), None)
        if reason:
            not_run[reason] += 1
            print(f"not run  {name}: {command}  ({reason})")
        elif RUN.match(command):
            for pattern, smaller in SMALLER:
                command = re.sub(pattern, smaller, command)
            ran, began = ran + 1, time.monotonic()
            program.shell(command)
            print(f"run      {name}: {command}  ({time.monotonic() - began:.1f} s)", flush=True)
        else:
            problem(f"{name}: neither run nor in NOT_RUN: {command}")
    return ran


def main():
    not_run = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        program = Program(sys.argv[1], scratch)
        furnish(program)
        ran = sum(run_page(program, page, not_run) for page in PAGES)
    reasons = "; ".join(f"{count} {why}" for why, count in not_run.items())
    print(f"{ran} commands run, {not_run.total()} not run ({reasons}), {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
