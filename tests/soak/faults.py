#!/usr/bin/env python3
"""Lets calls of a run fail, and its memory run out: each must be said, and nothing of the run lost.

  tests/soak/faults.py PROGRAM                  every kind; --only NAMES of these: eio, enospc, edquot, eintr, short, memory, folders
  tests/soak/faults.py PROGRAM --every 10       each tenth call of a kind alone

EIO, ENOSPC, EDQUOT or EINTR are the answers to the n-th write, sync, rename, open and so on of a run, or a write does half
of its work (calls.c). Memory is `ulimit -v`, in steps from what the program needs to start up to what a run needs. Folders:
read-only, removed while the run writes, a file in the way. After each failure the run goes on and ends as an undisturbed one.
A failure is said where the program ends with a code other than 0, a line `error: …` that names the file or says what is
short, and no message of another library.
"""
import argparse
import errno
import itertools
import os
import pathlib
import resource
import shutil
import subprocess
import sys

from calls import CHANGES, OTHERS, Calls
from common import differences, must, run, scratch_folder, settings_of, train_command

FULL = tuple(kind for kind in CHANGES if kind not in ("unlink", "truncate"))
# What happens, to which kinds of calls.
DO = {"eio": errno.EIO, "enospc": errno.ENOSPC, "edquot": errno.EDQUOT, "eintr": errno.EINTR, "short": "short"}
KINDS = {
    "eio": CHANGES + OTHERS,
    "enospc": FULL,
    "edquot": FULL,
    "eintr": ("write", "read", "sync", "open", "create", "lock", "close"),
    "short": ("write",),
}
FOREIGN = ("json.exception", "vector::", "basic_string", "std::", "bug in ilora", "filesystem error", "dnnl")


class Tally:
    def __init__(self):
        self.tried = self.failed = self.bad = 0

    def wrong(self, what):
        self.bad += 1
        print(f"BAD {what}", flush=True)

    def check(self, ended, where, hint=True):
        """Whether the command failed; how it said so."""
        self.tried += 1
        if ended.returncode == 0:
            return False
        self.failed += 1
        errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
        if ended.returncode < 0 or ended.returncode > 4:
            self.wrong(f"{where}: ended by {ended.returncode}: {ended.stderr[-300:]}")
        elif not errors or any(word in ended.stderr for word in FOREIGN):
            self.wrong(f"{where}: says {ended.stderr[-300:]!r}")
        return True


def goes_on(program, folder, settings, whole, tally, where):
    words = [program, "train", "--resume", folder]
    if not (folder / "config.yaml").exists():
        shutil.rmtree(folder, ignore_errors=True)
        words = train_command(program, folder, settings)
    ended = run(words)
    if ended.returncode != 0:
        return tally.wrong(f"{where}: does not go on: {ended.stderr[-300:]}")
    if found := differences(whole, folder):
        tally.wrong(f"{where}: goes on to other bits: {', '.join(found)}")


def failing_calls(program, scratch, settings, whole, fault, every, tally):
    """The calls one by one, each in a run of its own that is then resumed; quiet ones among them are those that nobody
    minds, such as the removal of what is not there."""
    calls, folder, quiet = Calls(scratch), scratch / "cut", 0
    before = tally.failed
    for number in itertools.count(1, every):
        remove(folder)
        ended = run(train_command(program, folder, settings), env=calls.environment(KINDS[fault], number, DO[fault]))
        kind = calls.hit()
        if kind is None:
            break
        where = f"{fault} at call {number}, a {kind}"
        if tally.check(ended, where):
            goes_on(program, folder, settings, whole, tally, where)
        elif found := differences(whole, folder):
            tally.wrong(f"{where}: was not said and changed {', '.join(found)}")
        else:
            quiet += 1
    print(f"{fault}: {number - 1} calls; {tally.failed - before} failed, {quiet} made no difference; {tally.bad} bad so far", flush=True)


def short_memory(program, scratch, settings, whole, tally):
    folder = scratch / "cut"
    for megabytes in itertools.count(20, 4):
        shutil.rmtree(folder, ignore_errors=True)
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        ended = run(train_command(program, folder, settings), preexec_fn=limit)
        if ended.returncode == 127 or "loading shared libraries" in ended.stderr:
            continue
        if not tally.check(ended, f"{megabytes} MiB"):
            break
        if ended.returncode != 4:
            tally.wrong(f"{megabytes} MiB: exit code {ended.returncode}: {ended.stderr[-200:]}")
        goes_on(program, folder, settings, whole, tally, f"{megabytes} MiB")
    print(f"memory: up to {megabytes} MiB; {tally.failed} of {tally.tried} failed, {tally.bad} bad", flush=True)


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def bad_folders(program, scratch, settings, whole, tally):
    folder = scratch / "cut"
    cases = {
        "a file in the way": lambda: folder.write_text("x"),
        "a file above": lambda: None,
        "a file for checkpoints": lambda: (folder.mkdir(), (folder / "checkpoints").write_text("x")),
    }
    for name, prepare in cases.items():
        remove(folder)
        prepare()
        target = whole / "results.json" / "run" if name == "a file above" else folder
        ended = run(train_command(program, target, settings))
        if not tally.check(ended, name):
            tally.wrong(f"{name}: was not said")
    remove(folder)
    # Removed while it is trained.
    process = subprocess.Popen([str(w) for w in train_command(program, folder, {**settings, "train.epochs": 30})], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (folder / "checkpoints/last/state.safetensors").exists():
        pass
    os.rename(folder, scratch / "moved")
    error = process.communicate(timeout=120)[1]
    if not tally.check(subprocess.CompletedProcess([], process.returncode, "", error), "a folder that goes away"):
        tally.wrong("a folder that goes away was not said")
    shutil.move(scratch / "moved", folder)
    ended = run([program, "train", "--resume", folder])
    if ended.returncode != 0:
        tally.wrong(f"a folder that came back does not go on: {ended.stderr[-300:]}")
    print(f"folders: {tally.failed} of {tally.tried} failed, {tally.bad} bad", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--only", default=",".join([*DO, "memory", "folders"]))
    parser.add_argument("--every", type=int, default=1)
    a = parser.parse_args()
    program, only, tally = pathlib.Path(a.program).resolve(), a.only.split(","), Tally()
    settings = settings_of("ilora", **{"checkpoint.every": 2})
    with scratch_folder() as scratch:
        whole = scratch / "whole"
        must(train_command(program, whole, settings))
        for fault in (f for f in DO if f in only):
            failing_calls(program, scratch, settings, whole, fault, a.every, tally)
        if "memory" in only:
            short_memory(program, scratch, settings, whole, tally)
        if "folders" in only:
            bad_folders(program, scratch, settings, whole, tally)
    print(f"{tally.tried} runs, {tally.failed} of them failed, {tally.bad} badly")
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())
