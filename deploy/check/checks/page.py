"""The pages that visitors see, by judges from outside: axe-core and html-validate, in a real browser."""

import os
import shutil
import tempfile
from pathlib import Path

from fleet import find_binary, listens
from tools import DEPLOY, ROOT, Failed, free_ports, process, run, until


def every_page():
    """All states in five languages, light and dark, from 320 px to a wall."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        raise Failed("'chromium' is missing, so no page was looked at")
    modules = Path(os.environ["DEPLOY_CHECK_TOOLS"]) / "node_modules"
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as temporary:
        log = Path(temporary) / "preview.log"
        env = dict(os.environ, SLUICE_KEY="A" * 43 + "=")
        preview = [find_binary(ROOT), "preview", "--config", ROOT / "config" / "sample", "--listen", f"127.0.0.1:{port}"]
        with process(*preview, log=log, env=env):
            until(log.read_text, lambda: listens(port), 20)
            env["NODE_PATH"] = str(modules)
            script = DEPLOY / "check" / "page.js"
            said = run("node", script, f"http://127.0.0.1:{port}", browser, env=env, within_s=420)
    return said.strip().splitlines()[-1]


CHECKS = [every_page]
