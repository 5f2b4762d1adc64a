"""Lets ilora and its peers take turns on the same work, and tells medians, ratios and peak memory.

Called by bench/compare.sh, which prepares the Python environment. A pair is checked before it is timed: the peer must
compute what ilora computes. Then both programs stay loaded, and each repetition of the one is followed by one of the
other, so that both meet the same machine. Peak memory is the largest resident size of each process (ru_maxrss), its
loading included.
"""

import argparse
import fnmatch
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import workloads

HERE = Path(__file__).resolve().parent
DTYPES = ("f32", "bf16", "autocast")
BEGIN, END = "<!-- compare.py: begin -->", "<!-- compare.py: end -->"


class Child:
    """A program that answers each line on standard input with the seconds of one repetition."""

    def __init__(self, command):
        self.command = command
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.seconds = []

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise EOFError("failed: " + " ".join(map(str, self.command)))
        return line.strip()

    def ready(self):
        while self.line() != "ready":
            pass

    def turn(self):
        print(file=self.process.stdin, flush=True)
        self.seconds.append(float(self.line()))

    def finish(self):
        self.process.stdin.close()
        facts = json.loads(self.process.stdout.read())
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return {"seconds": self.seconds, "median": statistics.median(self.seconds),
                "peak_mib": usage.ru_maxrss / 1024, "facts": facts}


