#!/usr/bin/env python3
"""Fails where a file of code or a folder has grown beyond what can be seen at once."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

LINES_MAX = 450
FILES_MAX = 12
CODE = {".rs", ".lua", ".py", ".js", ".mjs", ".css", ".sh"}

LIST = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
tracked = subprocess.run(LIST, capture_output=True, text=True, check=True)
files = [Path(name) for name in tracked.stdout.splitlines() if Path(name).is_file()]
faults = []
for file in files:
    if file.suffix in CODE:
        lines = len(file.read_text().splitlines())
        if lines > LINES_MAX:
            faults.append(f"{file}: {lines} lines, at most {LINES_MAX}")
for folder, count in Counter(file.parent for file in files if file.suffix in CODE).items():
    if count > FILES_MAX:
        faults.append(f"{folder}: {count} files, at most {FILES_MAX}")
print("\n".join(sorted(faults)) or "every file and folder can be seen at once")
sys.exit(bool(faults))
