#!/usr/bin/env python3
"""Compares what the documents say with what the program prints: commands, flags, options and their defaults, lists, keys of
run folders, the tables of results, and links.

  tests/documents/tables.py build/release/bin/ilora
"""
import json
import re
import sys
import tempfile
from shutil import copytree

from common import PAGES, ROOT, SMALL_RUN, Program, problem, problems, without_blocks

ALL_PAGES = [*PAGES, ROOT / "src/README.md", *sorted(ROOT.glob("tests/*/README.md"))]
FILES = r"\.(cpp|h|py|sh|md|txt|yaml|jsonl?|safetensors|state|hash)$"


def cells(row):
    """The cells of a table's row, without code marks."""
    return [cell.strip() for cell in row.replace("`", "").strip("|").split("|")]


def section(page, heading):
    text = "\n" + (ROOT / page).read_text()
    return text.split(f"\n{heading}\n")[1].split("\n## ")[0]


def first_cells(text):
    """The names in the first column of a table, marked as code."""
    return [name for row in re.findall(r"^\| (`.*?) \|", text, re.M) for name in re.findall(r"`([^`]+)`", row)]


def compare(what, said, there):
    if set(said) != set(there):
        problem(f"{what}: {sorted(set(said) ^ set(there))} stand on one side alone")


# ---- commands and options --------------------------------------------------------------------


def helps(program, command=""):
    """The help of each command, and of each command's commands."""
    text = program.shell(f"ilora {command} --help")
    found = {command: text}
    if "Subcommands:\n" in text:
        for name in re.findall(r"^  (\w+) ", text.split("Subcommands:\n")[1], re.M):
            found |= helps(program, f"{command} {name}".strip())
    return found


def check_mention(code, where, known, options):
    if command := re.match(r"ilora ((?:[a-z]+ ?)+)", code):
        words = command[1].split()
        name = next((n for n in (" ".join(words[:2]), words[0]) if n in known), None)
        if name is None:
            return problem(f"{where}: there is no such command")
        for flag in re.findall(r"(?<=\s)--[a-z-]+", code):
            if not re.search(rf"{flag}\b", known[name]):
                problem(f"{where}: `ilora {name}` has no {flag}")
    sections = {key.split(".")[0] for key in options if "." in key}
    for key in re.findall(r"(?<![\w/.])([a-z0-9]+\.[a-z_]+)(?=$|[\s:=])", code):
        if key.split(".")[0] in sections and key not in options and not re.search(FILES, key):
            problem(f"{where}: there is no option {key}")


def check_mentions(program, options):
    """Commands, flags and options that stand in running text are there."""
    known = helps(program)
    for page in ALL_PAGES:
        for code in re.findall(r"`([^`\n]+)`", without_blocks(page.read_text())):
            check_mention(code, f"{page.relative_to(ROOT)}: `{code}`", known, options)


def check_defaults(options):
    """The second cell of an option's row in methods.md begins with its default."""
    for row in re.findall(r"^\| `\w+\.\w+`.*", (ROOT / "docs/methods.md").read_text(), re.M):
        key, said = cells(row)[:2]
        key, said = key.split()[0], said.replace("−", "-").replace(",", "")
        if not key.startswith("METHOD.") and not said.startswith(options.get(key, "?").replace(",", "")):
            problem(f"docs/methods.md: the default of {key} is {options.get(key)}, not {said}")


# ---- lists -----------------------------------------------------------------------------------


def check_costs(program):
    """What `ilora methods` says of each method's cost and store is what its row of methods.md says."""
    rows = re.findall(r"^\| `.*", section("docs/methods.md", "# Methods").split("**Cost**")[0], re.M)
    said = {cells(row)[0]: cells(row)[3:5] for row in rows}
    for method in program.json("methods"):
        if said.get(method["name"]) != [method["cost"], method["stores"]]:
            problem(f"docs/methods.md: {method['name']} costs and stores {method['cost']}; {method['stores']}")


