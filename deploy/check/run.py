"""Every artefact under deploy/, each by its own tool, the pages by outside judges, and a node before real servers and behind real
clients. None is skipped: a missing tool is a failure.

`run.py [NAME]...` runs the checks whose module or function has one of the names.
"""

import importlib
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor, as_completed

from tools import Failed

# Longest first: the others run beside it.
MODULES = [
    "page", "newcomer", "observe", "image", "logs", "api", "sbom", "container", "kubernetes", "traffic.behind",
    "traffic.streams", "debian", "traffic.in_front", "traffic.proof", "recovery", "cloud", "texts",
]
AT_ONCE = 3


def judged(name, check):
    """The check's verdict as a line, and whether it passed."""
    begun = time.monotonic()
    try:
        verdict, says = "ok", check()
        says = f": {says}" if says else ""
    except Failed as found:
        verdict, says = "FAILED", f"\n{found}"
    except Exception:  # a mistake of the check's own must not hide the others
        verdict, says = "BROKEN", f"\n{traceback.format_exc()}"
    return f"{verdict:6} {name} ({time.monotonic() - begun:.1f} s){says}", verdict == "ok"


def main():
    chosen = sys.argv[1:]
    checks = {f"{m}.{check.__name__}": check for m in MODULES for check in importlib.import_module(f"checks.{m}").CHECKS}
    checks = {name: check for name, check in checks.items() if not chosen or any(word in name for word in chosen)}
    failed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in as_completed([pool.submit(judged, name, check) for name, check in checks.items()]):
            line, passed = done.result()
            failed += not passed
            print(line, flush=True)
    print(f"deploy: {len(checks) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not checks else 0)


main()
