"""The pages that visitors see, by judges from outside: axe-core, html-validate and the browser's own protocol."""

import http.server
import os
import shutil
import tempfile
import threading
import urllib.request
from pathlib import Path

from fleet import Origin, find_binary, listens, ready
from tools import DEPLOY, ROOT, Failed, free_ports, process, run, until

KEY = "A" * 43 + "="
LANGUAGES = sorted(file.stem for file in (ROOT / "waiting-room" / "languages").glob("*.toml"))


def find_browser():
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        raise Failed("'chromium' is missing, so no page was looked at")
    return browser


def judged(script, *arguments):
    env = dict(os.environ, NODE_PATH=str(Path(os.environ["DEPLOY_CHECK_TOOLS"]) / "node_modules"))
    said = run("node", DEPLOY / "check" / script, *arguments, env=env, within_s=420)
    return said.strip().splitlines()[-1]


def every_page():
    """All states in five languages, light and dark, from 320 px to a wall, by keyboard too."""
    browser = find_browser()
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as temporary:
        log = Path(temporary) / "preview.log"
        env = dict(os.environ, SLUICE_KEY=KEY)
        preview = [find_binary(ROOT), "preview", "--config", ROOT / "config" / "sample", "--listen", f"127.0.0.1:{port}"]
        with process(*preview, log=log, env=env):
            until(log.read_text, lambda: listens(port), 20)
            return judged("page.js", f"http://127.0.0.1:{port}", browser)


def first_load():
    """The waiting page of a node in every language over slow 4G: bytes, first paint, layout shift, work between polls."""
    browser = find_browser()
    web, admin, origin = free_ports(3)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "tenants").mkdir()
        (folder / "sluice.toml").write_text(
            f'[server]\nhttp = ["127.0.0.1:{web}"]\nadmin = "127.0.0.1:{admin}"\n'
            '[keys]\ncurrent = "a"\nsecrets = { a = { env = "SLUICE_KEY" } }\n')
        (folder / "tenants" / "shop.toml").write_text(
            f'name = "shop"\nhosts = ["localhost"]\n[origin]\nservers = ["127.0.0.1:{origin}"]\n'
            '[[queue]]\nname = "sale"\nrelease_per_minute = 600\nmax_active = 1\nsession_idle = "1h"\n')
        env = dict(os.environ, SLUICE_KEY=KEY)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", origin), Origin)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with process(find_binary(ROOT), "run", "--config", folder, log=folder / "node.log", env=env):
            until((folder / "node.log").read_text, lambda: ready(admin), 20)
            # Another visitor has the only seat, and has shown the pass that says so.
            inside = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            for _ in range(2):
                page = urllib.request.Request(f"http://localhost:{web}/", headers={"Accept": "text/html"})
                if inside.open(page, timeout=10).read() != b"ok\n":
                    raise Failed("the first visitor was not let in")
            said = judged("page_speed.js", f"http://localhost:{web}", browser, ",".join(LANGUAGES))
        server.shutdown()
    return said


CHECKS = [every_page, first_load]
