"""A disk that keeps only what was synced: what a folder may hold after a loss of power, from a log of calls (calls.c).

A file's content is kept by a sync of the file, a name in a folder by a sync of that folder; what came after may be
there, be missing, or, of contents, be zeros. This is less than most file systems give.
"""
import hashlib


class Node:
    def __init__(self, is_folder):
        self.is_folder = is_folder
        self.entries, self.kept_entries, self.pending = {}, {}, []  # of a folder: names now, on the disk, changes since
        self.data, self.kept = bytearray(), b""  # of a file


def read_log(path):
    """(kind, path, second path, data) of each call."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        fields = []
        for _ in range(4):
            end = data.index(b"\0", at)
            fields.append(data[at:end].decode())
            at = end + 1
        size = int(fields[3])
        found.append((*fields[:3], data[at : at + size]))
        at += size
    return found


class Disk:
    """Begins with what `folder` holds, all of it on the disk; nothing where there is no such folder."""

    def __init__(self, folder):
        self.place, self.top = folder.parent, Node(True)
        if folder.exists():
            self.top.entries[folder.name] = self.load(folder, {})
            self.top.kept_entries = dict(self.top.entries)

    def load(self, path, known):
        if path.is_dir():
            node = Node(True)
            node.entries = {p.name: self.load(p, known) for p in path.iterdir()}
            node.kept_entries = dict(node.entries)
            return node
        number = path.stat().st_ino
        if number not in known:
            known[number] = Node(False)
            known[number].data = bytearray(path.read_bytes())
            known[number].kept = bytes(known[number].data)
        return known[number]

    def find(self, path):
        """(folder, name) of a path; none where it lies elsewhere."""
        place = str(self.place)
        if path == place:
            return self.top, None
        if not path.startswith(place + "/"):
            return None, None
        node = self.top
        parts = path[len(place) + 1 :].split("/")
        for part in parts[:-1]:
            node = node.entries.get(part) if node is not None else None
        return (node, parts[-1]) if node is not None else (None, None)

    def change(self, folder, changes):
        for name, node in changes:
            if node is None:
                folder.entries.pop(name, None)
            else:
                folder.entries[name] = node
        folder.pending.append(changes)

    def apply(self, kind, a, b, data):
        folder, name = self.find(a)
        if folder is None:
            return
        node = folder if name is None else folder.entries.get(name)
        if kind in ("create", "mkdir"):
            self.change(folder, [(name, Node(kind == "mkdir"))])
        elif kind == "unlink":
            self.change(folder, [(name, None)])
        elif kind in ("rename", "link"):
            to, new = self.find(b)
            gone = [(name, None)] if kind == "rename" else []
            if to is folder:
                self.change(folder, [(new, node), *gone])
            else:
                self.change(to, [(new, node)])
                if gone:
                    self.change(folder, gone)
        elif node is None:  # a file that has no name any more
            return
        elif kind == "write":
            node.data += data
        elif kind == "cut":
            node.data = bytearray()
        elif kind == "truncate":
            node.data = node.data[: int(b)].ljust(int(b), b"\0")
        elif kind == "sync" and node.is_folder:
            node.kept_entries, node.pending = dict(node.entries), []
        elif kind == "sync":
            node.kept = bytes(node.data)
        else:
            raise ValueError(f"what is {kind}?")

    def tree(self, names, contents, chance):
        """{path: bytes, or none for a folder} after a loss of power. `names`: kept, now, first or some of the changes since;
        `contents`: kept, now, zeros, or any of these."""
        found = {}
        self.walk(self.top, "", names, contents, chance, found, {})
        return found

    def walk(self, folder, at, names, contents, chance, found, decided):
        entries = dict(folder.kept_entries)
        pending = folder.pending
        if names == "kept":
            pending = []
        elif names == "first":
            pending = pending[: chance.randrange(len(pending) + 1)]
        elif names == "some":
            pending = [change for change in pending if chance.random() < 0.5]
        for name, node in (pair for change in pending for pair in change):
            if node is None:
                entries.pop(name, None)
            else:
                entries[name] = node
        for name, node in sorted(entries.items()):
            path = f"{at}/{name}" if at else name
            if node.is_folder:
                found[path] = None
                self.walk(node, path, names, contents, chance, found, decided)
                continue
            if node not in decided:  # one file under two names is one
                decided[node] = self.content(node, contents, chance)
            found[path] = decided[node]

    def content(self, node, how, chance):
        if how == "any":
            how = chance.choice(("kept", "now", "zeros", "part"))
        data = bytes(node.data)
        if how == "kept" or data == node.kept:
            return node.kept
        if how == "now":
            return data
        # What both begin with is on the disk.
        same = next((i for i, (x, y) in enumerate(zip(node.kept, data)) if x != y), min(len(node.kept), len(data)))
        if how == "part":
            return data[: chance.randrange(same, len(data) + 1)] if same <= len(data) else data
        return data[:same] + bytes(len(data) - same)


def digest(tree):
    text = hashlib.sha256()
    for path, data in sorted(tree.items()):
        text.update(f"{path}\0{-1 if data is None else len(data)}\0".encode() + (data or b""))
    return text.hexdigest()


def build(tree, place):
    for path, data in sorted(tree.items()):
        if data is None:
            (place / path).mkdir(parents=True, exist_ok=True)
        else:
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(data)
