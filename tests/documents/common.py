"""The documents, and the program in a folder that goes away. Shared by commands.py and tables.py."""
import json
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

# What makes a run of one of the documents' configurations small.
SMALL_RUN = ("--set data.train_rows=6 --set data.eval_rows=4 --set data.test_rows=4 --set data.task_rows=[] "
             "--set train.epochs=1 --set eval.max_new_tokens=4")

problems = []


def problem(text):
    problems.append(text)
    print(f"WRONG    {text}", flush=True)


def blocks(text, language):
    """The fenced blocks of a language, without their fences."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


def without_blocks(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


class Program:
    """`ilora`, found in PATH where README.md puts it, and started in `folder`."""

    def __init__(self, binary, folder):
        self.folder = Path(folder)
        bin_folder = self.folder / "build/quickstart/bin"
        bin_folder.mkdir(parents=True)
        (bin_folder / "ilora").symlink_to(Path(binary).resolve())
        self.environment = os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1",
                                         "OMP_WAIT_POLICY": "passive"}

    def shell(self, command):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, errors="replace")
        if done.returncode != 0:
            problem(f"exit code {done.returncode}: {command}\n{done.stdout[-500:]}{done.stderr[-1500:]}")
        return done.stdout

    def json(self, command):
        return json.loads(self.shell(f"ilora {command} --json"))
