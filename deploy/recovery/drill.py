#!/usr/bin/env python3
"""Loses a node, its store and its machine, under a crowd, and measures what comes back and how soon.

    deploy/recovery/drill.py [SLUICE]

SLUICE is the binary; without it the one in PATH. Everything runs on loopback in a directory of its own; nothing of this
machine's own Sluice is touched. Needs Python 3.9 and, for the rows with Redis, redis-server. Exits with 1 if a target is missed.

RTO: from the loss until the line goes on, which is when a visitor reads "waiting" and not "held"; for a store, from its
return. Until then the page says to stay, and that no place is lost.
RPO: how much of the line is lost. A place is kept if its visitor has the same number and stands in the same order.
"""

import base64
import contextlib
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

VISITORS = 200
LATE = 20  # who come after the backup
THREADS = 4
HOST = "shop.example.com"
WAIT_S_MAX = 60


class Missed(Exception):
    """The drill found something. The text says what."""


def free_port():
    with socket.socket() as attempt:
        attempt.bind(("127.0.0.1", 0))
        return attempt.getsockname()[1]


class Visitor:
    """A browser of one visitor: its cookies, and the number it was given."""

    def __init__(self, port):
        self.port, self.cookies, self.number = port, {}, None

    def ask(self, method, path, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            headers = {"Host": HOST, **fields} | ({"Cookie": cookies} if cookies else {})
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        for field in answer.headers.get_all("Set-Cookie", []):
            name, _, value = field.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, body

    def poll(self):
        """The status document; None if there is no answer now."""
        try:
            status, body = self.ask("GET", "/.sluice/status?queue=sale", Accept="application/json")
            return json.loads(body) if status == 200 else None
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def ticket(self):
        """The number in the ticket, which is exact; pages show it without those that were skipped."""
        payload = self.cookies["sluice_ticket_sale"].split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["n"]

    def is_in(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/", Accept="text/html")[0] == 204
        return False

    def join(self):
        self.ask("GET", "/", Accept="text/html")
        found = until("a visitor is given a number", lambda: (self.poll() or {}).get("number"))
        self.number = found
        return self


def until(what, condition, within_s=WAIT_S_MAX):
    end = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Missed(f"not within {within_s} s: {what}")
        time.sleep(0.02)


class Crowd:
    """Visitors who go on asking, as pages do, but all the time; the one inside too."""

    def __init__(self, visitors, insider):
        self.visitors, self.insider, self.stops = visitors, insider, threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(nth,), daemon=True) for nth in range(THREADS)]

    def run(self, nth):
        while not self.stops.is_set():
            if nth == 0:
                self.insider.is_in()
            for visitor in self.visitors[nth::THREADS]:
                visitor.poll()
                if self.stops.wait(0.005):
                    return

    def __enter__(self):
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_):
        self.stops.set()
        for thread in self.threads:
            thread.join()


