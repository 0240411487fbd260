"""What stands behind: real servers answer through a node as they do without it, and no spelling of a path gets around a queue.

`SLUICE_SPELLINGS` says how many spellings of several tricks are tried on each server.
"""

import contextlib
import os
import random
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from origins import KINDS, PROTECTED
from shop import ADMITS, HOST, shop
from tools import Failed

SPELLINGS = int(os.environ.get("SLUICE_SPELLINGS", "1000"))
# Fields that say something of a connection, or of the moment; and what a proxy adds.
OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding", "date", "via", "server", "content-length", "sluice-state"}

ASKED = {
    "a page": ("/text",),
    "a query": ("/text?a=b&c=%20d",),
    "HEAD": ("/text", "-I"),
    "a file": ("/style.css",),
    "a file, packed": ("/style.css", "-H", "Accept-Encoding: gzip"),
    "a part of a file": ("/style.css", "-H", "Range: bytes=5-20"),
    "a redirect": ("/moved",),
    "no content": ("/empty",),
    "an odd status": ("/teapot",),
    "nothing there": ("/none",),
    "pieces": ("/pieces",),
    "a form": ("/echo", "-d", "a=1&b=2"),
    "a body of 3 MB": ("/echo", "-H", "Content-Type: application/octet-stream", "--data-binary", "@body"),
    "a body in chunks": ("/echo", "-H", "Content-Type: a/b", "-H", "Transfer-Encoding: chunked", "--data-binary", "@body"),
    "a method that is not allowed": ("/echo", "-X", "DELETE"),
}


def begun(folder, start, stack):
    """The server, in a folder that its workers may read, whatever user they run as."""
    origin = folder / "origin"
    origin.mkdir()
    folder.chmod(0o755)
    return folder, stack.enter_context(start(origin))


def answer(said):
    """Status, fields and body of what curl has written."""
    head, _, body = said.partition(b"\r\n\r\n")
    while head.split(b" ", 2)[1].startswith(b"1"):
        head, _, body = body.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    kept = [(name, value) for name, value in fields if name not in OF_ONE_HOP and "sluice_" not in value]
    return status.split(" ")[1], sorted(kept), body


def run_curl(url, field, *options):
    """What the server itself answers, as curl writes it."""
    command = ["curl", "-sS", "-i", "--path-as-is", "--noproxy", "*", "-H", f"Host: {HOST}", "-H", field, *options, url]
    return subprocess.run(command, capture_output=True, timeout=30, check=True).stdout


def as_without(start):
    """What differs between a server behind a node and the same server alone."""
    differ = []
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder, port = begun(Path(temporary), start, stack)
        made = stack.enter_context(shop(folder, f'servers = ["127.0.0.1:{port}"]', ADMITS + 'mode = "open"\n'))
        (folder / "body").write_bytes(random.Random(1).randbytes(3_000_000))
        for what, (path, *options) in ASKED.items():
            options = [option.replace("@body", f"@{folder / 'body'}") for option in options]
            for version, scheme in (("1.1", "http"), ("2", "https")):
                alone = answer(run_curl(f"http://127.0.0.1:{port}{path}", f"X-Forwarded-Proto: {scheme}", *options))
                behind = answer(made.curl(version, path, "-i", "-H", f"Host: {HOST}", *options))
                if behind != alone:
                    differ.append(f"{what}, HTTP/{version}:\n  alone  {str(alone)[:400]}\n  behind {str(behind)[:400]}")
    return differ


def servers_answer_as_without_it():
    """nginx, Express, Flask, Bottle: status, fields and body are those that they give alone."""
    kinds = [kind for kind in KINDS if kind not in ("nginx, by a pattern", "nginx, in any case")]
    found = {kind: as_without(KINDS[kind]) for kind in kinds}
    if wrong := {kind: differ for kind, differ in found.items() if differ}:
        raise Failed("\n".join(f"{kind}: {one}" for kind, differ in wrong.items() for one in differ))
    return f"{len(ASKED)} requests to each of {len(kinds)} servers"


PREFIXES = ["", "/", "//", "/.", "/./.", "/a/..", "/a/b/../..", "/%2e", "/%2E/.", "/a/%2e%2e", "/a/.%2e", "/a%2f..", "/a%2F%2e%2e",
            "/a/..;", "/;a", "/;a=b", "/%2f", "/%5c", "/\\", "/..", "/%2e%2e", "/a/..%2f", "/%252e", "/%252f", "/a%5c..", "/a\\..",
            "/%00", "/%20", "/%09", "/%0a", "/%c0%af", "/%c0%ae", "/%80", "/%ff", "/%u002f", "/?", "/%3f", "/%23", "/..%00",
            "/a/..//", "/./", "/%e2%80%8b", "/%ef%bb%bf", f"http://{HOST}", f"http://{HOST}/", f"http://{HOST}/a/..",
            f"HTTP://{HOST.upper()}", f"https://{HOST}"]
