#!/usr/bin/env python3
"""Fails where top-level modules of a crate use each other in a circle. Tests may use what they like."""

import re
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

CRATES = tomllib.loads(Path("Cargo.toml").read_text())["workspace"]["members"]
ROOTS = {"lib", "main"}
TEST_FILE = re.compile(r"tests|testing|fuzzed\w*")
TEST_MODULE = re.compile(r"^#\[cfg\(test\)\]\n(?:#\[.*\n)*(?:pub(?:\(\w+\))? )?mod \w+ \{.*?^\}", re.M | re.S)
USE = re.compile(r"\buse ([\w:{}*,\s]+);")


def paths(tree):
    """The paths that a `use` names."""
    head, brace, rest = tree.partition("{")
    if not brace:
        return [head.split(" as ")[0].strip()]
    depth, parts = 0, [""]
    for char in rest[: rest.rindex("}")]:
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [path for part in parts if part.strip() for path in paths(head + part.strip())]


def used(module, text):
    """Each path from the crate's root that the text of a module names."""
    text = re.sub(r"//.*", "", TEST_MODULE.sub("", text))
    named = [path for tree in USE.findall(text) for path in paths(" ".join(tree.split()))]
    for path in named + re.findall(r"\b(?:crate|super)(?:::\w+)+", text):
        names, base = path.split("::"), list(module)
        if names[0] in ("crate", "self", "super"):
            while names and names[0] in ("crate", "self", "super"):
                base = {"crate": [], "self": base, "super": base[:-1]}[names.pop(0)]
            yield base + names


def circle(uses, module, way, seen):
    """A way back to a module that is on the way already, if there is one."""
    if module in way:
        return way[way.index(module) :] + [module]
    if module in seen:
        return None
    seen.add(module)
    return next(filter(None, (circle(uses, other, [*way, module], seen) for other in sorted(uses[module]))), None)


failed = False
for source in (Path(crate, "src") for crate in CRATES):
    files = {file.relative_to(source).with_suffix("").parts: file for file in sorted(source.rglob("*.rs"))}
    files = {m[:-1] if m[-1] == "mod" else m: f for m, f in files.items()}
    files = {m: f for m, f in files.items() if m[0] not in ROOTS and not any(map(TEST_FILE.fullmatch, m))}
    top, uses = {module[0] for module in files}, defaultdict(dict)
    for module, file in files.items():
        for path in filter(None, used(module, file.read_text())):
            if path[0] in top - {module[0]}:
                uses[module[0]].setdefault(path[0], f"{file} uses {'::'.join(path)}")
    if not files:
        sys.exit(f"{source}: no modules found")
    seen = set()
    if found := next(filter(None, (circle(uses, module, [], seen) for module in sorted(top))), None):
        failed = True
        print(f"{source}: modules form a circle, {' -> '.join(found)}", file=sys.stderr)
        for one, other in zip(found, found[1:]):
            print(f"    {uses[one][other]}", file=sys.stderr)
sys.exit(failed)
