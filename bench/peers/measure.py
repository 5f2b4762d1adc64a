"""Measures what docs/performance.md states on the machine it is started on, and writes one table that names its CPU.

Called by bench/measure.sh. Programs that are compared stay loaded and take turns; medians are written. Each part is
measured by itself, takes one to ten minutes and keeps what it found in the work folder:

  modes      a training step in each mode: tokens per second, memory
  gradients  LoRA's gradient in each mode beside that in float32
  peer       steps of seq, er and ilora beside PyTorch and PEFT
  methods    a step of ilora and of er
  threads    whether one thread and all give the same bits
  busy       a step beside another program on one core, ours and the peer's
  answers    greedy answers and reading a prompt beside llama.cpp
  products   products of the widths of real models; a product of denormal numbers
  large      models of 1.1B and 7B parameters (random weights), their base as it is stored
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import workloads
from compare import HERE, Child, Comparison, environment_of_cpu

MODES = ("f32", "bf16", "bf16-expanded", "int8-f32", "int8-bf16")
METHODS = ("seq", "er", "ilora")
TASKS = ("ScienceQA", "AGNews", "FOMC", "NumGLUE-cm", "MeetingBank", "20Minuten", "Yahoo", "DBpedia")
BUSY = "while :; do :; done"


def cores():
    return sorted(os.sched_getaffinity(0))


def machine():
    """The CPU as a heading: its name, family and model, and what it has for matrix products."""
    fields = {}
    for line in open("/proc/cpuinfo"):
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16")
    has = [flag for flag in known if flag in fields.get("flags", "").split()]
    return (f"{environment_of_cpu()['cpu']} (family {fields.get('cpu family')}, model {fields.get('model')}; "
            f"{', '.join(has)}), {len(cores())} cores")


def run(command, **environment):
    done = subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, text=True,
                          env=os.environ | environment)
    return done.stdout


def in_turns(commands, turns):
    """What each program took in each turn, and its facts and peak memory."""
    children = []
    for command in commands:
        children.append(Child(command))
        children[-1].ready()
    for _ in range(turns):
        for child in children:
            child.turn()
    return [child.finish() for child in children]


def per_second(tokens, side):
    return tokens / side["median"]


class Measurement:
    def __init__(self, args):
        self.args = args
        self.comparison = None

    def peers(self):
        if self.comparison is None:
            self.comparison = Comparison(self.args)
        return self.comparison

    def step(self, mode, *options, method="seq", model=None):
        return [self.args.ilora, "bench", "step", "--model", model or self.args.model, "--mode", mode, "--method", method,
                "--json", *options]

    # --- Parts. Each returns what the table says: a list of (what, figure).

    def modes(self):
        tokens = 2048
        commands = [self.step(mode, "--tokens", tokens, "--paced") for mode in (*MODES, "auto")]
        sides = dict(zip((*MODES, "auto"), in_turns(commands, self.args.turns)))
        rates = {mode: per_second(tokens, side) for mode, side in sides.items()}
        rows = [(f"a step in `{mode}`, 8 rows of 256 tokens",
                 f"{rates[mode]:.0f} tokens/s, {sides[mode]['peak_mib']:.0f} MiB") for mode in MODES]
        plain = max(MODES[:3], key=rates.get)
        byte = max(MODES[3:], key=rates.get)
        auto = sides["auto"]["facts"]["mode"]
        rows.append(("`auto` beside the fastest of f32 and bf16",
                     f"takes `{auto}`: {rates['auto']:.0f} tokens/s, {rates['auto'] / rates[plain]:.2f} of `{plain}`"))
        rows.append(("`int8` beside the fastest other mode", f"`{byte}`: {rates[byte] / rates[plain]:.2f} × `{plain}`"))
        return rows

    def trained_adapter(self):
        """After two tasks of the suite that ships."""
        tasks, out = self.args.work / "mini", self.args.work / "trained"
        if not (out / "results.json").exists():
            run([self.args.ilora, "suite", "mini", "--out", tasks])
            settings = {"method": "seq", "model.path": self.args.model.resolve(), "output": out, "data.folder": tasks,
                        "data.tasks": "reviews,topics", "engine.mode": "f32", "train.learning_rate": "2e-3"}
            run([self.args.ilora, "train", *(f"--set={key}={value}" for key, value in settings.items())])
        return out / "checkpoints" / "task-02" / "adapter"

    def tokens_of(self, text):
        out = subprocess.run([str(self.args.ilora), "tokenize", "--model", str(self.args.model), "--json", "-"], check=True,
                             input=text.encode(), stdout=subprocess.PIPE)
        return [token["id"] if isinstance(token, dict) else token for token in json.loads(out.stdout)["ids"]]

    def real_rows(self):
        """Two rows of each task, of at most 256 tokens with 64 of the answer."""
        folder, tasks = (self.args.data, TASKS) if self.args.data else (self.args.work / "mini", ("anfragen", "languages"))
        rows = []
        for task in tasks:
            for row in json.loads((folder / task / "train.json").read_text(encoding="utf-8"))[: 16 // len(tasks)]:
                answer = row["answer"] if isinstance(row["answer"], str) else row["answer"][0]
                answer = self.tokens_of(" " + answer)[:64]
                prompt = self.tokens_of(row["prompt"])[-(256 - len(answer)):]
                rows.append({"tokens": prompt + answer, "prompt_length": len(prompt)})
        return {"current": rows, "replayed": []}

    def gradients(self):
        adapter = self.trained_adapter()
        rows = self.args.work / "rows.json"
        rows.write_text(json.dumps(self.real_rows()))
        folders = {mode: self.args.work / f"gradient-{mode}" for mode in MODES}
        for mode, folder in folders.items():
            run(self.step(mode, "--rows", rows, "--adapter", adapter, "--dump", folder))
        read = {mode: load_file(folder / "adapter_model.safetensors") for mode, folder in folders.items()}
        result = []
        for mode in MODES[1:]:
            whole, worst, name = cosines(read["f32"], read[mode])
            result.append((f"gradient in `{mode}` beside f32, 16 rows" + (" of eight tasks" if self.args.data else ""),
                           f"cosine {whole:.4f} whole, {worst:.4f} in the worst tensor ({name})"))
        return result

    def peer(self):
        rows = []
        peers = self.peers()
        dtype = peers.dtype()
        for method in METHODS:
            pair = peers.pair(f"step/{method}/256/best")
            subprocess.run([str(c) for c in [*pair["peer"], "--only-check"]], check=True)
            at = pair["peer"].index("--expect")
            del pair["peer"][at:at + 2]
            commands = [*([*pair["ours"], "--mode", mode, "--paced"] for mode in ("auto", "int8")),
                        [*pair["peer"], "--dtype", dtype]]
            *ours, peer = in_turns(commands, self.args.turns)
            tokens = pair["ours_work"]["tokens"]
            for mode, side in zip(("auto", "int8"), ours):
                rows.append((f"a step of `{method}` in `{mode}` beside PyTorch + PEFT ({dtype})",
                             f"{per_second(tokens, side):.0f} and {per_second(tokens, peer):.0f} tokens/s, "
                             f"{peer['median'] / side['median']:.2f} ×; {side['peak_mib']:.0f} and {peer['peak_mib']:.0f} MiB, "
                             f"{side['peak_mib'] / peer['peak_mib']:.2f} ×"))
        return rows

    def methods(self):
        tokens = 2048
        er, ilora = in_turns([self.step("auto", "--tokens", tokens, "--paced", method=m) for m in ("er", "ilora")],
                             self.args.turns)
        return [("a step of `ilora` beside one of `er`",
                 f"{ilora['median']:.2f} and {er['median']:.2f} s, {ilora['median'] / er['median']:.2f} ×")]

    def threads(self):
        result = []
        adapter = self.peers().adapter["fast"]
        rows = self.args.work / "thread-rows.json"
        rows.write_text(json.dumps(workloads.step_rows("256", "seq", 3)))
        for mode in MODES:
            bytes_of = []
            for threads in sorted({1, len(cores())}):
                folder = self.args.work / f"threads-{mode}-{threads}"
                run(self.step(mode, "--rows", rows, "--adapter", adapter, "--dump", folder), OMP_NUM_THREADS=str(threads))
                bytes_of.append((folder / "adapter_model.safetensors").read_bytes())
            result.append((mode, len(set(bytes_of)) == 1))
        same = [f"`{mode}`" for mode, equal in result if equal]
        other = [f"`{mode}`" for mode, equal in result if not equal]
        return [(f"gradients by one thread and by {len(cores())}",
                 f"the same bits in {', '.join(same) or 'no mode'}" + (f"; not in {', '.join(other)}" if other else ""))]

    def busy(self):
        peers = self.peers()
        pair = peers.pair("step/seq/256/best")
        at = pair["peer"].index("--expect")
        del pair["peer"][at:at + 2]
        children = [Child([*pair["ours"], "--paced"]), Child([*pair["peer"], "--dtype", peers.dtype()])]
        for child in children:
            child.ready()
        seconds = {True: [[], []], False: [[], []]}
        for turn in range(2 * self.args.turns):
            loop = None
            if turn % 2:
                loop = subprocess.Popen(["taskset", "-c", str(cores()[0]), "sh", "-c", BUSY])
            for i, child in enumerate(children):
                child.turn()
                seconds[loop is not None][i].append(child.seconds[-1])
            if loop:
                loop.kill()
                loop.wait()
        for child in children:
            child.finish()
        shares = [statistics.median(seconds[False][i]) / statistics.median(seconds[True][i]) for i in (0, 1)]
        return [("a step of `seq` beside a busy loop on one core, of the free rate",
                 f"{shares[0]:.2f}; PyTorch + PEFT {shares[1]:.2f}")]

    def answers(self):
        out = run([os.environ["ILORA_LLAMA_PYTHON"], HERE / "llama_compare.py", "--model", self.args.model, "--ilora", self.args.ilora,
                   "--work", self.args.work / "llama", "--turns", self.args.turns])
        rows = []
        for line in out.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) > 3 and cells[3].endswith("×"):
                rows.append((f"{cells[0]}, beside llama.cpp", f"{cells[1]} and {cells[2]} tokens/s, {cells[3]}"))
        return rows

    def products(self):
        binary = Path(self.args.ilora).parent / "bench_kernels"
        out = json.loads(run([binary, "--benchmark_filter=^(width|denormal)/", "--benchmark_format=json", "--benchmark_min_time=0.1",
                              f"--benchmark_repetitions={self.args.turns}", "--benchmark_report_aggregates_only=true"]))
        rate = {b["run_name"]: b["GFLOP/s"] for b in out["benchmarks"] if b["aggregate_name"] == "median"}
        widths = sorted({int(name.split("/")[1]) for name in rate if name.startswith("width/")})
        rows = []
        for dtype in ("F32", "BF16"):
            for direction, words in (("y=xW^T", "forward"), ("dx=dyW", "gradient of the input")):
                name = {w: next((n for n in rate if n.startswith(f"width/{w}/{direction}/{dtype}")), None) for w in widths}
                found = {w: rate[n] for w, n in name.items() if n}
                best = max(found.values())
                rows.append((f"products of 512 rows in {dtype.lower()}, {words}, widths {widths[0]} to {widths[-1]:,}",
                             f"{min(found.values()):.0f} to {best:.0f} GFLOP/s; the slowest, width "
                             f"{min(found, key=found.get):,}, is {min(found.values()) / best:.2f} of the fastest"))
        flushed = next(r for n, r in rate.items() if n.startswith("denormal/flushed"))
        plain = next(r for n, r in rate.items() if n.startswith("denormal/as_they"))
        usual = rate[next(n for n in rate if n.startswith("width/576/dx=dyW/F32"))]
        rows.append(("a product of denormal numbers, read as zero as every step does",
                     f"{flushed:.0f} GFLOP/s, usual numbers {usual:.0f}; not flushed {plain:.1f}"))
        return rows

    def large(self):
        rows = []
        for shape, tokens in (("tinyllama-1.1b", 1024), ("llama-2-7b", 512)):
            path = self.args.work / f"{shape}.gguf"
            if not path.exists():
                run([sys.executable, HERE / "synthetic_model.py", shape, path])
            for method in ("seq", "ilora"):
                facts = json.loads(run(self.step("auto", "--tokens", tokens, "--repeat", 1,
                                                 "--set", "model.weights=stored", method=method, model=path)))
                rows.append((f"a step of `{method}` on the shape of {shape} (Q4_0, stored weights), {tokens} tokens",
                             f"{facts['tokens_per_second']:.1f} tokens/s in `{facts['mode']}`, {facts['utilization']:.2f} of "
                             f"the measured product rate, {facts['peak_rss_mib'] / 1024:.1f} GiB"))
            path.unlink()
        return rows


def cosines(reference, other):
    """Of all values as one vector; of the worst tensor, and its name. Tensors of zeros say nothing."""
    dot = square = other_square = 0.0
    worst, worst_name = 2.0, ""
    for name, values in reference.items():
        a, b = values.astype(np.float64).ravel(), other[name].astype(np.float64).ravel()
        if not a.any():
            continue
        dot, square, other_square = dot + a @ b, square + a @ a, other_square + b @ b
        one = a @ b / np.sqrt((a @ a) * (b @ b))
        if one < worst:
            worst, worst_name = one, name
    short = re.sub(r".*layers\.(\d+)\..*?(\w+)_proj\.lora_([AB]).*", r"layer \1, \2, \3", worst_name)
    return dot / np.sqrt(square * other_square), worst, short


PARTS = ("modes", "gradients", "peer", "methods", "threads", "busy", "answers", "products", "large")


def table(results):
    lines = ["| what | measured |", "|---|---|"]
    for part in PARTS:
        lines += [f"| {what} | {figure} |" for what, figure in results.get(part, [])]
    return "\n".join(lines) + "\n"


def include(page, name, text):
    """Replaces this processor's table between its marks; a new one goes before the last mark."""
    begin, end, last = f"<!-- measure: {name} -->", "<!-- measure: end -->", "<!-- measure: further processors -->"
    content = page.read_text(encoding="utf-8")
    block = f"{begin}\n\n**{name}**\n\n{text}\n{end}"
    if begin in content:
        before, rest = content.split(begin, 1)
        content = before + block + rest.split(end, 1)[1]
    else:
        content = content.replace(last, f"{block}\n\n{last}", 1)
    page.write_text(content, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--ilora", type=Path, required=True, help="the program")
    parser.add_argument("--work", type=Path, required=True, help="folder of what is made and measured")
    parser.add_argument("--data", type=Path, help="task folders (docs/tasks.md), for rows of eight tasks")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure, comma-separated")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--docs", type=Path, help="page to put the table into")
    args = parser.parse_args()
    args.set, args.quick = [], False  # of Comparison
    parts = args.only.split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]}; known: {', '.join(PARTS)}")
    os.environ |= {"TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}
    os.environ.setdefault("OMP_NUM_THREADS", str(len(cores())))
    args.work.mkdir(parents=True, exist_ok=True)
    name = machine()
    path = args.work / "measure.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    results = known.setdefault(name, {})
    print(name, flush=True)
    measurement = Measurement(args)
    for part in parts:
        results[part] = getattr(measurement, part)()
        path.write_text(json.dumps(known, indent=1) + "\n")
        for what, figure in results[part]:
            print(f"{what}: {figure}", flush=True)
    if args.docs:
        include(args.docs, name, table(results))


if __name__ == "__main__":
    main()
