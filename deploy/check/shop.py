"""A node before one origin, for checks with real clients and servers: plain HTTP/1.1, and TLS with HTTP/2."""

import contextlib
import json
import os
import subprocess
from pathlib import Path

from fleet import find_binary, ready
from tools import ROOT, Failed, free_ports, process, run, until

HOST = "shop.example.com"
# The same shop, for clients that cannot name another host than they connect to.
LOCAL = "localhost"
# No visitor is ever let in here.
HELD = "held.example.com"
# No visitor waits, and each gets a pass.
ADMITS = "release_per_minute = 6000\nburst = 1000\n"


class Shop:
    """Where a node listens, and its process."""

    def __init__(self, folder, http, https, child):
        self.folder, self.http, self.https, self.child = folder, http, https, child
        self.certificate = folder / "shop.pem"

    def anonymous_kib(self):
        """Memory of the node that is its own."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("RssAnon:")).split()[1])

    def curl(self, version, path, *options, within_s=90):
        """What curl writes out of one request, by HTTP/1.1 in the clear or HTTP/2 over TLS."""
        url, port = (f"http://{HOST}:{self.http}", self.http) if version == "1.1" else (f"https://{HOST}:{self.https}", self.https)
        command = ["curl", "-sS", "--path-as-is", f"--http{version}", "--noproxy", "*", "--resolve", f"{HOST}:{port}:127.0.0.1",
                   "--cacert", self.certificate, *options, url + path]
        done = subprocess.run([str(part) for part in command], capture_output=True, timeout=within_s, check=False)
        if done.returncode:
            raise Failed(f"curl {version} {path}: {done.stderr.decode()}")
        return done.stdout


@contextlib.contextmanager
def shop(folder, origin, queue=ADMITS):
    """A node before an origin of these lines, whose shop has a queue of these settings."""
    http, https, admin = free_ports(3)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
        "-subj", "/CN=shop", "-addext", f"subjectAltName=DNS:{HOST},DNS:{HELD},DNS:{LOCAL}", "-addext", "basicConstraints=critical,CA:FALSE",
        "-keyout", folder / "shop.key", "-out", folder / "shop.pem")
    (folder / "shop.key").chmod(0o600)
    (folder / "tenants").mkdir()
    (folder / "sluice.toml").write_text(
        f'[server]\nhttp = ["127.0.0.1:{http}"]\nhttps = ["127.0.0.1:{https}"]\nadmin = "127.0.0.1:{admin}"\nthreads = 1\n'
        'drain_timeout = "1s"\n[keys]\ncurrent = "a"\nsecrets = { a = { env = "SLUICE_KEY" } }\n')
    for name, hosts, settings in (("shop", [HOST, LOCAL], queue), ("held", [HELD], 'release_per_minute = 60\nmode = "hold"\n')):
        (folder / "tenants" / f"{name}.toml").write_text(
            f'name = "{name}"\nhosts = {json.dumps(hosts)}\n[origin]\n{origin}\n'
            '[tls]\nredirect_http = false\ncertificates = [{ chain = "shop.pem", key = { file = "shop.key" } }]\n'
            f'[[queue]]\nname = "sale"\n{settings}')
    env = dict(os.environ, SLUICE_KEY="A" * 43 + "=")
    log = folder / "node.log"
    with process(find_binary(ROOT), "run", "--config", folder, log=log, env=env) as child:
        until(lambda: log.read_text(), lambda: ready(admin), 20)
        yield Shop(folder, http, https, child)
