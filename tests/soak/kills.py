#!/usr/bin/env python3
"""Kills runs, lets them go on, and counts those that do not end as an undisturbed run does.

  tests/soak/kills.py PROGRAM --count 10000          at random moments and random calls, until so many were killed;
                                                     --seconds N: or so long
  tests/soak/kills.py PROGRAM --calls                at every call that changes a file or a folder, and half-way in every write
  tests/soak/kills.py PROGRAM --calls --until 40     at the first forty of each command alone
  tests/soak/kills.py PROGRAM --methods gem,ewc      of these methods alone; --seed N for other moments

A run learns two tasks and is then taught a third (--continue); it is killed in both, and where it keeps rows, in a purge of
those of a task. At random, a run is killed again while it
goes on, and now and then its last state is damaged as well, so that the one before it has to serve. Lost is a run that cannot
go on or be reported, that ends with an error, or in other bits.
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

from calls import CHANGES, Calls
from common import METHODS, TASKS, content_of, differences, must, results_of, scratch_folder, settings_of, train_command

STATE = "checkpoints/last/state.safetensors"
EARLIER = "checkpoints/last/state-before.safetensors"


class Lost(Exception):
    pass


def next_command(program, folder, settings, teach=True):
    """What a user would do with a run as it stands; none where it is complete."""
    if not (folder / "config.yaml").exists():
        return train_command(program, folder, settings)
    try:
        results = results_of(folder)
    except (FileNotFoundError, ValueError):
        results = {}
    if results.get("status") != "finished":
        return [program, "train", "--resume", folder]
    if teach and "gamma" not in results["tasks"]:
        return [program, "train", "--continue", folder, "--task", TASKS / "gamma"]
    return None


def start(words, **more):
    return subprocess.Popen([str(w) for w in words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", **more)


def was_killed(process, words):
    """Whether it was killed; Lost where it ended with an error."""
    error = process.communicate()[1]
    if process.returncode == -9:
        return True
    if process.returncode != 0:
        raise Lost(f"{' '.join(map(str, words))}: exit code {process.returncode}: {error[-500:]}")
    return False


class Soak:
    def __init__(self, program, scratch, seed, until):
        self.program, self.scratch, self.chance = program, scratch, random.Random(seed)
        self.calls, self.cut, self.page = Calls(scratch), scratch / "cut", scratch / "page.html"
        self.numbers = range(1, until + 1) if until else None
        self.runs = self.killed = self.lost = self.damaged = 0

    def whole(self, name):
        """An undisturbed run after two tasks, after the third, and how long each half took."""
        first, both, settings = self.scratch / f"{name}-first", self.scratch / f"{name}-both", settings_of(name)
        began = time.monotonic()
        must(train_command(self.program, self.cut, settings))
        shutil.copytree(self.cut, first)
        must(next_command(self.program, self.cut, settings))
        self.cut.rename(both)
        return name, settings, first, both, (time.monotonic() - began) / 2

    def judge(self, where, whole, work, finished=True):
        """Counts a run that `work` kills and brings to its end; `finished`: which is that of `whole`."""
        self.runs += 1
        try:
            work()
            if finished and (found := differences(whole, self.cut)):
                raise Lost("differs in " + ", ".join(found))
        except Lost as e:
            self.lost += 1
            kept = pathlib.Path(tempfile.mkdtemp(prefix="ilora-lost-"))
            shutil.copytree(self.cut, kept / "run", dirs_exist_ok=True)
            print(f"LOST {where}: {e} (kept in {kept})", flush=True)

    def to_the_end(self, settings, teach):
        while words := next_command(self.program, self.cut, settings, teach):
            was_killed(start(words), words)

    def reported(self):
        """A run that has a checkpoint can be reported whatever became of it."""
        if not (self.cut / STATE).exists():
            return
        words = [self.program, "report", self.cut, "--out", self.page]
        was_killed(start(words), words)

    def at_call(self, words, settings, teach, number, do):
        process = start(words, env=self.calls.environment(CHANGES, number, do))
        self.killed += was_killed(process, words)
        if number % 10 == 0:
            self.reported()
        self.to_the_end(settings, teach)

    def at_every_call(self, name, settings, first, both, span):
        for teach, whole in ((False, first), (True, both)):
            for do in ("kill", "half"):
                kinds_before = self.killed
                for number in self.numbers or itertools.count(1):
                    shutil.rmtree(self.cut, ignore_errors=True)
                    if teach:
                        shutil.copytree(first, self.cut)
                    words = next_command(self.program, self.cut, settings, teach)
                    self.judge(f"{name}, {do} at call {number} of {words[2]}", whole, lambda: self.at_call(words, settings, teach, number, do))
                    if self.calls.hit() is None:
                        break
                print(f"{name}, {do}, {'continued' if teach else 'trained'}: {self.killed - kinds_before} kills, {self.lost} lost so far", flush=True)

    def at_every_call_of_a_purge(self, name, first):
        """Whoever purges again after a kill has what an undisturbed purge leaves."""
        words = [self.program, "memory", "purge", self.cut, "--task", "alpha"]
        shutil.rmtree(self.cut, ignore_errors=True)
        shutil.copytree(first, self.cut)
        must(words)
        states = lambda: [content_of(self.cut / path) for path in (STATE, EARLIER)]
        before, expected = self.killed, states()

        def work():
            process = start(words, env=self.calls.environment(CHANGES, number, do))
            self.killed += was_killed(process, words)
            was_killed(start(words), words)
            if states() != expected:
                raise Lost("other states")

        for do in ("kill", "half"):
            for number in self.numbers or itertools.count(1):
                shutil.rmtree(self.cut)
                shutil.copytree(first, self.cut)
                self.judge(f"{name}, {do} at call {number} of a purge", first, work, finished=False)
                if self.calls.hit() is None:
                    break
        print(f"{name}, purged: {self.killed - before} kills, {self.lost} lost so far", flush=True)

    def at_random(self, name, settings, span):
        """Until the run is complete."""
        while words := next_command(self.program, self.cut, settings):
            kind = self.chance.random()
            if kind < 0.1:  # left alone, or it would come to its end too seldom
                was_killed(start(words), words)
                continue
            if kind < 0.5:
                number = self.chance.randrange(1, 250)
                process = start(words, env=self.calls.environment(CHANGES, number, self.chance.choice(("kill", "half"))))
            else:
                process = start(words)
                try:
                    process.wait(self.chance.random() * span)
                except subprocess.TimeoutExpired:
                    process.kill()
            if not was_killed(process, words):
                continue
            self.killed += 1
            if self.chance.random() < 0.05:
                self.reported()
            # Of two states one may be damaged; not where the run was just about to learn more, which only changes
            # its folder once that is said.
            if self.chance.random() < 0.05 and (self.cut / STATE).exists() and (self.cut / EARLIER).exists():
                self.damaged += 1
                damage(self.cut / STATE, self.chance)


def damage(path, chance):
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    path.unlink()  # the other state may be a second name of the same file
    path.write_bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--calls", action="store_true")
    parser.add_argument("--until", type=int, default=0)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    with scratch_folder() as scratch:
        soak = Soak(pathlib.Path(a.program).resolve(), scratch, a.seed, a.until)
        wholes = [soak.whole(name) for name in a.methods.split(",")]
        if a.calls:
            for whole in wholes:
                soak.at_every_call(*whole)
                if any("memory_size" in key for key in METHODS[whole[0]]):  # it keeps rows
                    soak.at_every_call_of_a_purge(whole[0], whole[2])
        begun = time.monotonic()
        for turn in itertools.count():
            if a.calls or soak.killed >= a.count or (a.seconds and time.monotonic() - begun > a.seconds):
                break
            for name, settings, first, both, span in wholes:
                shutil.rmtree(soak.cut, ignore_errors=True)
                soak.judge(f"{name}, run {turn}", both, lambda: soak.at_random(name, settings, span))
            if turn % 10 == 0:
                print(f"{soak.killed} kills in {soak.runs} runs so far, {soak.lost} lost", flush=True)
    print(f"{soak.killed} kills in {soak.runs} runs, {soak.damaged} of them with the last state damaged too, {soak.lost} lost")
    return 1 if soak.lost or not soak.killed else 0


if __name__ == "__main__":
    sys.exit(main())
