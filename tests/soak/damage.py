#!/usr/bin/env python3
"""Damages files of a run folder and looks whether that is noticed or harmless.

  tests/soak/damage.py PROGRAM --count 500           so many damages of every file; --seed N for others
  tests/soak/damage.py PROGRAM --only metrics.jsonl  of files whose path holds a text

A damage is a flipped bit, a truncation, or a stretch of zeros. After it the run is shown, scored, asked, resumed or taught one
more task, and each command must do what it does without the damage, or say something. Silent is what does something else and
says nothing; a crash is a command that a signal ended, or a message of another library.
"""
import argparse
import collections
import pathlib
import random
import re
import shutil
import sys
import tempfile

from common import TASKS, differences, must, run, settings_of, train_command

NOT_READ = (".html", ".csv", ".png", ".svg")  # written for people, and anew
FOREIGN = ("json.exception", "vector::", "basic_string", "stoll", "bug in ilora", "std::")


def damage(data, chance):
    """Another content, and what was done."""
    kind = chance.choice(("flip", "truncate", "zeros"))
    at = chance.randrange(len(data))
    if kind == "flip":
        bit = chance.randrange(8)
        return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :], f"bit {bit} of byte {at}"
    if kind == "truncate":
        return data[:at], f"cut to {at} of {len(data)} bytes"
    length = min(chance.choice((1, 8, 64, 512)), len(data) - at)
    return data[:at] + bytes(length) + data[at + length :], f"{length} zeros at {at}"


class Run:
    """A run folder, and what commands say of it undamaged."""

    def __init__(self, program, folder, finished):
        self.program, self.folder, self.finished = program, folder, finished
        self.commands = {
            "report": ["report", "RUN", "--out", "PAGE"],
            "generate": ["generate", "--run", "RUN", "--json", "--max-new-tokens", "4", "1. A bird or a fish? owl"],
            "eval": ["eval", "RUN", "--data", str(TASKS), "--json"],
            "memory": ["memory", "list", "RUN", "--json"],
            "resume": ["train", "--resume", "RUN"],
        }
        if finished:
            self.commands["continue"] = ["train", "--continue", "RUN", "--task", str(TASKS / "gamma")]

    def after(self, name, folder, page):
        """What a command leaves and says: exit code, its output, what it warns of, and the run where it trains."""
        words = [{"RUN": str(folder), "PAGE": str(page)}.get(w, w) for w in self.commands[name]]
        page.unlink(missing_ok=True)
        ended = run([self.program, *words])
        out = page.read_text() if page.exists() else ended.stdout
        said = [line for line in ended.stderr.splitlines() if re.match(r"\s*(warning|error)", line)]
        return ended, out.replace(str(folder), "RUN"), said


def scrub(text):
    """Without what the clock decides."""
    return re.sub(r'("?(?:seconds|tokens_per_second|train_seconds)"?: ?)[-+.e\d]+', r"\1T", text)


def is_silent(whole, wrong, name, undamaged, folder, file):
    ended, out, said = wrong
    if ended.returncode != 0 or said != whole[2]:
        return None
    if name in ("resume", "continue"):
        # What the damaged file itself holds is left as it is.
        try:
            found = [what for what in differences(undamaged, folder) if what != str(file)]
        except ValueError as e:
            return f"leaves what cannot be read: {e}"
        return ", ".join(found) if found else None
    return "other output" if scrub(out) != scrub(whole[1]) else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", default="", help="of these alone, by commas")
    a = parser.parse_args()
    program, chance = pathlib.Path(a.program).resolve(), random.Random(a.seed)
    count, bad = collections.Counter(), 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        whole = scratch / "whole"
        must(train_command(program, whole, settings_of("ilora")))
        must([program, "analyze", "path", whole, "--points", "3", "--from", "0", "--to", "1", "--rows", "4"])
        kept, page, cut = Run(program, whole, True), scratch / "page.html", scratch / "cut"
        names = [n for n in kept.commands if not a.commands or n in a.commands.split(",")]
        expected, ends = {}, {}
        for name in names:
            ends[name] = scratch / f"end-{name}"
            shutil.copytree(whole, ends[name])
            expected[name] = kept.after(name, ends[name], page)
            if expected[name][0].returncode != 0:
                sys.exit(f"{name} fails undamaged: {expected[name][0].stderr}")
        files = sorted(p.relative_to(whole) for p in whole.rglob("*") if p.is_file() and p.stat().st_size and p.suffix not in NOT_READ)
        for file in (f for f in files if a.only in str(f)):
            for number in range(a.count):
                content, what = damage((whole / file).read_bytes(), chance)
                noticed = False
                for name in names:
                    shutil.rmtree(cut, ignore_errors=True)
                    shutil.copytree(whole, cut)
                    (cut / file).write_bytes(content)
                    wrong = kept.after(name, cut, page)
                    error = wrong[0].stderr
                    if wrong[0].returncode < 0 or wrong[0].returncode > 128 or any(f in error for f in FOREIGN):
                        print(f"CRASH {file}, {what}, {name}: {wrong[0].returncode} {error[-300:]}", flush=True)
                        bad += 1
                    elif silent := is_silent(expected[name], wrong, name, ends[name], cut, file):
                        print(f"SILENT {file}, {what}, {name}: {silent}", flush=True)
                        bad += 1
                    noticed = noticed or wrong[0].returncode != 0 or wrong[2] != expected[name][2]
                count["noticed" if noticed else "harmless"] += 1
            print(f"{file}: {dict(count)} so far, {bad} bad", flush=True)
    print(f"{count.total()} damages: {count['noticed']} noticed, {count['harmless']} harmless or silent, {bad} commands silent or crashed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
