"""What the soak tests share: tiny runs, how a command ended, whether two runs are the same."""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True
from compare_builds import TINY, content_of, steps  # noqa: E402

TASKS = ROOT / "tests/data/tiny-tasks"
# Memories too small for all rows, so that chance decides what they hold.
METHODS = {
    "ilora": {"ilora.memory_size": 10},
    "gem": {"gem.memory_size": 10, "gem.draw": 4},
    "ewc": {"ewc.rows": 10},
    "pp": {},
    "lwf": {},
    "er": {"er.memory_size": 10},
    "l2p": {},
    "surprise": {"method": "er", "er.memory_size": 10, "er.policy": "surprise"},
}


@contextlib.contextmanager
def scratch_folder():
    """A folder that goes away; in memory where the machine has such, for what is killed needs no disk."""
    memory = pathlib.Path("/dev/shm")
    place = None if "TMPDIR" in os.environ or not memory.is_dir() else memory
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        yield pathlib.Path(scratch)


def settings_of(name, **more):
    method = {"method": name, **METHODS[name]}
    return {**TINY, "train.epochs": 1, "data.tasks": "[alpha, beta]", "checkpoint.every": 1, **method, **more}


def train_command(program, folder, settings):
    words = [program, "train"]
    for key, value in {**settings, "output": folder}.items():
        words += ["--set", f"{key}={value}"]
    return words


def run(words, **more):
    """How a command ended, with what it said."""
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, errors="replace", timeout=600, **more)


def must(words):
    ended = run(words)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\nended with {ended.returncode}:\n{ended.stderr[-2000:]}")
    return ended


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


def differences(whole, other):
    """What two runs that should be the same differ in: adapters, scores, every step's figures."""
    found = []
    files = sorted(p.relative_to(whole) for p in whole.rglob("adapter_model.safetensors"))
    if files != sorted(p.relative_to(other) for p in other.rglob("adapter_model.safetensors")):
        return ["other adapters"]
    found += [str(name) for name in files if content_of(whole / name) != content_of(other / name)]
    if (whole / "rows.jsonl").read_bytes() != (other / "rows.jsonl").read_bytes():
        found.append("rows.jsonl")
    a, b = results_of(whole), results_of(other)
    found += [key for key in ("status", "tasks", "scores", "scores_by", "metrics") if a.get(key) != b.get(key)]
    drop = ("hash",)
    log = lambda folder: [{k: v for k, v in step.items() if k not in drop} for step in steps(folder)]
    if log(whole) != log(other):
        found.append("metrics.jsonl")
    return found
