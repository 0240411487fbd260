"""The proof that origins may ask for: the code of deploy/proof.md, as it stands there, behind a real node."""

import base64
import contextlib
import hmac
import http.client
import http.server
import json
import os
import re
import secrets
import tempfile
import threading
import time
from pathlib import Path

from fleet import find_binary, listens, ready
from tools import DEPLOY, ROOT, Failed, free_ports, process, until

NODE_ORIGIN = """
require("http").createServer((request, response) => {
  response.writeHead(cameThroughSluice(request.headers) ? 200 : 403);
  response.end();
}).listen(Number(process.argv[2]), "127.0.0.1");
"""


def snippet(language):
    """The one piece of code in that language."""
    found = re.findall(rf"```{language}\n(.*?)```", (DEPLOY / "proof.md").read_text(), re.DOTALL)
    if len(found) != 1:
        raise Failed(f"proof.md has {len(found)} pieces of {language}: mend the check")
    return found[0]


@contextlib.contextmanager
def python_origin(port, secret, _folder):
    os.environ["SLUICE_PROOF"] = secret
    scope = {}
    exec(snippet("python"), scope)  # the document's own code is what is checked

    class Origin(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if scope["came_through_sluice"](self.headers) else 403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Origin)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield
    server.shutdown()


@contextlib.contextmanager
def node_origin(port, secret, folder):
    (folder / "origin.js").write_text(snippet("js") + NODE_ORIGIN)
    modules = Path(os.environ["DEPLOY_CHECK_TOOLS"]) / "node_modules"
    env = dict(os.environ, SLUICE_PROOF=secret, NODE_PATH=str(modules))
    with process("node", folder / "origin.js", port, log=folder / "origin.log", env=env):
        until(lambda: (folder / "origin.log").read_text(), lambda: listens(port), 20)
        yield


def token(secret, age_s=0, **other):
    """A token as Sluice makes it, but for what is given."""
    made = int(time.time()) - age_s
    claims = {"iss": "sluice", "aud": "shop", "iat": made, "exp": made + 60} | other
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signed = b".".join(parts)
    tag = base64.urlsafe_b64encode(hmac.digest(secret.encode(), signed, "sha256")).rstrip(b"=")
    return (signed + b"." + tag).decode()


def status(port, proof=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": "shop.example.com"} | ({"Sluice-Proof": proof} if proof else {}))
        return connection.getresponse().status


def checked(start_origin):
    secret = secrets.token_urlsafe(48)
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        web, admin, origin = free_ports(3)
        stack.enter_context(start_origin(origin, secret, folder))
        (folder / "tenants").mkdir()
        (folder / "sluice.toml").write_text(
            f'[server]\nhttp = ["127.0.0.1:{web}"]\nadmin = "127.0.0.1:{admin}"\nthreads = 1\n'
            '[keys]\ncurrent = "a"\nsecrets = { a = { env = "SLUICE_KEY" } }\n')
        (folder / "tenants" / "shop.toml").write_text(
            f'name = "shop"\nhosts = ["shop.example.com"]\n[origin]\nservers = ["127.0.0.1:{origin}"]\n'
            '[origin.proof]\nsecret = { env = "SLUICE_PROOF" }\n'
            '[[queue]]\nname = "sale"\nrelease_per_minute = 60\nmode = "open"\n')
        env = dict(os.environ, SLUICE_KEY="A" * 43 + "=", SLUICE_PROOF=secret)
        stack.enter_context(process(find_binary(ROOT), "run", "--config", folder, log=folder / "node.log", env=env))
        until(lambda: (folder / "node.log").read_text(), lambda: ready(admin), 20)
        cases = {
            "through Sluice": (status(web), 200),
            "through Sluice, with a claim of the client's": (status(web, "x.y.z"), 200),
            "past Sluice": (status(origin), 403),
            "past Sluice, with a good token": (status(origin, token(secret)), 200),
            "an old token": (status(origin, token(secret, 120)), 403),
            "another tenant's": (status(origin, token(secret, aud="other")), 403),
            "another secret's": (status(origin, token(secret[1:])), 403),
            "unsigned": (status(origin, "eyJhbGciOiJub25lIn0.eyJhdWQiOiJzaG9wIn0."), 403),
        }
        if wrong := {case: got for case, (got, want) in cases.items() if got != want}:
            raise Failed(f"not as they should be: {wrong}")


def proof_python():
    """PyJWT."""
    checked(python_origin)


def proof_node():
    """jsonwebtoken."""
    checked(node_origin)


CHECKS = [proof_python, proof_node]
