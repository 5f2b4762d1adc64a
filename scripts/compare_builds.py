#!/usr/bin/env python3
"""Runs two builds on the same configurations and compares what they leave, byte by byte.

  scripts/compare_builds.py OLD NEW                   the tests' tiny model: every method and many options
  scripts/compare_builds.py OLD NEW --model MODEL     also the quickstart's two runs, in f32 and in bf16
  scripts/compare_builds.py OLD NEW --only ilora      cases whose name holds a text
  scripts/compare_builds.py OLD NEW --set train.epochs=1    options for every case, such as shorter runs

OLD and NEW are two `ilora` programs. Compared are adapters, scores of rows, score matrices and, step by step, losses and
norms; times are not. A case that is killed and resumed runs in the new build alone and must equal the old build's
undisturbed run. Keys that only one build writes are listed and are no difference. Exits with 1 where bits differ.
"""
import argparse
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TINY = {
    "model.path": ROOT / "tests/data/tiny-model",
    "data.folder": ROOT / "tests/data/tiny-tasks",
    "engine.threads": 1,
    "engine.mode": "f32",
    "lora.rank": 4,
    "lora.alpha": 8,
    "lora.targets": "[q_proj, v_proj, gate_proj, down_proj]",
    "train.epochs": 4,
    "train.batch_size": 4,
    "train.learning_rate": 0.02,
}
# Beside every method as it is: what changes the path of a batch.
VARIANTS = {
    "ilora-reference": {"method": "ilora", "ilora.preset": "reference"},
    "ilora-all-layers": {"method": "ilora", "ilora.layers": "[0, 1, 2]", "ilora.positions": "all"},
    "ilora-one-sided": {"method": "ilora", "ilora.one_sided": "true", "ilora.normalise": "false"},
    "ilora-small-passes": {"method": "ilora", "engine.max_tokens": 32, "engine.label_chunk": 4},
    "ilora-recompute": {"method": "ilora", "engine.recompute": "layer"},
    "ilora-dropout": {"method": "ilora", "lora.dropout": 0.1},
    "ilora-two-threads": {"method": "ilora", "engine.threads": 2},
    "ilora-bf16": {"method": "ilora", "engine.mode": "bf16"},
    "ilora-reference-kernels": {"method": "ilora", "engine.kernels": "reference"},
    "ilora-checked-kernels": {"method": "ilora", "engine.kernels": "check"},
    "seq-stored-bf16": {"method": "seq", "engine.mode": "bf16", "model.weights": "stored"},
    "seq-token-loss": {"method": "seq", "train.loss_reduction": "token", "train.train_on_prompt": "true"},
    "seq-norms": {"method": "ilora", "log.gradient_norms_every": 2},
    "er-surprise": {"method": "er", "er.policy": "surprise"},
    "er-stratified": {"method": "er", "er.policy": "stratified"},
    "er-ring": {"method": "er", "er.policy": "ring"},
    "ewc-token-loss": {"method": "ewc", "train.loss_reduction": "token"},
}
TIMES = {"tokens_per_second", "seconds", "time", "hash"}


def methods(program):
    listed = json.loads(subprocess.run([program, "methods", "--json"], check=True, capture_output=True, text=True).stdout)
    listed = listed["methods"] if isinstance(listed, dict) else listed
    return [entry["name"] for entry in listed]


def cases(old, model):
    """Name: (settings, configuration or none, whether it is killed and resumed)."""
    found = {name: ({**TINY, "method": name}, None, False) for name in methods(old)}
    found.update({name: ({**TINY, **settings}, None, False) for name, settings in VARIANTS.items()})
    for name in ("seq", "ilora", "ewc"):
        found[f"{name}-resumed"] = ({**TINY, "method": name, "train.epochs": 30, "checkpoint.every": 3}, None, True)
    if model:
        for name in ("seq", "ilora"):
            for mode in ("f32", "bf16"):
                settings = {"model.path": model, "engine.mode": mode}
                found[f"quickstart-{name}-{mode}"] = (settings, ROOT / f"examples/quickstart-{name}.yaml", False)
    return found


