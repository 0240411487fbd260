"""The operators' API, judged by schemathesis against the description that a node serves."""

import base64
import contextlib
import http.client
import http.server
import json
import os
import tempfile
import threading
import urllib.request
from pathlib import Path

from fleet import Origin, ask, find_binary, ready
from tools import ROOT, Failed, free_ports, process, run, until

HERE = Path(__file__).parent
HOSTS = {"shop": "shop.example.com", "tickets": "tickets.example.com"}
# Of each line.
VISITORS = 5
WITHIN_S = 240


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes webhooks; one address is gone."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(410 if self.path == "/gone" else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def write(folder, binary, visitors, health, api, origin, receiver):
    """Two tenants, lanes, webhooks, and keys that nobody comes with: they may be revoked."""
    keys = "\n".join(run(binary, "admin", "key", name) for name in ("spare", "nightly"))
    (folder / "tenants").mkdir()
    (folder / "sluice.toml").write_text(
        f'[server]\nhttp = ["127.0.0.1:{visitors}"]\nadmin = "127.0.0.1:{health}"\nthreads = 1\ndrain_timeout = "1s"\n'
        '[keys]\ncurrent = "a"\nsecrets = { a = { env = "SLUICE_KEY" } }\n'
        f'[admin]\nlisten = "127.0.0.1:{api}"\n{keys}\n'
    )
    hooks = "".join(
        f'[[webhook]]\nname = "{name}"\nurl = "http://127.0.0.1:{receiver}/{name}"\n'
        'secret = { env = "HOOK" }\nloopback = true\n'
        for name in ("chat", "gone")
    )
    queue = 'release_per_minute = 60\nburst = 10\nmax_active = 2\non_store_loss = "hold"\n'
    lanes = '[[queue.lane]]\nname = "general"\n[[queue.lane]]\nname = "members"\nweight = 3\n'
    for name, host in HOSTS.items():
        (folder / f"tenants/{name}.toml").write_text(
            f'name = "{name}"\nhosts = ["{host}"]\n[origin]\nservers = ["127.0.0.1:{origin}"]\n{hooks}'
            f'[[queue]]\nname = "sale"\n{queue}[[queue]]\nname = "club"\npaths = ["/club"]\n{queue}{lanes}'
        )


@contextlib.contextmanager
def serving(handler, port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()


def come(port, stop):
    """Visitors of every line, who ask until the check ends: a line that is begun anew has numbers as well."""
    visitors = [(host, path, {}) for host in HOSTS.values() for path in ("/", "/club") for _ in range(VISITORS)]
    while not stop.wait(0.5):
        for host, path, cookies in visitors:
            with contextlib.suppress(OSError, http.client.HTTPException):
                said = "; ".join(f"{name}={value}" for name, value in cookies.items())
                ask(port, path, {"Host": host, "Accept": "text/html", "Cookie": said}, cookies)


@contextlib.contextmanager
def node(folder):
    """A node with visitors: what is needed to ask its API, and where that is."""
    binary = find_binary(ROOT)
    visitors, health, api, origin, receiver = free_ports(5)
    write(folder, binary, visitors, health, api, origin, receiver)
    secret, hook = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    env = os.environ | {"SLUICE_BINARY": str(binary), "SLUICE_CONFIG": str(folder), "SLUICE_KEY": secret}
    env["HOOK"] = f"whsec_{hook}"
    log, stop = folder / "node.log", threading.Event()
    running = process(binary, "run", "--config", folder, log=log, env=env)
    with serving(Origin, origin), serving(Receiver, receiver), running:
        until(lambda: f"the node is ready:\n{log.read_text()}", lambda: ready(health), 20)
        crowd = threading.Thread(target=come, args=(visitors, stop), daemon=True)
        crowd.start()
        try:
            yield env, f"http://127.0.0.1:{api}"
        finally:
            stop.set()
            crowd.join(10)


def judged(env, *where):
    """What schemathesis says of the node, by the description that is there."""
    env = env | {"SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "SLUICE_TALLY": f"{env['SLUICE_CONFIG']}/tally.json"}
    command = ["schemathesis", "--config-file", HERE / "schemathesis.toml", "run", *where, "--no-color"]
    return run(*command, cwd=env["SLUICE_CONFIG"], env=env, within_s=WITHIN_S)


def finds(what, description, path, env, url):
    """A description with a mistake in that path: schemathesis finds it."""
    file = Path(env["SLUICE_CONFIG"]) / "planted.json"
    file.write_text(json.dumps(description))
    try:
        judged(env, file, "--url", url, "--include-path", path, "--max-examples", "5")
    except Failed as found:
        if what in str(found):
            return
        raise
    raise Failed(f"schemathesis does not find: {what}")


def described():
    """Every operation does what the description says of it, nothing else, and for nobody without a token."""
    with tempfile.TemporaryDirectory() as temporary, node(Path(temporary)) as (env, url):
        with urllib.request.urlopen(f"{url}/v1/openapi.json", timeout=10) as answer:
            description = json.load(answer)
        judged(env, f"{url}/v1/openapi.json")
        tally = json.loads((Path(temporary) / "tally.json").read_text())
        paths = description["paths"].items()
        operations = {f"{method.upper()} {path}" for path, methods in paths for method in methods}
        if undone := [of for of in operations if not any(status.startswith("2") for status in tally.get(of, {}))]:
            raise Failed(f"not once done, only refused: {sorted(undone)}")
        # Two mistakes: the dashboard's page needs no token, and a role is no number.
        open_page = {"get": {"operationId": "page", "responses": {"200": {"description": "Done"}}}}
        finds("accepts requests without authentication", description | {"paths": {"/": open_page}}, "/", env, url)
        me = description["paths"]["/v1/me"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        me["properties"]["data"]["properties"]["role"] = {"type": "integer"}
        finds("Response violates schema", description, "/v1/me", env, url)
    return f"{len(operations)} operations, {sum(sum(each.values()) for each in tally.values())} requests"


CHECKS = [described]
