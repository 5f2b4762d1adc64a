#!/usr/bin/env python3
"""A long run of small tasks: what a task costs at its beginning and at its end.

  tests/soak/many_tasks.py PROGRAM --tasks 200 --methods ilora,seq,er,ewc,gem

Prints, for the second and the last tenth of the tasks, CPU time of a task (training and its own scoring), and at the end
the largest memory, the sizes of the state and of the report, and the run folder's. Exits with 1 where the last tenth takes
more than 1.5 times the second (3 with --tasks below 100: too short to tell), but of gem, whose step has a gradient per
task before it; or where the state has more than 16 KiB per task, but of ewc, which keeps two vectors of each.
"""
import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from common import METHODS, TASKS, settings_of, train_command


def make_tasks(folder, count):
    """Copies of a tiny task with prompts of their own."""
    names = []
    for number in range(count):
        name = f"task{number:04d}"
        (folder / name).mkdir(parents=True)
        for split in ("train", "test"):
            rows = json.loads((TASKS / "alpha" / f"{split}.json").read_text())[:8]
            for row in rows:
                row["prompt"] = f"{number} {row['prompt']}"
            (folder / name / f"{split}.json").write_text(json.dumps(rows))
        names.append(name)
    return names


def cpu_seconds(process):
    """Of a process and its threads so far: what it takes, however busy the machine is."""
    threads = pathlib.Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def times_of_tasks(folder, process):
    """What each task took, by its line in metrics.jsonl."""
    ends, at = [0], 0
    while process.poll() is None:
        time.sleep(0.02)
        if (folder / "metrics.jsonl").exists():
            text = (folder / "metrics.jsonl").read_text()
            for line in text[at:].splitlines(True):
                if not line.endswith("\n"):
                    break
                at += len(line)
                if '"task_end"' in line:
                    ends.append(cpu_seconds(process))
    return [b - a for a, b in zip(ends, ends[1:])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--methods", default="seq,ilora")
    parser.add_argument("--matrix", default="diagonal", help="eval.matrix")
    a = parser.parse_args()
    failed = False
    for method in a.methods.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            names = make_tasks(scratch / "tasks", a.tasks)
            METHODS.setdefault(method, {})
            settings = settings_of(method, **{"data.folder": scratch / "tasks", "data.tasks": f"[{', '.join(names)}]", "checkpoint.every": 0, "eval.matrix": a.matrix})
            folder = scratch / "run"
            with open(scratch / "log", "w") as log:
                process = subprocess.Popen([str(w) for w in train_command(a.program, folder, settings)], stdout=log, stderr=log)
                seconds = times_of_tasks(folder, process)
            if process.returncode != 0:
                sys.exit((scratch / "log").read_text()[-1000:])
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            tenth = max(1, len(seconds) // 10)
            early, late = statistics.mean(seconds[tenth : 2 * tenth]), statistics.mean(seconds[-tenth:])
            size = lambda path: path.stat().st_size / 1024
            total = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1024
            print(
                f"{method}, {a.tasks} tasks: a task {early * 1000:.0f} ms of CPU early, {late * 1000:.0f} ms late; "
                f"memory {memory:.0f} MiB (the largest so far); state "
                f"{size(folder / 'checkpoints/last/state.safetensors'):.0f} KiB, report {size(folder / 'report.html'):.0f} KiB, "
                f"run folder {total:.0f} KiB",
                flush=True,
            )
            if method != "gem" and late > (1.5 if a.tasks >= 100 else 3) * early:
                failed = True
                print(f"{method}: a task takes longer and longer")
            if method != "ewc" and size(folder / "checkpoints/last/state.safetensors") > 16 * a.tasks:
                failed = True
                print(f"{method}: the state grows")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
