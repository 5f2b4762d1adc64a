#!/usr/bin/env python3
"""A long run of small tasks: what a task costs at its beginning and at its end.

  tests/soak/many_tasks.py PROGRAM --tasks 200 --methods ilora,seq,er,ewc,gem

Prints, for the second and the last tenth of the tasks, CPU time of a task (training and its own scoring), and at the end
the largest memory, the bytes read and written, the sizes of the state and of the report, and the run folder's. Exits with 1

- where a task reads and writes more than 12 KiB for each task of the run (results.json, written anew after each task, has
  7 of them), or the state has more than 16 KiB per task, neither for ewc, which keeps two vectors of each;
- with --timed, where the last tenth takes more than 1.5 times the second, except for gem, whose step has a gradient per
  task before it. Times are only told apart by many tasks on a machine that does nothing else.
"""
import argparse
import json
import os
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


def bytes_moved(process):
    """What an ended process, not yet waited for, read and wrote in all."""
    fields = dict(line.split(": ") for line in pathlib.Path(f"/proc/{process.pid}/io").read_text().splitlines())
    return int(fields["rchar"]) + int(fields["wchar"])


def ended(process):
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def times_of_tasks(folder, process):
    """What each task took, by its line in metrics.jsonl; returns when the process has ended."""
    ends, at = [0], 0
    while not ended(process):
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


def kib(path):
    return path.stat().st_size / 1024


def measure(program, method, tasks, matrix):
    """One run: CPU seconds of each task; KiB moved without the report's, of the state, the report and the run's folder."""
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        names = make_tasks(scratch / "tasks", tasks)
        METHODS.setdefault(method, {})
        of_tasks = {"data.folder": scratch / "tasks", "data.tasks": f"[{', '.join(names)}]"}
        settings = settings_of(method, **of_tasks, **{"checkpoint.every": 0, "eval.matrix": matrix})
        folder = scratch / "run"
        with open(scratch / "log", "w") as log:
            words = [str(w) for w in train_command(program, folder, settings)]
            process = subprocess.Popen(words, stdout=log, stderr=log)
            seconds = times_of_tasks(folder, process)
            moved = bytes_moved(process) / 1024
        if process.wait() != 0:
            sys.exit((scratch / "log").read_text()[-1000:])
        whole = sum(kib(p) for p in folder.rglob("*") if p.is_file())
        report = kib(folder / "report.html")  # written once, with what draws its pictures
        return seconds, moved - report, kib(folder / "checkpoints/last/state.safetensors"), report, whole


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--methods", default="seq,ilora")
    parser.add_argument("--matrix", default="diagonal", help="eval.matrix")
    parser.add_argument("--timed", action="store_true", help="judge the times too")
    a = parser.parse_args()
    faults = []
    for method in a.methods.split(","):
        seconds, moved, state, report, folder = measure(a.program, method, a.tasks, a.matrix)
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        tenth = max(1, len(seconds) // 10)
        early, late = statistics.mean(seconds[tenth : 2 * tenth]), statistics.mean(seconds[-tenth:])
        print(
            f"{method}, {a.tasks} tasks: a task {early * 1000:.0f} ms of CPU early, {late * 1000:.0f} ms late; "
            f"{moved / a.tasks**2:.1f} KiB read and written in a task for each task of the run; memory {memory:.0f} MiB (the largest so far); state {state:.0f} KiB, report {report:.0f} KiB, "
            f"run folder {folder:.0f} KiB",
            flush=True,
        )
        if method != "ewc" and moved > 12 * a.tasks**2:
            faults.append(f"{method}: a task reads and writes more and more")
        if method != "ewc" and state > 16 * a.tasks:
            faults.append(f"{method}: the state grows")
        if a.timed and method != "gem" and late > 1.5 * early:
            faults.append(f"{method}: a task takes longer and longer")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
