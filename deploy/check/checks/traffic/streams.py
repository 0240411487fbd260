"""What lasts: gRPC by grpcio, WebSockets by kosoku's cases, an event stream in Chromium, bodies of any size by curl.

`SLUICE_STREAM_SECONDS` says how long the event stream lasts, `SLUICE_BODY_MIB` how long bodies are.
"""

import concurrent.futures
import contextlib
import http.server
import json
import os
import shutil
import socketserver
import tempfile
import threading
import time
from pathlib import Path

import grpc

from fleet import listens
from shop import ADMITS, HELD, HOST, LOCAL, shop
from tools import Failed, free_ports, process, run, until

STREAM_SECONDS = int(os.environ.get("SLUICE_STREAM_SECONDS", "15"))
BODY_MIB = int(os.environ.get("SLUICE_BODY_MIB", "128"))
# By which the node's own memory may grow over such a body.
GROWN_KIB_MAX = 2 << 10
TRAILER_BYTES = 8 << 10
CALL_S_MAX = 20
# How soon a server hears that a call has ended: long before it would end the call by itself.
HEARD_S_MAX = 5
# All cases but those that measure time (9) and compression, which the origin does not offer (12, 13).
WEBSOCKET_CASES = 247
CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--ignore-certificate-errors"]
ECHO = """
const { WebSocketServer } = require("ws");
new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), perMessageDeflate: false })
  .on("connection", socket => {
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    socket.on("error", () => {});
  });
"""


class Calls(grpc.GenericRpcHandler):
    """Calls of every kind, on bytes."""

    def __init__(self):
        self.ended = threading.Event()

    def service(self, details):
        return {
            "/shop.Shop/Unary": grpc.unary_unary_rpc_method_handler(lambda asked, _: asked),
            "/shop.Shop/Down": grpc.unary_stream_rpc_method_handler(lambda asked, _: (b"%d" % n for n in range(int(asked)))),
            "/shop.Shop/Up": grpc.stream_unary_rpc_method_handler(lambda asked, _: b"%d" % sum(map(len, asked))),
            "/shop.Shop/Both": grpc.stream_stream_rpc_method_handler(lambda asked, _: (piece for piece in asked)),
            "/shop.Shop/Slow": grpc.unary_unary_rpc_method_handler(self.slow),
            "/shop.Shop/Fails": grpc.unary_unary_rpc_method_handler(self.fails),
        }.get(details.method)

    def slow(self, _, context):
        self.ended.clear()
        context.add_callback(self.ended.set)
        self.ended.wait(CALL_S_MAX)
        return b""

    @staticmethod
    def fails(_, context):
        context.set_trailing_metadata((("x-long", "t" * TRAILER_BYTES),))
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


def both_ways(channel):
    """A call in which each side waits for the other, message by message."""
    turn, said = threading.Semaphore(1), []

    def asks():
        for n in range(50):
            turn.acquire(timeout=CALL_S_MAX)
            yield b"%d" % n

    for piece in channel.stream_stream("/shop.Shop/Both")(asks(), timeout=CALL_S_MAX):
        said.append(piece)
        turn.release()
    return said


def error_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise Failed("a call succeeded that should not")


def expect(what, got, wanted):
    if got != wanted:
        raise Failed(f"{what}: {got!r}, not {wanted!r}")


