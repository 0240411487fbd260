"""The drill, as an operator runs it."""

import sys

from fleet import find_binary
from tools import DEPLOY, ROOT, Failed, run


def drill():
    """Both stores: every target kept."""
    said = run(sys.executable, DEPLOY / "recovery" / "drill.py", find_binary(ROOT))
    rows = [line for line in said.splitlines() if "RTO" in line]
    if len(rows) != 6:
        raise Failed(f"6 rows were expected, those with Redis too:\n{said}")
    return "; ".join(" ".join(row.split()) for row in rows)


CHECKS = [drill]