class Origin(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Site:
    """An origin, a node with one queue of one seat, which is taken, and its store."""

    def __init__(self, sluice, folder, redis):
        self.sluice, self.folder = sluice, folder
        self.web, self.admin, self.redis_port = free_port(), free_port(), free_port() if redis else None
        self.node = self.redis = None
        self.env = dict(os.environ, SLUICE_KEY="A" * 43 + "=")
        (folder / "tenants").mkdir()
        store = f'[store]\nurl = "redis://127.0.0.1:{self.redis_port}"\n' if redis else ""
        (folder / "sluice.toml").write_text(
            f'[server]\nhttp = ["127.0.0.1:{self.web}"]\nadmin = "127.0.0.1:{self.admin}"\nstate_dir = "state"\n'
            f'[keys]\ncurrent = "a"\nsecrets = {{ a = {{ env = "SLUICE_KEY" }} }}\n{store}')
        self.origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
        (folder / "tenants" / "shop.toml").write_text(
            f'name = "shop"\nhosts = ["{HOST}"]\n[origin]\nservers = ["127.0.0.1:{self.origin.server_port}"]\n'
            '[[queue]]\nname = "sale"\nrelease_per_minute = 60\nmax_active = 1\non_store_loss = "hold"\n')

    def __enter__(self):
        threading.Thread(target=self.origin.serve_forever, daemon=True).start()
        if self.redis_port:
            self.start_redis()
        self.start_node()
        return self

    def __exit__(self, *_):
        for process in (self.node, self.redis):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        self.origin.shutdown()

    def start_redis(self):
        command = ["redis-server", "--port", self.redis_port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.redis = subprocess.Popen([str(part) for part in command], cwd=self.folder, stdout=subprocess.DEVNULL)

    def start_node(self):
        with open(self.folder / "node.log", "ab") as log:
            command = [self.sluice, "run", "--config", self.folder]
            self.node = subprocess.Popen(command, stdout=log, stderr=log, env=self.env)

    def kill(self, process):
        process.send_signal(signal.SIGKILL)
        process.wait()

    def command(self, *arguments):
        done = subprocess.run([self.sluice, *arguments, "--config", self.folder], env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missed(f"sluice {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")

    def crowd(self, count):
        return [Visitor(self.web).join() for _ in range(count)]

    def fill(self):
        """Has a visitor take the seat."""
        self.insider = Visitor(self.web)
        until("a visitor is let in", self.insider.is_in)
        # With its pass: one that never comes back with it would not keep the seat for long.
        until("the pass is taken", self.insider.is_in)
        # A node writes down what it knows once a second; two losses within one are more than is promised.
        until("the node has written the seat down", self.has_kept_a_seat)

    def has_kept_a_seat(self):
        with contextlib.suppress(OSError, ValueError):
            kept = json.loads((self.folder / "state" / "shop.sale.known").read_text())
            return bool(kept["known"]["inside"])
        return False

    def back(self, visitors, since, rto_s_max, what):
        """Waits until places are shown again, and judges them. Returns seconds since the loss, and places lost."""
        first = visitors[0]
        until("the visitor inside is let through", self.insider.is_in)
        until("the line goes on", lambda: (first.poll() or {}).get("state") == "waiting")
        took = time.monotonic() - since
        lost = 0
        for visitor in visitors:
            found = until("every visitor is shown a place", lambda v=visitor: (v.poll() or {}).get("number"))
            lost += found != visitor.number
        def ahead(visitor):
            found = until("a visitor is answered", visitor.poll)["ahead"]
            if found is None:
                raise Missed(f"{what}: a visitor with the number {visitor.number} has no place in line")
            return found
        ranks = [ahead(visitor) for visitor in visitors]
        lost += sum(later < earlier for earlier, later in zip(ranks, ranks[1:]))
        print(f"{what:<66} RTO {took:5.2f} s (at most {rto_s_max})   RPO {lost} of {len(visitors)} places lost", flush=True)
        if took > rto_s_max or lost:
            raise Missed(f"{what}: a target is missed")


def drill(sluice, redis):
    store = "Redis" if redis else "embedded"
    with tempfile.TemporaryDirectory() as temporary, Site(sluice, Path(temporary), redis) as site:
        site.fill()
        visitors = site.crowd(VISITORS)
        with Crowd(visitors, site.insider):
            lost = time.monotonic()
            site.kill(site.node)
            site.start_node()
        site.back(visitors, lost, 5, f"{store}: the node is killed")

        if redis:
            with Crowd(visitors, site.insider):
                site.kill(site.redis)
                until("the node misses its store", lambda: (visitors[0].poll() or {}).get("state") == "held")
                site.start_redis()
                lost = time.monotonic()
            site.back(visitors, lost, 3, f"{store}: the store is killed and comes back empty")

        backup = site.folder.parent / f"{site.folder.name}-{store}.tar.gz"
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: backup.unlink(missing_ok=True))
            with Crowd(visitors, site.insider):
                site.command("backup", "--to", backup)
                visitors += site.crowd(LATE)
                lost = time.monotonic()
                site.kill(site.node)
                if redis:
                    site.kill(site.redis)
                    site.start_redis()
                shutil.rmtree(site.folder / "state")
                site.command("restore", "--from", backup)
                site.start_node()
            what = f"{store}: all is lost, a backup is put back ({LATE} came after it)"
            site.back(visitors, lost, 60, what)
            newcomer = Visitor(site.web).join()
            if newcomer.number in {visitor.number for visitor in visitors}:
                raise Missed("a number was given twice")


def copied(sluice):
    """A volume that was copied while the node ran, as snapshots and Velero do, is put back without `sluice restore`."""
    with tempfile.TemporaryDirectory() as temporary, Site(sluice, Path(temporary), False) as site:
        site.fill()
        visitors = site.crowd(VISITORS)
        state, copy = site.folder / "state", site.folder / "copy"
        with Crowd(visitors, site.insider):
            # Files that are being written get other names; the lock is the process's own.
            shutil.copytree(state, copy, ignore=shutil.ignore_patterns("*.draft", "*.new", "lock"))
            visitors += site.crowd(LATE)
        lost = time.monotonic()
        site.kill(site.node)
        shutil.rmtree(state)
        copy.rename(state)
        (state / "restored").write_text(str(int(time.time())))
        site.start_node()
        until("the node is back", visitors[0].poll)
        # Before those are back whom the copy does not know.
        newcomer = Visitor(site.web).join()
        site.back(visitors, lost, 60, f"embedded: a copy of the volume is put back ({LATE} came after it)")
        if newcomer.ticket() in {visitor.ticket() for visitor in visitors}:
            raise Missed("a number was given twice")


def main():
    sluice = sys.argv[1] if len(sys.argv) > 1 else shutil.which("sluice")
    if not sluice or not re.match(r"sluice ", subprocess.run([sluice, "--version"], capture_output=True, text=True, check=True).stdout):
        sys.exit("drill: no sluice in PATH; name it as the first argument")
    sluice = str(Path(sluice).resolve())
    drill(sluice, redis=False)
    copied(sluice)
    if shutil.which("redis-server"):
        drill(sluice, redis=True)
    else:
        print("The rows with Redis were left out: there is no redis-server in PATH.")


if __name__ == "__main__":
    try:
        main()
    except Missed as found:
        sys.exit(f"drill: {found}")