def check_lists(program):
    check_costs(program)
    compare("docs/methods.md", first_cells(section("docs/methods.md", "# Methods").split("**Cost**")[0]),
            [method["name"] for method in program.json("methods")])
    compare("docs/formats.md, measures", first_cells(section("docs/formats.md", "## Measures")),
            [measure["name"] for measure in program.json("measures")])
    formats = program.shell("ilora data import --help").split("Formats:\n")[1]
    compare("docs/tasks.md, formats", first_cells(section("docs/tasks.md", "## Importing")),
            re.findall(r"^  (\S+)", formats, re.M))
    tasks = {task["name"]: task for task in program.json("tasks")}
    for row in re.findall(r"^\| [A-Z].*", section("docs/tasks.md", "## How a task is measured"), re.M):
        names, measure, generated, _, tokens = cells(row)
        for name in names.split(", "):
            there = [str(tasks[name][key]) for key in ("measure", "generated", "max_new_tokens")]
            if [measure, generated, tokens] != there:
                problem(f"docs/tasks.md: {name} is {there}")


def check_run_folder(program):
    """formats.md has every key of results.json and of metrics.jsonl's events."""
    program.shell("ilora suite mini --out runs/quickstart/suite; ilora train "
                  f"{ROOT}/examples/quickstart-ilora.yaml --set model.path={ROOT}/tests/data/tiny-model {SMALL_RUN}")
    run, said = program.folder / "runs/quickstart/ilora", (ROOT / "docs/formats.md").read_text()
    results = json.loads((run / "results.json").read_text())
    keys = set(results).union(*(results[key] for key in ("metrics", "timing", "environment")))
    for line in (run / "metrics.jsonl").read_text().splitlines():
        keys |= set(json.loads(line))
    for key in sorted(keys):
        if not re.search(rf"`{key}\b", said):
            problem(f"docs/formats.md does not have the key {key}")


# ---- results ---------------------------------------------------------------------------------


def check_results(program):
    """The tables of results.md are what the program writes from docs/results; README.md's figures stand there."""
    copytree(ROOT / "docs", program.folder / "docs")
    page, results = program.folder / "docs/results.md", program.folder / "docs/results"
    before = page.read_text()
    commands = re.sub(r" *\\\n *", " ", before)
    for name in re.findall(r"<!-- begin: (\S+) -->", before):
        written = re.findall(rf"^ilora (compare|sweep) (.*)docs/results\.md#{name}$", commands, re.M)
        command, given = written[-1] if written else ("sweep", "")
        kept = re.search(r"--(?:keep|out) docs/results/(\S+)", given)
        folder = results / (kept[1] if kept else f"ablation/{name}")
        if name == "trace8-stratified":  # its other methods' cells are those of trace8
            folder = results / name
            program.shell(f"cp -r {results}/trace8/{{seq,er,gem}} {folder}")
        chosen = " ".join(re.findall(r"--(?:methods|tasks) \S+", given)) if command == "compare" else ""
        program.shell(f"ilora {command} --only-table {chosen} --out {folder} --into docs/results.md#{name}")
        if page.read_text() != before:
            problem(f"docs/results.md: the table {name} is not what its cells give")
            page.write_text(before)
    for figure in set(re.findall(r"\d\.\d{3}", section("README.md", "## Results"))):
        if figure not in before:
            problem(f"README.md: {figure} is not in docs/results.md")


# ---- links -----------------------------------------------------------------------------------


def anchors(text):
    titles = re.findall(r"^#+ (.*)", without_blocks(text), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def check_links():
    """Links lead somewhere, and files that are named exist: from the root, docs, tests, or a folder of src."""
    bases = [ROOT, ROOT / "docs", ROOT / "tests", *ROOT.glob("src/**/")]
    for page in ALL_PAGES:
        text, where = page.read_text(), page.relative_to(ROOT)
        for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", text):
            target = page.parent / path if path else page
            if not target.exists() or anchor and anchor not in anchors(target.read_text()):
                problem(f"{where}: the link {path}#{anchor} leads nowhere")
        for path in re.findall(r"`((?:[\w-]+/)+[\w.-]+\.(?:h|cpp|py|sh|md|yaml|txt))`", text):
            made = path.startswith("build/") or re.search(r"[A-Z]{3}", path)
            if not made and not any((base / path).exists() for base in bases):
                problem(f"{where}: there is no file {path}")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        program = Program(sys.argv[1], scratch)
        options = dict(re.findall(r"^  ([\w.]+) = (.*)", program.shell("ilora train --options"), re.M))
        check_links()
        check_mentions(program, options)
        check_defaults(options)
        check_lists(program)
        check_run_folder(program)
        check_results(program)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