SUFFIXES = ["", "/", "//", "/.", "/./", "/a/..", "/..", "/../checkout", "?", "?a", "?/../..", ";", ";a", ";a=b", "/;a", "%3b", "%3Ba=b",
            "%20", "%20%20", "%09", "%0a", "%0d%0a", "%00", "%00a", "%2f", "%2F", "%5c", "\\", "%3f", "%3F", "%3fa", "%23", "%23a",
            "%252f", "%253f", ".", "..", "%2e", "%80", "%ff", "%c2", "%c2%a0", "%e2%80%8b", "%ef%bb%bf", ".html", ".php", ".json", "&a",
            "+", "*", "%", "%2", "%zz", ":80", "@a", "/%2e", "/%2e%2e/checkout", "%2f.", "/index.html"]


def words():
    """`checkout` in every dress that some server takes off."""
    plain = "checkout"
    one = [plain[:n] + dressed + plain[n + 1:] for n, letter in enumerate(plain) for dressed in (
        letter.upper(), f"%{ord(letter):02x}", f"%{ord(letter):02X}", f"%{ord(letter.upper()):02x}", f"%25{ord(letter):02x}",
        f"%u00{ord(letter):02x}", f"%c1%{ord(letter) | 0x80:02x}", f"%ef%bd%{ord(letter) + 0x20:02x}", f"{letter}%00", f"%80{letter}",
        f"{letter}%ff", f"%c2%ad{letter}", f"%e2%80%8d{letter}", f"{letter}%09", f"{letter}%0a", f"{letter};a=b", f"{letter}\u00ad")]
    whole = [plain, plain.upper(), plain.title(), "".join(f"%{ord(letter):02x}" for letter in plain),
             "".join(f"%{ord(letter):02X}" for letter in plain.upper()), "".join(f"%25{ord(letter):02x}" for letter in plain)]
    return whole + one


def reaches(port, spelling):
    """Whether the handler of `/checkout` answers this target."""
    with socket.create_connection(("127.0.0.1", port), 10) as stream, contextlib.suppress(ConnectionError, TimeoutError):
        stream.sendall(f"GET {spelling} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        said = b""
        while piece := stream.recv(65536):
            said += piece
        return PROTECTED in said
    return False


def reaching(pool, port, targets):
    return [target for target, reached in zip(targets, pool.map(lambda target: reaches(port, target), targets), strict=True) if reached]


def tried_on(pool, port):
    """Targets for a server: every trick by itself, three at once at random, and three of those at once that work by themselves."""
    dressed = words()
    single = {
        "prefix": {f"{prefix}/checkout": prefix for prefix in PREFIXES},
        "word": {f"/{word}": word for word in dressed},
        "suffix": {f"/checkout{suffix}": suffix for suffix in SUFFIXES},
    }
    works = [[tricks[target] for target in reaching(pool, port, list(tricks))] for tricks in single.values()]
    drawn = random.Random(1)

    def three(prefixes, words, suffixes):
        all_of_them = [f"{prefix}/{word}{suffix}" for prefix, word, suffix in product(prefixes, words, suffixes)]
        return drawn.sample(all_of_them, min(SPELLINGS // 2, len(all_of_them)))

    return [target for tricks in single.values() for target in tricks] + three(PREFIXES, dressed, SUFFIXES) + three(*works)


def spellings_of_a_path():
    """However `/checkout` is spelt: where a server takes it for that, the queue does so too."""
    counts, leaks = {}, []
    with ThreadPoolExecutor(8) as pool:
        for kind, start in KINDS.items():
            with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
                folder, port = begun(Path(temporary), start, stack)
                queue = 'paths = ["/checkout"]\nrelease_per_minute = 60\nmode = "hold"\n'
                made = stack.enter_context(shop(folder, f'servers = ["127.0.0.1:{port}"]', queue))
                tried = tried_on(pool, port)
                counts[kind] = (len(tried), len(reaching(pool, port, tried)))
                leaks += [f"{kind}: {target!r}" for target in reaching(pool, made.http, tried)]
    if leaks:
        raise Failed(f"{len(leaks)} spellings reached the handler unqueued:\n" + "\n".join(leaks[:50]))
    # A server that takes hardly any of them for the path shows nothing.
    if deaf := [kind for kind, (_, count) in counts.items() if count < 20]:
        raise Failed(f"hardly any spelling reached the handler without a node: {deaf} of {counts}")
    return "none; without a node " + ", ".join(f"{reached} of {tried} on {kind}" for kind, (tried, reached) in counts.items())


CHECKS = [spellings_of_a_path, servers_answer_as_without_it]