class Comparison:
    def __init__(self, args):
        self.args = args
        self.work = args.work
        self.python = [sys.executable]
        self.adapter = {name: self.work / "adapters" / name for name in ("fast", "slow")}
        self.work.mkdir(parents=True, exist_ok=True)
        if not self.adapter["slow"].exists():
            workloads.make_adapters(args.model, self.work / "adapters")

    def write(self, name, content):
        path = self.work / name
        path.write_text(json.dumps(content))
        return path

    def peer(self, script, *options):
        return [*self.python, HERE / script, "--model", self.args.model, "--adapter", self.adapter["fast"], *options]

    def ours(self, what, *options):
        settings = [f"--set={setting}" for setting in self.args.set] if what == "step" else []
        return [self.args.ilora, "bench", what, "--model", self.args.model, "--adapter", self.adapter["fast"],
                "--json", *options, *settings]

    # --- What each pair runs: our command, the peer's without its precision, and what the peer must reproduce.

    def step(self, method, length, style):
        most = 6 if self.args.quick and length != "mixed" else 0
        rows = workloads.step_rows(length, method, most)
        few = rows
        if style == "published":
            few = workloads.step_rows(length, method, 2 if self.args.quick else workloads.PUBLISHED_ROWS)
        name = f"{method}-{length}-{style}"
        path, few_path = self.write(f"{name}.json", rows), self.write(f"{name}-peer.json", few)
        common = ["--method", method, "--set", "train.loss_reduction=token"]
        slow = ["--slow", self.adapter["slow"]] if method == "ilora" else []
        expect = self.work / f"{name}-expected"
        first = subprocess.run(list(map(str, self.ours("step", "--rows", few_path, *common, *slow, "--mode", "f32",
                                                       "--dump", expect))), check=True, stdout=subprocess.PIPE)
        (expect / "loss.json").write_bytes(first.stdout)
        peer = self.peer("step.py", "--rows", few_path, "--method", method, *slow, "--expect", expect,
                         "--pad", "1024" if style == "published" else "longest")
        if style == "best":
            peer += ["--micro-batch", self.micro_batch(length)]
        return {"ours": self.ours("step", "--rows", path, *common, *slow), "peer": peer,
                "ours_work": workloads.facts(rows), "peer_work": workloads.facts(few)}

    def answers(self, what, style):
        few = self.args.quick
        if what == "eval":
            texts = workloads.texts(6 if few else 16, 60, 300, ["A", "B", "C", "D"])
            options = ["--style", style]
        else:
            texts = workloads.texts(4 if few else 16, 96, 160, [])
            options = []
        path = self.write(f"{what}.json", texts)
        expect = self.work / f"{what}-expected.json"
        with open(expect, "w") as out:
            subprocess.run(list(map(str, self.ours(what, "--texts", path, "--mode", "f32", "--repeat", 1))),
                           check=True, stdout=out)
        facts = json.loads(expect.read_text())
        work = {"rows": facts["prompts"], "tokens": facts.get("new_tokens", facts["prompt_tokens"])}
        script = "likelihood.py" if what == "eval" else "generate.py"
        return {"ours": self.ours(what, "--texts", path), "ours_work": work, "peer_work": work,
                "peer": self.peer(script, "--texts", path, "--expect", expect, *options)}

    def pair(self, name):
        kind, *rest = name.split("/")
        return self.step(*rest) if kind == "step" else self.answers(kind, *rest)

    # --- The peer at its best: which precision and how many rows at a time, measured here.

    def seconds(self, command, turns=1, limit=90):
        """The fastest of `turns` repetitions; infinite where they take longer than `limit` seconds, loading included."""
        child = Child(command)
        timer = threading.Timer(limit, child.process.kill)
        timer.start()
        try:
            child.ready()
            for _ in range(turns):
                child.turn()
            child.finish()
        except EOFError:
            if timer.is_alive():
                raise
            return math.inf
        finally:
            timer.cancel()
        return min(child.seconds)

    def remembered(self, key, candidates, command):
        """The fastest of the candidates; measured once, then read from calibration.json."""
        path = self.work / "calibration.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        if key not in known:
            known[key] = {str(c): self.seconds(command(c)) for c in candidates}
            path.write_text(json.dumps(known, indent=1))
            print(f"{key}: {known[key]}", flush=True)
        return min(known[key], key=known[key].get)

    def dtype(self):
        if self.args.quick:
            return "f32"
        rows = self.write("dtype.json", workloads.step_rows("256", "seq", 2))
        return self.remembered("precision", DTYPES, lambda dtype: self.peer(
            "step.py", "--rows", rows, "--method", "seq", "--dtype", dtype))

    def micro_batch(self, length):
        if self.args.quick:
            return 0
        rows = self.write("micro_batch.json", workloads.step_rows(length, "seq"))
        count = len(workloads.lengths(length))
        sizes = sorted({count, (count + 1) // 2, (count + 3) // 4}, reverse=True)
        return self.remembered(f"rows at once, {length}", sizes, lambda size: self.peer(
            "step.py", "--rows", rows, "--method", "seq", "--dtype", self.dtype(), "--micro-batch", size))

    # --- Measuring.

    def measure(self, name):
        pair = self.pair(name)
        dtype = self.dtype()
        if dtype != "f32":  # the check runs in float32, and apart, so that it takes no part in the peak memory
            subprocess.run([str(c) for c in [*pair["peer"], "--only-check"]], check=True)
            at = pair["peer"].index("--expect")
            del pair["peer"][at:at + 2]
        children = []
        for command in ([*pair["ours"], "--paced"], [*pair["peer"], "--dtype", dtype]):
            children.append(Child(command))
            children[-1].ready()  # one after the other: ours measures the GEMM rate while it starts
        for _ in range(self.args.turns):
            for child in children:
                child.turn()
        ours, peer = (child.finish() for child in children)
        ours |= pair["ours_work"]
        peer |= pair["peer_work"]
        for key in ("likelihoods", "answers"):
            ours["facts"].pop(key, None)
        per_row = [side["median"] / side["rows"] for side in (ours, peer)]
        return {"ours": ours, "peer": peer, "speed_ratio": per_row[1] / per_row[0],
                "memory_ratio": ours["peak_mib"] / peer["peak_mib"]}


def pair_names(quick):
    if quick:
        return ["step/seq/80/best", "step/ilora/80/best", "step/ilora/80/published", "eval/cache", "eval/rows",
                "generate/best"]
    methods = ("seq", "er", "ilora")
    return [*(f"step/{m}/{length}/best" for m in methods for length in workloads.LENGTHS),
            *(f"step/{m}/{length}/published" for m in methods for length in ("80", "mixed")),
            "eval/rows", "eval/cache", "generate/best"]


def environment_of_cpu():
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
               platform.processor())
    flags = next((line.split() for line in open("/proc/cpuinfo") if line.startswith("flags")), [])
    return {"cpu": cpu, "avx512": "avx512f" in flags, "bf16": "avx512_bf16" in flags or "amx_bf16" in flags}


def environment(args):
    return {**environment_of_cpu(), "threads": int(os.environ["OMP_NUM_THREADS"]),
            "wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
            "model": args.model.name, "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "transformers", "peft")}}


def tokens_per_second(side, tokens_per_row):
    return side["rows"] / side["median"] * tokens_per_row


def table(results):
    e = results["environment"]
    lines = [f"CPU: {e['cpu']}, {e['threads']} threads; AVX-512: {'yes' if e['avx512'] else 'no'}, bf16 instructions: "
             f"{'yes' if e['bf16'] else '**no**'}. Model: {e['model']}. Peers: torch {e['torch']}, transformers "
             f"{e['transformers']}, PEFT {e['peft']}, Python {e['python']}.", "",
             "| pair | rows | tokens | ours s | peer s | ours tokens/s | peer tokens/s | speed | ours MiB | peer MiB | "
             "memory | precision, ours / peer |", "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for name, r in results["pairs"].items():
        ours, peer = r["ours"], r["peer"]
        mean = ours["tokens"] / ours["rows"]
        rows = f"{ours['rows']}" if ours["rows"] == peer["rows"] else f"{ours['rows']} / {peer['rows']}"
        lines.append(
            f"| {name} | {rows} | {ours['tokens']} | {ours['median']:.2f} | {peer['median']:.2f} | "
            f"{tokens_per_second(ours, mean):.0f} | {tokens_per_second(peer, mean):.0f} | {r['speed_ratio']:.2f} × | "
            f"{ours['peak_mib']:.0f} | {peer['peak_mib']:.0f} | {r['memory_ratio']:.2f} × | "
            f"{ours['facts']['mode']} / {peer['facts']['dtype']} |")
    return "\n".join(lines) + "\n"


def include(path, text):
    """Puts the table between the marks of docs/performance.md."""
    page = path.read_text()
    before, rest = page.split(BEGIN)
    path.write_text(before + BEGIN + "\n" + text + END + rest.split(END)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--ilora", type=Path, required=True, help="the program")
    parser.add_argument("--work", type=Path, required=True, help="folder of what is made and measured")
    parser.add_argument("--only", default="*", help="pairs to run, as a pattern: 'step/seq/*'")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], help="key=value of our steps, such as engine.max_tokens=512; "
                        "the results stay in the work folder")
    parser.add_argument("--quick", action="store_true", help="a rehearsal: little work, two turns")
    parser.add_argument("--list", action="store_true", help="name the pairs and stop")
    parser.add_argument("--calibrate", action="store_true", help="choose the peer's precision and batches, and stop")
    parser.add_argument("--docs", type=Path, help="page to put the table into; measured.json goes beside compare.py")
    args = parser.parse_args()
    os.environ |= {"TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}  # of the peers: only what matters is told
    os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    names = [n for n in pair_names(args.quick) if fnmatch.fnmatch(n, args.only)]
    if args.list:
        print("\n".join(names))
        return
    if args.quick:
        args.turns, args.work = 2, args.work / "quick"
    results_name = "results.json"
    if args.set:
        args.docs, results_name = None, "results-set.json"
    comparison = Comparison(args)
    if args.calibrate:
        comparison.dtype()
        for length in workloads.LENGTHS:
            comparison.micro_batch(length)
        return
    path = args.work / results_name
    results = json.loads(path.read_text()) if path.exists() and not args.set else {"pairs": {}}
    results["environment"] = environment(args)
    for name in names:
        results["pairs"][name] = comparison.measure(name)
        order = pair_names(args.quick)
        results["pairs"] = {n: results["pairs"][n] for n in order if n in results["pairs"]}
        path.write_text(json.dumps(results, indent=1) + "\n")
        path.with_suffix(".md").write_text(table(results))
        r = results["pairs"][name]
        print(f"{name}: ours {r['ours']['median']:.3f} s, peer {r['peer']['median']:.3f} s, speed "
              f"{r['speed_ratio']:.2f}, memory {r['memory_ratio']:.2f}", flush=True)
    print(table(results))
    if args.docs:
        include(args.docs, table(results))
        (HERE / "measured.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
