#!/usr/bin/env python3
"""The paper's observation on real tasks: is there a point between two checkpoints that serves both tasks at least as well?

  bench/connectivity.py --model MODEL.gguf --data DATA

Three pairs of tasks, three seeds, three kinds of ends:
  successive    after one task and after the next of a sequence (method seq)
  same start    adapters trained on one task each, from the same initial values (method one)
  other start   the same, the second one from the initial values of another seed
Losses and scores of both tasks along the straight line in the factors; the best point is chosen on the eval rows and
measured on the test rows. Finished runs and paths are kept, so the same command goes on. Writes
docs/results/connectivity.csv, docs/images/connectivity.svg, and the table between the marks of docs/connectivity.md.
Needs Python's standard library, and gnuplot for the picture.
"""
import argparse
import csv
import json
import statistics
import subprocess
from pathlib import Path

BASE = "examples/trace8.yaml"  # what is not set below
TASKS = ("FOMC", "SST-2", "AGNews", "MedMCQA")
SEEDS = (1, 2, 3)
KINDS = {"successive": "#1f6fb4", "same start": "#d9822b", "other start": "#9a9a9a"}
TRAINING = ("data.train_rows=160", "data.max_length=160", "train.epochs=2", "train.batch_size=8",
            "train.learning_rate=2e-3", "eval.matrix=last")
MEASURED = ("data.eval_rows=50", "data.test_rows=120")
BEGIN, END = "<!-- connectivity.py: begin -->", "<!-- connectivity.py: end -->"

GNUPLOT = """
set terminal svg size 960,600 dynamic background '#ffffff' font 'sans-serif,13'
set output '{figure}'
set multiplot layout 2,3 margins 0.08,0.985,0.1,0.94 spacing 0.06,0.09
set grid ytics lc rgb '#dddddd'
set border 3
set tics nomirror
set xrange [0:1]
set key off
{panels}
unset multiplot
"""


def train(args, method, seed):
    run = args.work / f"{method}-{seed}"
    if not (run / "results.json").exists():
        begin = ["--resume", run] if (run / "config.yaml").exists() else [BASE] + [
            f"--set={setting}" for setting in (
                *TRAINING, *MEASURED, f"data.folder={args.data}", f"data.tasks={','.join(TASKS)}",
                f"model.path={args.model}", f"method={method}", f"seed={seed}", f"output={run}")]
        subprocess.run([args.ilora, "train", *begin], check=True)
    return run


def ends(args, kind, first, seed):
    """The run that names the data, and the adapters after task `first` and after the next one."""
    method = "seq" if kind == "successive" else "one"
    other = SEEDS[(SEEDS.index(seed) + 1) % len(SEEDS)] if kind == "other start" else seed
    run, to = train(args, method, seed), train(args, method, other)
    return run, *(r / "checkpoints" / f"task-{k + 1:02}" / "adapter" for r, k in ((run, first), (to, first + 1)))


def measure(args, kind, first, seed):
    run, begin, end = ends(args, kind, first, seed)
    old, new = TASKS[first], TASKS[first + 1]
    name = f"{kind} {old} {new}".replace(" ", "-")
    result = run / "analysis" / f"{name}.json"
    if not result.exists():
        subprocess.run([args.ilora, "analyze", "path", run, "--name", name, "--from-adapter", begin, "--to-adapter", end,
                        "--set", f"data.tasks={old},{new}", "--old", old, "--new", new, "--points", str(args.points),
                        "--from", "0", "--to", "1", "--choose", "eval"], check=True)
    return json.loads(result.read_text())["paths"][0]


def mean_over_tasks(point, value):
    return statistics.fmean(task[value] for task in point["tasks"].values())


def write_csv(path, measured):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["ends", "old", "new", "seed", "alpha", "old loss", "old score", "new loss", "new score"])
        for (kind, first, seed), p in measured.items():
            old, new = TASKS[first], TASKS[first + 1]
            for point in p["points"]:
                table.writerow([kind, old, new, seed, f"{point['alpha']:.4g}"] + [
                    f"{point['tasks'][task][value]:.6g}" for task in (old, new) for value in ("loss", "score")])