def grpc_calls():
    """grpcio, both ends: let in, and parked."""
    calls = Calls()
    sizes = [("grpc.max_metadata_size", 4 * TRAILER_BYTES), ("grpc.absolute_max_metadata_size", 4 * TRAILER_BYTES)]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), [calls], options=sizes)
    (port,) = free_ports(1)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        stack.callback(server.stop, None)
        made = stack.enter_context(shop(Path(temporary), f'servers = ["127.0.0.1:{port}"]\nhttp2 = true'))
        trusts = grpc.ssl_channel_credentials(made.certificate.read_bytes())

        def channel(host):
            options = [*sizes, ("grpc.ssl_target_name_override", host), ("grpc.enable_http_proxy", 0)]
            return stack.enter_context(grpc.secure_channel(f"127.0.0.1:{made.https}", trusts, options))

        admitted, parked = channel(HOST), channel(HELD)
        unary = admitted.unary_unary("/shop.Shop/Unary")
        for size in (0, 1, 100_000, 3_000_000):
            expect(f"{size} bytes", len(unary(b"x" * size, timeout=CALL_S_MAX)), size)
        down = list(admitted.unary_stream("/shop.Shop/Down")(b"1000", timeout=CALL_S_MAX))
        expect("a stream down", down, [b"%d" % n for n in range(1000)])
        pieces = (b"x" * 1000 for _ in range(1000))
        expect("a stream up", admitted.stream_unary("/shop.Shop/Up")(pieces, timeout=CALL_S_MAX), b"1000000")
        expect("both ways", both_ways(admitted), [b"%d" % n for n in range(50)])
        failed = error_of(lambda: admitted.unary_unary("/shop.Shop/Fails")(b"", timeout=CALL_S_MAX))
        expect("a status", (failed.code(), failed.details()), (grpc.StatusCode.NOT_FOUND, "no such thing"))
        expect("trailers", [len(value) for name, value in failed.trailing_metadata() if name == "x-long"], [TRAILER_BYTES])

        slow = admitted.unary_unary("/shop.Shop/Slow")
        late = error_of(lambda: slow(b"", timeout=1))
        expect("a deadline", late.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        expect("a deadline reaches the server", calls.ended.wait(HEARD_S_MAX), True)
        # Longer than is waited for: neither end gives up by itself.
        call = slow.future(b"", timeout=3 * CALL_S_MAX)
        until("the call is under way", lambda: not calls.ended.is_set(), CALL_S_MAX)
        call.cancel()
        expect("the server hears of the cancellation", calls.ended.wait(HEARD_S_MAX), True)

        kinds = {
            "unary": lambda: parked.unary_unary("/shop.Shop/Unary")(b"x", timeout=CALL_S_MAX),
            "down": lambda: list(parked.unary_stream("/shop.Shop/Down")(b"5", timeout=CALL_S_MAX)),
            "up": lambda: parked.stream_unary("/shop.Shop/Up")(iter([b"x"] * 5), timeout=CALL_S_MAX),
            "both ways": lambda: list(parked.stream_stream("/shop.Shop/Both")(iter([b"x"] * 5), timeout=CALL_S_MAX)),
        }
        for kind, call in kinds.items():
            expect(f"parked, {kind}", error_of(call).code(), grpc.StatusCode.UNAVAILABLE)
    return "4 kinds of calls let in and parked, deadline, cancellation, trailers"


def websocket_cases():
    """kosoku, before an echo of the `ws` package."""
    modules = Path(os.environ["DEPLOY_CHECK_TOOLS"]) / "node_modules"
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        (folder / "echo.js").write_text(ECHO)
        env = dict(os.environ, NODE_PATH=str(modules))
        stack.enter_context(process("node", folder / "echo.js", port, log=folder / "echo.log", env=env))
        until(lambda: (folder / "echo.log").read_text(), lambda: listens(port), 20)
        made = stack.enter_context(shop(folder, f'servers = ["127.0.0.1:{port}"]'))
        run("kosoku", "-m", "fuzzingclient", "-p", "8", "-x", "9.*", "-x", "12.*", "-x", "13.*", "-o", folder / "out",
            f"{LOCAL}:{made.http}", ok=(0, 1), within_s=300)
        (index,) = (folder / "out").rglob("index.json")
        (cases,) = json.loads(index.read_text()).values()
    good = ("OK", "NON-STRICT", "INFORMATIONAL")
    bad = {name: case["behavior"] for name, case in cases.items()
           if case["behavior"] not in good or case["behaviorClose"] not in good}
    if bad or len(cases) != WEBSOCKET_CASES:
        raise Failed(f"{len(cases)} cases, of which these are not right: {bad}")
    return f"{len(cases)} of {WEBSOCKET_CASES}"


PAGE = """<!doctype html><title>stream</title><script>
let events = 0, errors = 0, opened = 0;
const source = new EventSource("/events");
source.onopen = () => opened++;
source.onerror = () => errors++;
source.onmessage = event => { if (Number(event.data) === events) events++; };
setTimeout(async () => {
  const open = source.readyState === EventSource.OPEN;
  source.close();
  const inside = (await fetch("/inside")).status;
  await fetch("/report", { method: "POST", body: JSON.stringify({ opened, open, events, errors, inside }) });
}, SECONDS * 1000);
</script>"""


class Streams(http.server.BaseHTTPRequestHandler):
    """A page with an event stream, one event a second; bodies of any length up and down."""

    protocol_version = "HTTP/1.1"
    reports = []

    def do_GET(self):
        if self.path == "/events":
            self.begin("text/event-stream", "Connection", "close")
            with contextlib.suppress(OSError):
                for n in range(2 * STREAM_SECONDS):
                    self.wfile.write(b"data: %d\n\n" % n)
                    time.sleep(1)
            self.close_connection = True
        elif self.path.startswith("/bytes/"):
            mib = int(self.path.rpartition("/")[2])
            self.begin("application/octet-stream", "Content-Length", str(mib << 20))
            for _ in range(mib):
                self.wfile.write(bytes(1 << 20))
        else:
            page = PAGE.replace("SECONDS", str(STREAM_SECONDS)).encode()
            self.begin("text/html", "Content-Length", str(len(page)))
            self.wfile.write(page)

    def do_POST(self):
        left = int(self.headers["Content-Length"])
        said = self.rfile.read(left) if left < 4096 else b""
        while left > 4096 and (piece := self.rfile.read(min(left, 1 << 20))):
            left -= len(piece)
        if self.path == "/report":
            self.reports.append(json.loads(said))
        self.begin("text/plain", "Content-Length", "0")

    def begin(self, kind, name, value):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def streaming(queue):
    """A shop before such an origin."""
    with tempfile.TemporaryDirectory() as temporary:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Streams)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with shop(Path(temporary), f'servers = ["127.0.0.1:{server.server_port}"]', queue) as made:
                yield made
        finally:
            server.shutdown()


