#!/usr/bin/env python3
"""Lets calls of a run fail, and its memory run out: each must be said, and nothing of the run lost.

  tests/soak/faults.py PROGRAM                  every kind; --only NAMES of these: eio, enospc, edquot, eintr, short, memory, folders, writers
  tests/soak/faults.py PROGRAM --every 10       each tenth call of a kind alone

EIO, ENOSPC, EDQUOT or EINTR are the answers to the n-th write, sync, rename, open and so on of a run, or a write does half
of its work (calls.c). Memory is `ulimit -v`, in steps from what the program needs to start up to what a run needs. Folders:
read-only, removed while the run writes, a file in the way. Writers: three commands in one folder at once. After each failure the run goes on and ends as an undisturbed one.
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
import threading

from calls import CHANGES, OTHERS, Calls
from common import TASKS, differences, must, run, scratch_folder, settings_of, train_command
from kills import next_command

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


def goes_on(program, folder, settings, whole, tally, where, teach=False):
    if not (folder / "config.yaml").exists():
        shutil.rmtree(folder, ignore_errors=True)
    while words := next_command(program, folder, settings, teach):
        ended = run(words)
        if ended.returncode != 0:
            return tally.wrong(f"{where}: does not go on: {ended.stderr[-300:]}")
    if found := differences(whole, folder):
        tally.wrong(f"{where}: goes on to other bits: {', '.join(found)}")


def beginnings(program, scratch, settings, whole):
    """Name, the run before a command (none: there is none), the command's end, whether it is taught more."""
    stopped, both, calls = scratch / "stopped", scratch / "both", Calls(scratch)
    run(train_command(program, stopped, settings), env=calls.environment(CHANGES, 150, "half"))
    with open(stopped / "metrics.jsonl", "a") as log:
        log.write('{"event": "step", "st')  # a torn line behind the checkpoint
    shutil.copytree(whole, both)
    must(next_command(program, both, settings))
    return (("train", None, whole, False), ("resume", stopped, whole, False), ("continue", whole, both, True))


def failing_calls(program, scratch, settings, begun, fault, every, tally):
    """The calls one by one, each in a run of its own that then goes on; quiet ones among them are those that nobody minds,
    such as the removal of what is not there."""
    name, before, whole, teach = begun
    calls, folder, quiet, failed, tried = Calls(scratch), scratch / "cut", 0, tally.failed, tally.tried
    for number in itertools.count(1, every):
        remove(folder)
        if before is not None:
            shutil.copytree(before, folder)
        words = next_command(program, folder, settings, teach)
        ended = run(words, env=calls.environment(KINDS[fault], number, DO[fault]))
        kind = calls.hit()
        if kind is None:
            break
        where = f"{fault} at call {number} of {name}, a {kind}"
        if not tally.check(ended, where):
            quiet += 1
        goes_on(program, folder, settings, whole, tally, where, teach)
    print(f"{fault}, {name}: {tally.tried - tried} of {number - 1} calls; {tally.failed - failed} failed, {quiet} made no difference; {tally.bad} bad so far", flush=True)


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


def two_writers(program, scratch, settings, whole, tally, times=20):
    """Two commands in one folder at once: one works, the other says who does, or comes after it."""
    folder = scratch / "cut"
    for turn in range(times):
        remove(folder)
        endings = []
        threads = [threading.Thread(target=lambda: endings.append(run(train_command(program, folder, settings)))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tally.tried += 1
        codes = sorted(ended.returncode for ended in endings)
        # 2: it came when the run was there, 3: while it was being made.
        if codes[0] != 0 or any(code not in (2, 3) for code in codes[1:]):
            tally.wrong(f"three writers: exit codes {codes}: {[e.stderr[-200:] for e in endings]}")
        elif found := differences(whole, folder):
            tally.wrong(f"three writers: other bits: {', '.join(found)}")
    print(f"writers: {times} times three at once, {tally.bad} bad so far", flush=True)


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
    read_only(program, scratch, settings, whole, tally)
    for turn in range(10):
        goes_away(program, scratch, settings, tally)
    print(f"folders: {tally.failed} of {tally.tried} failed, {tally.bad} bad so far", flush=True)


def goes_away(program, scratch, settings, tally):
    """A folder that is renamed while a run writes into it, and comes back."""
    folder = scratch / "cut"
    remove(folder)
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


NOBODY = 65534


def as_nobody(scratch, folder):
    """For root, whom no mode stops: the run becomes nobody's, and so does who works on it."""
    if os.getuid() != 0:
        return None
    scratch.chmod(0o755)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    return lambda: os.setuid(NOBODY)


def read_only(program, scratch, settings, whole, tally):
    """Every folder of a run read-only, each alone."""
    folder, both = scratch / "cut", scratch / "after-read-only"
    shutil.copytree(whole, both)
    must(next_command(program, both, settings))
    for place in (".", "checkpoints", "checkpoints/last", "checkpoints/task-01"):
        remove(folder)
        shutil.copytree(whole, folder)
        (folder / place).chmod(0o555)
        words = [program, "train", "--continue", folder, "--task", TASKS / "gamma"]
        ended = run(words, preexec_fn=as_nobody(scratch, folder))
        # Nothing is written any more to what an earlier task left.
        if not tally.check(ended, f"read-only {place}") and place != "checkpoints/task-01":
            tally.wrong(f"read-only {place}: was not said")
        (folder / place).chmod(0o755)
        goes_on(program, folder, settings, both, tally, f"read-only {place}", True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--only", default=",".join([*DO, "memory", "folders", "writers"]))
    parser.add_argument("--every", type=int, default=1)
    a = parser.parse_args()
    program, only, tally = pathlib.Path(a.program).resolve(), a.only.split(","), Tally()
    settings = settings_of("ilora", **{"checkpoint.every": 2})
    with scratch_folder() as scratch:
        whole = scratch / "whole"
        must(train_command(program, whole, settings))
        faults = [fault for fault in DO if fault in only]
        begun = beginnings(program, scratch, settings, whole) if faults else ()
        for fault in faults:
            for one in begun:
                failing_calls(program, scratch, settings, one, fault, a.every, tally)
        if "memory" in only:
            short_memory(program, scratch, settings, whole, tally)
        if "folders" in only:
            bad_folders(program, scratch, settings, whole, tally)
        if "writers" in only:
            two_writers(program, scratch, settings, whole, tally)
    print(f"{tally.tried} runs, {tally.failed} of them failed, {tally.bad} badly")
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())
