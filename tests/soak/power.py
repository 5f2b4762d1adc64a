#!/usr/bin/env python3
"""Cuts the power of runs at each call, and looks whether what the disk may then hold goes on to the right end.

  tests/soak/power.py PROGRAM                        ilora; --methods gem,ewc: these
  tests/soak/power.py PROGRAM --any 8                so many disks by chance per call; --seed N for others
  tests/soak/power.py PROGRAM --every 20             after each twentieth call alone

A run learns two tasks, and then a third. Its writes, syncs and renames are written down; after each of them the folder is
built as the disk may hold it (disk.py): without all that was not synced, with names but without their contents, with zeros
for contents, and with names and contents by chance. Then it goes on. Lost is a run that ends in other bits, or not at all;
refused is one that a command names as damaged. What a command has called finished must be there without going on.
"""
import argparse
import collections
import pathlib
import random
import shutil
import sys

from calls import CHANGES, Calls
from common import differences, run, scratch_folder, settings_of
from disk import Disk, build, digest, read_log
from kills import next_command

FIXED = (("kept", "kept"), ("now", "kept"), ("now", "zeros"), ("kept", "now"))


class Power:
    def __init__(self, program, scratch, seed, any_count, every):
        self.program, self.scratch, self.chance = program, scratch, random.Random(seed)
        self.any_count, self.every = any_count, every
        self.calls, self.cut, self.log = Calls(scratch), scratch / "place" / "cut", scratch / "log"
        self.cut.parent.mkdir()
        self.disks, self.lost, self.reasons = 0, 0, collections.Counter()

    def goes_on(self, where, settings, whole, teach):
        while words := next_command(self.program, self.cut, settings, teach):
            ended = run(words)
            if ended.returncode == 0:
                continue
            error = ended.stderr.strip().splitlines()
            said = [line for line in error if line.startswith("error: ")]
            if ended.returncode != 1 or not said:
                return self.wrong(where, f"exit code {ended.returncode}: {ended.stderr[-300:]}")
            self.reasons[said[0].replace(str(self.cut), "RUN")] += 1
            print(f"refused {where}: {said[0]}", flush=True)
            return
        try:
            found = differences(whole, self.cut)
        except ValueError as e:  # a file that cannot be read
            found = [str(e)]
        if found:
            self.wrong(where, "differs in " + ", ".join(found))

    def wrong(self, where, what):
        self.lost += 1
        print(f"LOST {where}: {what}", flush=True)

    def run_of(self, name, settings, teach, before):
        """One command, and all that the disk may hold while it works. Returns the folder that it leaves."""
        shutil.rmtree(self.cut, ignore_errors=True)
        if before is not None:
            shutil.copytree(before, self.cut)
        disk = Disk(self.cut)
        self.log.unlink(missing_ok=True)
        words = next_command(self.program, self.cut, settings, teach)
        ended = run(words, env=self.calls.environment(CHANGES, log=self.log))
        if ended.returncode != 0:
            sys.exit(ended.stderr)
        whole = self.scratch / f"{name}-{words[2]}"
        shutil.copytree(self.cut, whole)
        seen, log = set(), read_log(self.log)
        for number, call in enumerate(log):
            disk.apply(*call)
            last = number + 1 == len(log)
            if number % self.every and not last:
                continue
            for names, contents in FIXED + (("first", "any"), ("some", "any")) * self.any_count:
                tree = disk.tree(names, contents, self.chance)
                key = digest(tree)
                if key in seen and not last:
                    continue
                seen.add(key)
                self.disks += 1
                shutil.rmtree(self.cut, ignore_errors=True)
                build(tree, self.cut.parent)
                where = f"{name}, {words[2]}, call {number + 1} ({call[0]} {pathlib.Path(call[1]).name}), names {names}, contents {contents}"
                if last and next_command(self.program, self.cut, settings, teach):
                    self.wrong(where, "what was finished is not")
                self.goes_on(where, settings, whole, teach)
        print(f"{name}, {words[2]}: {len(log)} calls; {self.disks} disks, {sum(self.reasons.values())} refused, {self.lost} lost so far", flush=True)
        return whole


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--methods", default="ilora")
    parser.add_argument("--any", type=int, default=1)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    with scratch_folder() as scratch:
        power = Power(pathlib.Path(a.program).resolve(), scratch, a.seed, a.any, a.every)
        for name in a.methods.split(","):
            settings = settings_of(name)
            first = power.run_of(name, settings, False, None)
            power.run_of(name, settings, True, first)
    for reason, count in power.reasons.most_common():
        print(f"{count} times: {reason}")
    print(f"{power.disks} disks, {sum(power.reasons.values())} refused, {power.lost} lost")
    return 1 if power.lost or not power.disks else 0


if __name__ == "__main__":
    sys.exit(main())
