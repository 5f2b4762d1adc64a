"""Writes lengths.json: how long the training rows of the eight tasks are, in tokens of the model.

  python bench/peers/token_lengths.py MODEL.gguf FOLDER_OF_TASKS

Per task: the rows, their mean length, and [prompt, answer] tokens of the rows at 5, 15, .. 95 % of the rows sorted by
length. The answer counts its end token; prompts are cut so that rows hold 1,024 tokens, as in training. Only lengths
are kept: the tasks' texts have licences of their own. At most 500 rows of a task are read, evenly spread.
"""

import json
import sys
from pathlib import Path

from transformers import AutoTokenizer

TASKS = ["C-STANCE", "FOMC", "MeetingBank", "ScienceQA", "NumGLUE-cm", "20Minuten", "MedMCQA", "JEC-QA"]
LONGEST, ROWS = 1024, 500


def lengths(tokenizer, rows):
    rows = rows[:: max(1, len(rows) // ROWS)]
    pairs = []
    for row in rows:
        prompt, answer = (len(tokenizer(row[key], add_special_tokens=False).input_ids) for key in ("prompt", "answer"))
        pairs.append([min(prompt, LONGEST - answer), answer + 1])
    return sorted(pairs, key=sum)


def main():
    model, folder = Path(sys.argv[1]), Path(sys.argv[2])
    tokenizer = AutoTokenizer.from_pretrained(model.parent, gguf_file=model.name)
    result = {"model": model.name, "tasks": {}}
    for task in TASKS:
        pairs = lengths(tokenizer, json.loads((folder / task / "train.json").read_text()))
        result["tasks"][task] = {
            "rows": len(pairs),
            "mean_tokens": round(sum(map(sum, pairs)) / len(pairs), 1),
            "rows_at": [pairs[len(pairs) * percent // 100] for percent in range(5, 100, 10)],
        }
    path = Path(__file__).with_name("lengths.json")
    path.write_text("{\n" + ",\n".join(
        f"{json.dumps(k)}: " + ("{\n" + ",\n".join(f"  {json.dumps(t)}: {json.dumps(v)}" for t, v in value.items())
                                + "\n}" if isinstance(value, dict) else json.dumps(value))
        for k, value in result.items()) + "\n}\n")


if __name__ == "__main__":
    main()
