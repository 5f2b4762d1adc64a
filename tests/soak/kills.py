#!/usr/bin/env python3
"""Kills runs, lets them go on, and counts those that do not end as an undisturbed run does.

  tests/soak/kills.py PROGRAM --count 10000          at random moments, until so many were killed
  tests/soak/kills.py PROGRAM --calls                at each write, rename, sync, link and the like of a run
  tests/soak/kills.py PROGRAM --methods gem,ewc      of these methods alone; --seed N for other moments

A run learns two tasks and is then taught a third (--continue); it is killed in both. Calls are counted by strace. Lost is a
run that cannot go on, that ends with an error, or in other bits.
"""
import argparse
import itertools
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from common import METHODS, TASKS, differences, must, results_of, settings_of, train_command

CALLS = ("write", "fsync", "rename", "link", "unlink", "mkdir", "ftruncate", "truncate", "fchmod", "copy_file_range", "sendfile")


def next_command(program, folder, settings):
    """What a user would do with a run as it stands; none where it is complete."""
    if not (folder / "config.yaml").exists():
        return train_command(program, folder, settings)
    try:
        results = results_of(folder)
    except (FileNotFoundError, ValueError):
        results = {}
    if results.get("status") != "finished":
        return [program, "train", "--resume", folder]
    if "gamma" not in results["tasks"]:
        return [program, "train", "--continue", folder, "--task", TASKS / "gamma"]
    return None


class Lost(Exception):
    pass


def start(words):
    return subprocess.Popen([str(w) for w in words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")


def ended_well(process, words):
    """Whether it ended by itself; Lost where with an error."""
    error = process.communicate()[1]
    if process.returncode == -9 or process.returncode == 137:
        return False
    if process.returncode != 0:
        raise Lost(f"{' '.join(map(str, words))}: exit code {process.returncode}: {error[-500:]}")
    return True


def killed_at_random(program, folder, settings, span, chance):
    """Returns how often it was killed."""
    killed = 0
    while words := next_command(program, folder, settings):
        process = start(words)
        # Now and then it is left alone, or it would come to its end too seldom.
        if chance.random() < 0.9:
            try:
                process.wait(chance.random() * span)
            except subprocess.TimeoutExpired:
                process.kill()
        killed += not ended_well(process, words)
    return killed


def killed_at_calls(program, scratch, settings, whole, report):
    """One run for each call of each kind; it goes on undisturbed."""
    killed = 0
    for call in CALLS:
        for number in itertools.count(1):
            folder = scratch / "cut"
            shutil.rmtree(folder, ignore_errors=True)
            first = True
            hit = 0
            while words := next_command(program, folder, settings):
                # Of the run and of its continuation: the number-th call of each.
                inject = first or words[2] == "--continue"
                traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
                hit_now = not ended_well(start(traced + words if inject else words), words)
                hit += hit_now
                # A continuation that was killed before it began is begun again, undisturbed.
                if not first and words[2] == "--continue" and hit_now:
                    while rest := next_command(program, folder, settings):
                        ended_well(start(rest), rest)
                first = False
            killed += hit
            report(whole, folder, f"{call} {number}")
            if hit == 0:
                break
    return killed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--calls", action="store_true")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    program, chance = pathlib.Path(a.program).resolve(), random.Random(a.seed)
    runs = killed = lost = 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        wholes = {}
        for name in a.methods.split(","):
            folder, settings = scratch / f"whole-{name}", settings_of(name)
            began = time.monotonic()
            while words := next_command(program, folder, settings):
                must(words)
            wholes[name] = (folder, settings, (time.monotonic() - began) / 2)

        def report(whole, folder, where):
            nonlocal runs, lost
            runs += 1
            found = differences(whole, folder)
            if found:
                lost += 1
                print(f"LOST {where}: differs in {', '.join(found)}", flush=True)

        for turn in itertools.count():
            for name, (whole, settings, span) in wholes.items():
                try:
                    if a.calls:
                        killed += killed_at_calls(program, scratch, settings, whole, lambda w, f, at: report(w, f, f"{name}, {at}"))
                    else:
                        folder = scratch / "cut"
                        shutil.rmtree(folder, ignore_errors=True)
                        killed += killed_at_random(program, folder, settings, span, chance)
                        report(whole, folder, f"{name}, run {turn}")
                except Lost as e:
                    runs, lost = runs + 1, lost + 1
                    print(f"LOST {name}: {e}", flush=True)
                if turn % 10 == 0 or a.calls:
                    print(f"{name}: {killed} kills in {runs} runs so far, {lost} lost", flush=True)
            if a.calls or killed >= a.count:
                break
    print(f"{killed} kills in {runs} runs, {lost} lost")
    return 1 if lost or not killed else 0


if __name__ == "__main__":
    sys.exit(main())
