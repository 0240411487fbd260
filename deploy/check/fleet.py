"""A small fleet on loopback for the checks: Redis, two nodes, an origin, and a few dozen visitors who wait and go in."""

import base64
import contextlib
import http.client
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading

from tools import Failed, free_ports, process, run, until

VISITORS = 40
# Each visitor asks this often, then stops: the load is bounded.
ASKS_MAX = 150
HOST = "shop.example.com"


class Origin(http.server.BaseHTTPRequestHandler):
    """Answers every request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_):
        pass


class Fleet:
    """Where everything is. `folder` holds each node's config."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        ports = free_ports(9)
        self.redis, self.origin, self.nowhere = ports[0], ports[1], ports[7]
        self.nodes = [
            {"http": ports[2], "https": ports[3], "admin": ports[4], "api": ports[8]},
            {"http": ports[5], "https": None, "admin": ports[6], "api": None},
        ]
        self.stop = threading.Event()
        self.env = dict(os.environ, SLUICE_KEY=base64.b64encode(os.urandom(32)).decode())

    def write(self, mode="auto"):
        """Writes the config of every node; nodes that run take it."""
        for number, node in enumerate(self.nodes):
            config = self.folder / f"node-{number}"
            (config / "tenants").mkdir(parents=True, exist_ok=True)
            https = f'["127.0.0.1:{node["https"]}"]' if node["https"] else "[]"
            (config / "sluice.toml").write_text(
                f'[server]\nhttp = ["127.0.0.1:{node["http"]}"]\nhttps = {https}\nadmin = "127.0.0.1:{node["admin"]}"\n'
                f'threads = 1\ndrain_timeout = "1s"\n[store]\nurl = "redis://127.0.0.1:{self.redis}"\n'
                '[keys]\ncurrent = "a"\nsecrets = { a = { env = "SLUICE_KEY" } }\n'
                + (f'[admin]\nlisten = "127.0.0.1:{node["api"]}"\n' if node["api"] else "")
            )
            tls = '[tls]\nredirect_http = false\ncertificates = [{ chain = "../shop.pem", key = { file = "../shop.key" } }]\n'
            self.tenant(config, "shop", HOST, self.origin, f'max_active = 30\nmode = "{mode}"\n', tls if node["https"] else "")
            self.tenant(config, "broken", "broken.example.com", self.nowhere, 'mode = "open"\n', "")

    @staticmethod
    def tenant(config, name, host, port, queue, tls):
        path = config / "tenants" / f"{name}.toml"
        path.with_suffix(".new").write_text(
            f'name = "{name}"\nhosts = ["{host}"]\n[origin]\nservers = ["127.0.0.1:{port}"]\n{tls}'
            f'[[queue]]\nname = "sale"\nrelease_per_minute = 60\nburst = 10\nsession_idle = "5s"\non_store_loss = "hold"\n{queue}'
        )
        path.with_suffix(".new").rename(path)

    def override(self, **settings):
        """Sets something in place of the file's, by the first node's API."""
        token = subprocess.run([self.binary, "admin", "token", "--config", self.folder / "node-0"], env=self.env,
                               check=True, capture_output=True, text=True).stdout.strip()
        connection = http.client.HTTPConnection("127.0.0.1", self.nodes[0]["api"], timeout=5)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "If-Match": "*"}
        connection.request("PATCH", "/v1/tenants/shop/queues/sale/override", json.dumps(settings), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise Failed(f"the API refuses an override: {answer.status} {text}")

    @contextlib.contextmanager
    def running(self):
        """Everything runs within the block, visitors included."""
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=shop", "-addext", f"subjectAltName=DNS:{HOST}", "-addext", "basicConstraints=critical,CA:FALSE",
            "-keyout", self.folder / "shop.key", "-out", self.folder / "shop.pem")
        (self.folder / "shop.key").chmod(0o600)
        self.write()
        with contextlib.ExitStack() as stack:
            origin = http.server.ThreadingHTTPServer(("127.0.0.1", self.origin), Origin)
            origin.daemon_threads = True
            threading.Thread(target=origin.serve_forever, daemon=True).start()
            stack.callback(origin.shutdown)
            stack.enter_context(process("redis-server", "--port", self.redis, "--bind", "127.0.0.1", "--save", "",
                                        "--maxmemory-policy", "noeviction", log=self.folder / "redis.log", cwd=self.folder))
            until("Redis listens", lambda: listens(self.redis), 10)
            for number, node in enumerate(self.nodes):
                log = self.folder / f"node-{number}.log"
                stack.enter_context(process(self.binary, "run", "--config", self.folder / f"node-{number}", log=log, env=self.env))
                until(lambda log=log: f"a node is ready:\n{log.read_text()}", lambda node=node: ready(node["admin"]), 20)
            visitors = [threading.Thread(target=self.visit, args=(i,), daemon=True) for i in range(VISITORS)]
            visitors.append(threading.Thread(target=self.err, daemon=True))
            for each in visitors:
                each.start()
            stack.callback(lambda: [each.join(10) for each in visitors])
            stack.callback(self.stop.set)
            yield self

    def visit(self, number):
        """A visitor who keeps cookies, and begins anew once inside for a while, until the check ends."""
        cookies, inside = {}, 0
        port = self.nodes[number % 2]["http"]
        for _ in range(ASKS_MAX):
            if self.stop.wait(1):
                return
            with contextlib.suppress(OSError, http.client.HTTPException):
                headers = {"Host": HOST, "Accept": "text/html", "Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())}
                status = ask(port, "/", headers, cookies)
                inside = inside + 1 if status == 200 else 0
            if inside > 3:
                cookies, inside = {}, 0

    def err(self):
        """What goes wrong at the edge, once a second each: a refused path, a forged ticket, a silent origin, bad TLS."""
        tls = ssl.create_default_context(cafile=self.folder / "shop.pem")
        http2 = ssl.create_default_context(cafile=self.folder / "shop.pem")
        http2.set_alpn_protocols(["h2"])
        port = self.nodes[0]["http"]
        forged = "sluice_ticket_sale=eyJhbGciOiJIUzI1NiJ9.e30." + "A" * 43
        for _ in range(ASKS_MAX):
            if self.stop.wait(1):
                return
            for attempt in (
                lambda: ask(port, "/a/../b", {"Host": HOST}, {}),
                lambda: ask(port, "/", {"Host": HOST, "Cookie": forged}, {}),
                lambda: ask(port, "/", {"Host": "broken.example.com"}, {}),
                lambda: self.handshake(tls, b"GET / HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n"),
                # A frame for a stream that was never opened.
                lambda: self.handshake(http2, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4\0" + bytes(4)
                                       + b"\0\0\4\x08\0\0\0\0\x05\0\0\0\1"),
            ):
                with contextlib.suppress(OSError, http.client.HTTPException):
                    attempt()

    def handshake(self, context, words):
        with socket.create_connection(("127.0.0.1", self.nodes[0]["https"]), 2) as plain:
            with context.wrap_socket(plain, server_hostname=HOST) as secure:
                secure.sendall(words)
                secure.recv(4096)


def ask(port, path, headers, cookies):
    """One request; returns its status, and keeps the cookies."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        for field in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = field.partition(";")[0].partition("=")
            cookies.pop(name, None)
            if value:
                cookies[name] = value
        return answer.status
    finally:
        connection.close()


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def ready(admin):
    with contextlib.suppress(OSError, http.client.HTTPException):
        return ask(admin, "/health/ready", {}, {}) == 200
    return False


def find_binary(root):
    """The debug binary that `./x deploy-check` has built."""
    target = os.environ.get("CARGO_TARGET_DIR", root / "target")
    binary = os.environ.get("SLUICE_BINARY", f"{target}/debug/sluice")
    try:
        subprocess.run([binary, "--version"], check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"{binary} cannot be run: {error}") from error
    return binary