def event_stream():
    """An EventSource in Chromium, over HTTP/2: no event is lost, no connection made anew, and its visitor stays inside."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        raise Failed("'chromium' is missing, so no event stream was opened")
    Streams.reports.clear()
    # A visit ends after a silence that is much shorter than the stream.
    with streaming(ADMITS + 'max_active = 1\nsession_idle = "5s"\n') as made:
        log = made.folder / "browser.log"
        rules = f"--host-resolver-rules=MAP {HOST} 127.0.0.1:{made.https}"
        with process(browser, *CHROMIUM, f"--user-data-dir={made.folder / 'browser'}", rules, f"https://{HOST}/", log=log):
            (report,) = until(lambda: log.read_text(errors="replace"), lambda: Streams.reports, STREAM_SECONDS + 60)
    at_least = STREAM_SECONDS - 3
    if not report["events"] >= at_least or (report["opened"], report["open"], report["errors"], report["inside"]) != (1, True, 0, 200):
        raise Failed(f"not at least {at_least} events on one connection, of a visitor who stays inside: {report}")
    return f"{report['events']} events in {STREAM_SECONDS} s"


def large_bodies():
    """curl, up and down: the node keeps nothing of them."""
    grown = {}
    with streaming(ADMITS) as made:
        zeros = made.folder / "zeros"
        for version in ("1.1", "2"):
            for mib in (4, BODY_MIB):
                with open(zeros, "wb") as file:
                    file.truncate(mib << 20)
                before = made.anonymous_kib()
                up = made.curl(version, "/up", "-T", zeros, "-X", "POST", "-w", "%{http_code} %{size_upload}", "-o", "/dev/null")
                expect(f"up, HTTP/{version}", up.split(), [b"200", b"%d" % (mib << 20)])
                down = made.curl(version, f"/bytes/{mib}", "-w", "%{http_code} %{size_download}", "-o", "/dev/null")
                expect(f"down, HTTP/{version}", down.split(), [b"200", b"%d" % (mib << 20)])
                grown[version] = made.anonymous_kib() - before
    if any(kib > GROWN_KIB_MAX for kib in grown.values()):
        raise Failed(f"KiB more after {BODY_MIB} MiB up and down: {grown}")
    return f"{BODY_MIB} MiB up and down: {grown['1.1']} KiB more over HTTP/1.1, {grown['2']} over HTTP/2"


CHECKS = [event_stream, grpc_calls, websocket_cases, large_bodies]
