#!/usr/bin/env python3
"""The benchmark learn6, made of your own copies of four sets.

  scripts/learn6.py DATA OUT [--program build/release/bin/ilora]

DATA holds the task folders AGNews, SST-2, DBpedia and Yahoo of the long sequence (docs/tasks.md says how they are
imported). OUT gets six tasks: AGNews, SST-2, DBpedia and Yahoo in two halves of their labels each. An answer is one
letter; which label it stands for differs from task to task and is said in the prompt. Texts are cut to 50 words; options
never are. Every answer has equally many rows in a split. Small test and eval splits are filled up with the
last training rows. All rows pass `ilora data import`, which looks for leaks. The same folders give the same rows.
"""
import argparse
import itertools
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

WORDS = 50
POOL = 240  # training rows that stay at least, for 160 to be drawn from

DBPEDIA = ["Company", "Educational Institution", "Artist", "Athlete", "Office Holder", "Mean of Transportation",
           "Building", "Natural Place", "Village", "Animal", "Plant", "Album", "Film", "Written Work"]
YAHOO = ["Society & Culture", "Science & Mathematics", "Health", "Education & Reference", "Computers & Internet",
         "Sports", "Business & Finance", "Entertainment & Music", "Family & Relationships", "Politics & Government"]
# Folder, its set, the labels, the letters that stand for them.
TASKS = [
    ("L6-AGNews", "AGNews", ["World", "Sports", "Business", "Science or Technology"], "CADB"),
    ("L6-SST-2", "SST-2", ["Good", "Bad"], "BA"),
    ("L6-DBpedia-a", "DBpedia", DBPEDIA[:7], "EBGADFC"),
    ("L6-Yahoo-a", "Yahoo", YAHOO[:5], "DAEBC"),
    ("L6-DBpedia-b", "DBpedia", DBPEDIA[7:], "BFADGCE"),
    ("L6-Yahoo-b", "Yahoo", YAHOO[5:], "CEADB"),
]


def cut(text, words):
    """The first words, with the white space between them."""
    parts = re.split(r"(\s+)", text.strip())
    return "".join(parts[: 2 * words - 1])


def text_of(prompt):
    """What stands between the set's options and its question."""
    lines = prompt.split("\n", 2)
    if len(lines) < 3 or not lines[1].startswith("Option:"):
        sys.exit(f"learn6: not a row of the long sequence: {prompt[:80]!r}")
    return lines[2].rsplit("Answer:", 1)[0]


def rows_of(path, labels, letters):
    """As many rows of each label as the rarest one has, the labels in turn."""
    letter = dict(zip(labels, letters))
    options = ", ".join(f"{a}: {label}" for a, label in sorted((letter[label], label) for label in labels))
    by_label = {label: [] for label in labels}
    seen = set()
    for row in json.loads(path.read_text(encoding="utf-8")):
        if row["answer"] not in by_label:
            continue
        prompt = f"{cut(text_of(row['prompt']), WORDS)}\nOptions: {options}\nAnswer:"
        if prompt not in seen:
            by_label[row["answer"]].append({"prompt": prompt, "answer": letter[row["answer"]]})
        seen.add(prompt)
    return [row for rank in zip(*by_label.values()) for row in rank]


def fill(rows, train, wanted, labels):
    """Moves the last training rows to a split that has few, a row of each label at a time."""
    have = {row["prompt"] for row in rows}
    while len(rows) + labels <= wanted and len(train) - labels >= POOL:
        moved = [train.pop() for _ in range(labels)][::-1]
        rows += [row for row in moved if row["prompt"] not in have]


def make(program, data, out, task, name, labels, letters):
    with tempfile.TemporaryDirectory() as folder:
        splits = {split: rows_of(data / task / f"{split}.json", labels, letters) for split in ["train", "eval", "test"]}
        for split, rows in splits.items():
            if not rows:
                sys.exit(f"learn6: {data / task / (split + '.json')} has no row of one of {', '.join(labels)}")
        for split, wanted in [("test", 200), ("eval", 100), ("test", 400), ("eval", 200)]:
            fill(splits[split], splits["train"], wanted, len(labels))
        for split, rows in splits.items():
            (Path(folder) / f"{split}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        subprocess.run([program, "data", "import", folder, "--format", "trace", "--out", str(out / name), "--prompt",
                        "{prompt}", "--answer", "{answer}", "--drop-leaks"], check=True)
    definition = f"measure: choice\noptions: [{', '.join(sorted(letters))}]\nmax_new_tokens: 4\nlanguage: en\n"
    (out / name / "task.yaml").write_text(definition + f"summary: learn6, letters for labels of {task}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--program", default="build/release/bin/ilora")
    args = parser.parse_args()
    for name, task, labels, letters in TASKS:
        assert sorted(letters) == list(itertools.islice("ABCDEFG", len(labels)))
        make(args.program, args.data, args.out, task, name, labels, letters)


if __name__ == "__main__":
    main()
