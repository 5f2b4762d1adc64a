"""A program's file calls, one by one: counted, ended at one, made to fail at one, or written down (calls.c)."""
import os
import pathlib
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parent / "calls.c"
# What changes a file or a folder, or should bring it to the disk.
CHANGES = ("write", "sync", "rename", "link", "unlink", "mkdir", "create", "truncate")
# What else can fail.
OTHERS = ("again", "mode", "lock", "open", "stat", "read", "close", "map")


class Calls:
    def __init__(self, scratch):
        self.library, self.seen = scratch / "calls.so", scratch / "seen"
        subprocess.run(["cc", "-std=gnu11", "-shared", "-fPIC", "-O1", "-o", self.library, SOURCE], check=True)

    def environment(self, kinds, at=0, do=None, log=None):
        """For a program whose `at`-th call of these kinds is to `do` something; `log` gets all changes."""
        self.seen.unlink(missing_ok=True)
        more = {"LD_PRELOAD": str(self.library), "SOAK_KINDS": ",".join(kinds), "SOAK_AT": str(at), "SOAK_SEEN": str(self.seen)}
        if do is not None:
            more["SOAK_DO"] = str(do)
        if log is not None:
            more["SOAK_LOG"] = str(log)
        return {**os.environ, **more}

    def hit(self):
        """The kind of the call that something happened to, in the program that ended last; none where it made fewer calls."""
        lines = self.seen.read_text().split("\n") if self.seen.exists() else []
        return next((line[4:] for line in lines if line.startswith("hit ")), None)