def draw(path, measured):
    path.parent.mkdir(parents=True, exist_ok=True)
    panels = []
    for value in ("score", "loss"):
        for first in range(len(TASKS) - 1):
            plots, blocks = [], []
            for kind, colour in KINDS.items():
                runs = [measured[kind, first, seed]["points"] for seed in SEEDS]
                blocks += [f"{points[0]['alpha']} {statistics.fmean(mean_over_tasks(p, value) for p in points)}"
                           for points in zip(*runs)] + ["e"]
                plots.append(f"'-' with linespoints pt 7 ps 0.5 lw 2 lc rgb '{colour}' title '{kind}'")
            panels.append(f"set title '{TASKS[first]} to {TASKS[first + 1]}'" if value == "score" else "unset title")
            panels.append("set xlabel 'α'" if value == "loss" else "unset xlabel")
            panels.append(f"set ylabel 'mean {value} of both tasks' offset 1" if first == 0 else "unset ylabel")
            if (value, first) == ("loss", 0):  # a valley leaves room
                panels.append("set key inside center top vertical")
            panels += ["plot " + ", ".join(plots), *blocks, "set key off"]
    program = GNUPLOT.format(figure=path, panels="\n".join(panels))
    subprocess.run(["gnuplot"], input=program, text=True, check=True)


def table(measured):
    lines = ["| ends | pair | seed | α chosen | mean at α | ends (α = 0, 1) | difference to the better end | loss barrier |",
             "|---|---|---|---|---|---|---|---|"]
    for (kind, first, seed), p in measured.items():
        best = p["best"]["all"]
        gain = f"{best['gain']:+.3f} ({best['interval'][0]:+.3f} to {best['interval'][1]:+.3f})".replace("-", "−")
        lines.append(f"| {kind} | {TASKS[first]} to {TASKS[first + 1]} | {seed} | {best['alpha']:.2f} | {best['score']:.3f} | "
                     f"{best['ends'][0]:.3f}, {best['ends'][1]:.3f} | {gain} | {p['barrier']:.3f} |")
    lines += ["", "| ends | pair | difference to the better end, mean ± deviation over seeds | points at least as good "
              "| mean loss barrier |", "|---|---|---|---|---|"]
    for kind in KINDS:
        for first in range(len(TASKS) - 1):
            paths = [measured[kind, first, seed] for seed in SEEDS]
            gains = [p["best"]["all"]["gain"] for p in paths]
            mean = f"{statistics.fmean(gains):+.3f} ± {statistics.stdev(gains):.3f}".replace("-", "−")
            lines.append(f"| {kind} | {TASKS[first]} to {TASKS[first + 1]} | {mean} | "
                         f"{sum(gain >= 0 for gain in gains)} of {len(gains)} | "
                         f"{statistics.fmean(p['barrier'] for p in paths):.3f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, help="the folder of task folders")
    parser.add_argument("--ilora", default="build/release/bin/ilora")
    parser.add_argument("--work", type=Path, default=Path("build/connectivity"))
    parser.add_argument("--points", type=int, default=5)
    parser.add_argument("--train-only", action="store_true", help="train what is missing, and stop")
    args = parser.parse_args()

    args.work.mkdir(parents=True, exist_ok=True)
    if args.train_only:
        for method in ("seq", "one"):
            for seed in SEEDS:
                train(args, method, seed)
        return
    measured = {(kind, first, seed): measure(args, kind, first, seed)
                for kind in KINDS for first in range(len(TASKS) - 1) for seed in SEEDS}
    write_csv(Path("docs/results/connectivity.csv"), measured)
    draw(Path("docs/images/connectivity.svg"), measured)
    page = Path("docs/connectivity.md")
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{table(measured)}\n\n{END}{rest.split(END)[1]}")
    print(table(measured))


if __name__ == "__main__":
    main()
