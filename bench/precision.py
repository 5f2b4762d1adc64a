#!/usr/bin/env python3
"""The loss over 200 steps in bf16 and in int8 beside f32: the same rows, the same initial adapter, three seeds each.

  bench/precision.py --model MODEL.gguf --csv docs/results/precision.csv --figure docs/images/precision.svg

Trains all five tasks of the mini suite together (method mtl, 200 of its 240 steps), so that the loss is of one
distribution throughout. What a mode changes is compared with what another seed changes, which is the noise of training.
Needs Python's standard library, and gnuplot for the figure. Finished runs are kept: the same command goes on. With
--modes only these are run; the CSV file's other columns stay.
"""
import argparse
import csv
import json
import statistics
import subprocess
from pathlib import Path

MODES = ("f32", "bf16", "int8-f32", "int8-bf16")
SEEDS = (1, 2, 3)
STEPS = 200
WINDOW = 10  # steps of the running mean in the figure

GNUPLOT = """
set terminal svg size 760,420 dynamic background '#ffffff' font 'sans-serif,13'
set output '{figure}'
set datafile separator ','
set xlabel 'step'
set ylabel 'loss, mean of {window} steps'
set logscale y
set grid ytics lc rgb '#dddddd'
set border 3
set tics nomirror
set key top right
plot {curves}
"""
COLOURS = {"f32": "#9a9a9a", "bf16": "#1f6fb4", "int8-f32": "#c2571a", "int8-bf16": "#3d8f4f"}


def losses(args, mode, seed):
    run = args.work / f"{mode}-{seed}"
    if not (run / "results.json").exists():
        subprocess.run(
            [args.ilora, "train", "examples/mini-suite.yaml"]
            + [f"--set={setting}" for setting in (
                f"data.folder={args.work}/tasks", f"model.path={args.model}", f"output={run}", f"seed={seed}",
                f"engine.mode={mode}", "method=mtl", "eval.matrix=diagonal", "eval.split=eval")],
            check=True)
    lines = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    found = [line["loss"] for line in lines if line["event"] == "step"][:STEPS]
    if len(found) < STEPS:
        raise SystemExit(f"{run}: expected {STEPS} steps, got {len(found)}")
    return found


def running_mean(values):
    return [statistics.fmean(values[max(0, i + 1 - WINDOW):i + 1]) for i in range(len(values))]


def distance(a, b):
    """Mean absolute difference of two curves, as the figure shows them, relative to their mean."""
    pairs = list(zip(running_mean(a), running_mean(b)))
    return statistics.fmean(abs(x - y) / ((x + y) / 2) for x, y in pairs)


def write_csv(path, curves):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["step"] + [f"{mode} seed {seed}" for mode, seed in curves])
        for step in range(STEPS):
            table.writerow([step + 1] + [f"{curve[step]:.6g}" for curve in curves.values()])


def read_csv(path):
    """The curves of a table that an earlier call wrote."""
    if not path.exists():
        return {}
    with path.open() as file:
        rows = list(csv.DictReader(file))
    found = {}
    for column in rows[0]:
        if column != "step":
            mode, _, seed = column.partition(" seed ")
            found[mode, int(seed)] = [float(row[column]) for row in rows]
    return found


def draw(path, curves):
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks, plots = [], []
    for mode, seed in curves:
        title = f"title '{mode}, three seeds'" if seed == SEEDS[0] else "notitle"
        width = 3 if mode == "f32" else 1.2
        plots.append(f"'-' using 1:2 with lines lw {width} lc rgb '{COLOURS[mode]}' {title}")
        mean = running_mean(curves[mode, seed])
        blocks += [f"{step + 1},{value:.6g}" for step, value in enumerate(mean)] + ["e"]
    program = GNUPLOT.format(figure=path, window=WINDOW, curves=", ".join(plots)) + "\n".join(blocks) + "\n"
    subprocess.run(["gnuplot"], input=program, text=True, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--ilora", default="build/release/bin/ilora")
    parser.add_argument("--work", type=Path, default=Path("build/precision"))
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--figure", type=Path, required=True)
    parser.add_argument("--modes", default=",".join(MODES), help="those to run")
    args = parser.parse_args()

    args.work.mkdir(parents=True, exist_ok=True)
    subprocess.run([args.ilora, "suite", "mini", "--out", args.work / "tasks"], check=True)
    run = args.modes.split(",")
    kept = read_csv(args.csv)
    curves = {(mode, seed): losses(args, mode, seed) if mode in run else kept[mode, seed] for mode in MODES for seed in SEEDS}
    write_csv(args.csv, curves)
    draw(args.figure, curves)

    noise = [distance(curves["f32", a], curves["f32", b]) for a in SEEDS for b in SEEDS if a < b]
    end = {mode: [statistics.fmean(curves[mode, seed][-20:]) for seed in SEEDS] for mode in MODES}
    for mode in MODES[1:]:
        apart = [distance(curves["f32", seed], curves[mode, seed]) for seed in SEEDS]
        print(f"{mode} to f32, same seed: {', '.join(f'{x:.4f}' for x in apart)}")
    print(f"f32 to f32, two seeds:  {', '.join(f'{x:.4f}' for x in noise)}")
    for mode in MODES:
        print(f"last 20 steps, {mode}: {', '.join(f'{x:.4f}' for x in end[mode])}")


if __name__ == "__main__":
    main()