def train(program, folder, settings, configuration, killed):
    command = [program, "train"] + ([str(configuration)] if configuration else [])
    for key, value in {**settings, "output": folder}.items():
        command += ["--set", f"{key}={value}"]
    log = folder.with_suffix(".log")
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
        if killed:
            while process.poll() is None and not (folder / "checkpoints/last/state.safetensors").exists():
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
            process = subprocess.Popen([program, "train", "--resume", str(folder)], stdout=out, stderr=out)
        if process.wait() != 0:
            sys.exit(f"{' '.join(map(str, command))} failed:\n{log.read_text()[-2000:]}")


def analyse(program, folder):
    """A path between the last two checkpoints; what it computed."""
    command = [program, "analyze", "path", str(folder), "--points", "3", "--from", "0", "--to", "1", "--json"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def steps(folder):
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event.get("event") == "step":  # a damaged line may have lost its key
            yield {key: value for key, value in event.items() if key not in TIMES}


def keys_of(value, path=""):
    if not isinstance(value, dict):
        return {path}
    return {path}.union(*(keys_of(v, f"{path}.{k}" if path else k) for k, v in value.items()))


def content_of(path):
    """A file's bytes, without hashes that only one program may write: of an adapter its tensors, of lines their other keys."""
    data = path.read_bytes()
    if path.suffix == ".jsonl":
        return [{key: value for key, value in json.loads(line).items() if key != "hash"} for line in data.splitlines()]
    if path.suffix != ".safetensors":
        return data
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    return header, data[8 + size :]


def differences(old, new):
    """What differs between two run folders, and which keys only one has."""
    found, keys = [], set()
    files = sorted(p.relative_to(old) for p in old.rglob("adapter_model.safetensors"))
    if files != sorted(p.relative_to(new) for p in new.rglob("adapter_model.safetensors")):
        found.append("other adapters")
    for name in files + [pathlib.Path("rows.jsonl")]:
        a, b = old / name, new / name
        if a.exists() and (not b.exists() or content_of(a) != content_of(b)):
            found.append(str(name))
    a, b = (json.loads((f / "results.json").read_text()) for f in (old, new))
    found += [f"results.json: {key}" for key in ("scores", "scores_by", "metrics", "probes") if a.get(key) != b.get(key)]
    keys |= keys_of(a) ^ keys_of(b)
    for number, (x, y) in enumerate(zip(steps(old), steps(new)), 1):
        keys |= keys_of(x) ^ keys_of(y)
        if any(x[key] != y[key] for key in x.keys() & y.keys()):
            found.append(f"metrics.jsonl: step {number}")
            break
    return found, keys


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--model", help="SmolLM2's GGUF file, as scripts/model.sh prints it")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for every case, repeatable")
    parser.add_argument("--keep", help="a folder for the old build's runs, used again where they are there")
    a = parser.parse_args()
    failed, all_keys, done = 0, set(), 0
    with tempfile.TemporaryDirectory() as scratch:
        kept = pathlib.Path(a.keep or scratch).resolve()
        suite = kept / "suite"
        if a.model and not suite.exists():
            subprocess.run([a.old, "suite", "mini", "--out", suite], check=True, capture_output=True)
        for name, (settings, configuration, killed) in cases(a.old, a.model).items():
            if a.only not in name:
                continue
            if configuration:
                settings["data.folder"] = suite
            settings.update(assignment.split("=", 1) for assignment in a.set)
            old, new = kept / f"old-{name}", pathlib.Path(scratch) / f"new-{name}"
            kept.mkdir(parents=True, exist_ok=True)
            if not (old / "results.json").exists() or '"finished"' not in (old / "results.json").read_text():
                shutil.rmtree(old, ignore_errors=True)
                train(a.old, old, settings, configuration, False)
            train(a.new, new, settings, configuration, killed)
            found, keys = differences(old, new)
            if name in ("seq", "ilora") and analyse(a.old, old) != analyse(a.new, new).replace(str(new), str(old)):
                found.append("analyze path")
            print(f"{name}: {'the same' if not found else 'DIFFERENT: ' + ', '.join(found)}", flush=True)
            failed, all_keys, done = failed + bool(found), all_keys | keys, done + 1
    if all_keys:
        print(f"keys that one build alone writes: {', '.join(sorted(all_keys))}")
    print(f"{done - failed} passed, {failed} failed")
    return 1 if failed or not done else 0


if __name__ == "__main__":
    sys.exit(main())
