"""What stands in front: nginx and HAProxy as their files say, before a real node and an origin that repeats what it sees."""

import contextlib
import http.client
import http.server
import json
import os
import ssl
import tempfile
import threading
from pathlib import Path

from fleet import find_binary, listens, ready
from tools import DEPLOY, ROOT, Failed, free_ports, process, run, until

FOLDER = DEPLOY / "in-front"
# The visitor comes from here, the proxy from 127.0.0.1.
VISITOR = "127.0.0.5"


class Origin(http.server.BaseHTTPRequestHandler):
    """Repeats the headers that it got."""

    def do_GET(self):
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def node(folder, trusted):
    """A node with an open site and one that is held; gives the ports of visitors and of the admin listener."""
    web, admin, origin_port = free_ports(3)
    origin = http.server.ThreadingHTTPServer(("127.0.0.1", origin_port), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    (folder / "tenants").mkdir()
    (folder / "sluice.toml").write_text(
        f'[server]\nhttp = ["127.0.0.1:{web}"]\nadmin = "127.0.0.1:{admin}"\ntrusted_proxies = {json.dumps(trusted)}\nthreads = 1\n'
        '[keys]\ncurrent = "a"\nsecrets = { a = { env = "SLUICE_KEY" } }\n')
    for name, mode in (("shop", "open"), ("held", "hold")):
        (folder / "tenants" / f"{name}.toml").write_text(
            f'name = "{name}"\nhosts = ["{name}.example.com"]\n[origin]\nservers = ["127.0.0.1:{origin_port}"]\n'
            f'[[queue]]\nname = "sale"\nrelease_per_minute = 60\nmode = "{mode}"\n')
    env = dict(os.environ, SLUICE_KEY="A" * 43 + "=")
    with process(find_binary(ROOT), "run", "--config", folder, log=folder / "node.log", env=env):
        until(lambda: (folder / "node.log").read_text(), lambda: ready(admin), 20)
        yield web, admin
    origin.shutdown()


def ask(port, host, tls=None):
    """One request from the visitor's address, who also claims to be another."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(VISITOR, 0))
    if tls:
        connection.connect()
        connection.sock = tls.wrap_socket(connection.sock, server_hostname="shop.example.com")
    try:
        headers = {"Host": host, "X-Forwarded-For": "192.0.2.66", "X-Forwarded-Proto": "https", "Accept": "text/html"}
        connection.request("GET", "/page", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def judged(port, scheme, tls=None):
    status, _, body = ask(port, "shop.example.com", tls)
    if status != 200:
        raise Failed(f"status {status}: {body[:300]}")
    seen = json.loads(body)
    expected = {"host": "shop.example.com", "x-forwarded-for": f"{VISITOR}, 127.0.0.1", "x-forwarded-proto": scheme}
    if found := {k: seen.get(k) for k, v in expected.items() if seen.get(k) != v}:
        raise Failed(f"the origin saw {found}, not {expected}")
    status, headers, body = ask(port, "held.example.com", tls)
    if status != 503 or headers["Sluice-State"] != "held" or b"<html" not in body:
        raise Failed(f"the waiting page did not get through: {status} {headers}")


def nginx():
    """Host, address and scheme arrive at the origin; the waiting page arrives at the visitor."""
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        (folder / "node").mkdir()
        web, _ = stack.enter_context(node(folder / "node", ["127.0.0.1/32"]))
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3", "-subj", "/CN=shop",
            "-addext", "subjectAltName=DNS:shop.example.com", "-keyout", folder / "shop.key", "-out", folder / "shop.pem")
        plain, secure = free_ports(2)
        text = (FOLDER / "nginx.conf").read_text()
        for old, new in (("10.0.0.11:8080", f"127.0.0.1:{web}"), ("    server 10.0.0.12:8080 max_fails=1 fail_timeout=2s;\n", ""),
                         ("listen 80;", f"listen 127.0.0.1:{plain} default_server;"), ("listen 443", f"listen 127.0.0.1:{secure}"),
                         ("/etc/ssl/shop", f"{folder}/shop")):
            if old not in text:
                raise Failed(f"nginx.conf has no {old!r} any more: mend the check")
            text = text.replace(old, new)
        paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        main = f"daemon off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\nhttp {{ access_log off;\n{paths}{text}\n}}\n"
        (folder / "main.conf").write_text(main)
        run("nginx", "-t", "-q", "-c", folder / "main.conf")
        stack.enter_context(process("nginx", "-c", folder / "main.conf", log=folder / "log"))
        until(lambda: (folder / "log").read_text(), lambda: listens(secure), 10)
        judged(plain, "http")
        judged(secure, "https", ssl.create_default_context(cafile=folder / "shop.pem"))


def haproxy():
    """The same, and a node that is not ready gets no visitor."""
    run("haproxy", "-c", "-q", "-f", FOLDER / "haproxy.cfg")
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        (folder / "node").mkdir()
        web, admin = stack.enter_context(node(folder / "node", ["127.0.0.1/32"]))
        (port,) = free_ports(1)
        text = (FOLDER / "haproxy.cfg").read_text()
        for old, new in (("maxconn 40000", "maxconn 400"), ("bind :8080", f"bind 127.0.0.1:{port}"), ("check port 9900", f"check port {admin}"), ("node-1:8080", f"127.0.0.1:{web}"),
                         # Names of containers: these lead nowhere here.
                         ("node-2:8080", "127.0.0.1:1"), ("node-3:8080", "127.0.0.1:1"), ("resolvers containers init-addr last,libc,none", "")):
            if old not in text:
                raise Failed(f"haproxy.cfg has no {old!r} any more: mend the check")
            text = text.replace(old, new)
        (folder / "haproxy.cfg").write_text(text)
        stack.enter_context(process("haproxy", "-db", "-f", folder / "haproxy.cfg", log=folder / "log"))
        until(lambda: (folder / "log").read_text(), lambda: listens(port), 10)
        # It holds those that lead nowhere for up until it has looked at them.
        until(lambda: (folder / "log").read_text(), lambda: all(status(port) != 503 for _ in range(9)), 20)
        judged(port, "http")


def status(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": "shop.example.com"})
        return connection.getresponse().status


CHECKS = [nginx, haproxy]
