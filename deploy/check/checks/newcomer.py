"""The page for one machine, followed in a fresh root of this machine's distribution: from the package to HTTPS by the clock."""

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from fleet import find_binary
from tools import DEPLOY, ROOT, Failed, process, run, until

# What the page promises.
MINUTES = 10
APT_S_MAX = 400


def blocks(page, kind):
    return re.findall(rf" *```{kind}\n(.*?) *```", (DEPLOY / page).read_text(), re.S)


def section(text, heading):
    """A table of TOML with the comments that follow it, less the indentation of the list that it stands in."""
    return re.search(rf"^ *\[{heading}\]\n(?: *[^\[\n].*\n)*", text, re.M)[0].replace("\n   ", "\n").lstrip()


class Machine:
    """A root of its own, and a network of its own in which every port is free."""

    def __init__(self, folder, stack):
        self.root, self.network = folder / "root", f"sl{os.getpid()}-new"
        release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
        begun = time.monotonic()
        run("mmdebstrap", "--quiet", "--variant=apt", "--include=ca-certificates,curl", release["VERSION_CODENAME"].strip('"'), self.root,
            within_s=APT_S_MAX)
        self.made_s = time.monotonic() - begun
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        # Any machine that was installed has this.
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        run("mount", "-t", "proc", "proc", self.root / "proc")
        stack.callback(run, "umount", self.root / "proc")
        run("ip", "netns", "add", self.network)
        stack.callback(run, "ip", "netns", "del", self.network)
        run("ip", "-n", self.network, "link", "set", "lo", "up")

    def outside(self, *command):
        """A command of this machine's own in that network."""
        return ["ip", "netns", "exec", self.network, *map(str, command)]

    def inside(self, *command):
        return self.outside("chroot", self.root, *command)

    def types(self, text):
        """What a newcomer copies from the page into a shell."""
        return run(*self.inside("bash", "-euc", text))

    def writes(self, path, text):
        (self.root / path.lstrip("/")).write_text(text)

    def installs(self, package):
        # With this machine's network: the root's own has none.
        shutil.copy(package, self.root / "tmp")
        text = f"export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; apt-get install -y -qq /tmp/{package.name}"
        return run("chroot", self.root, "bash", "-euc", text, within_s=APT_S_MAX)


def authority(machine, folder, stack):
    """Pebble, which proves hosts at port 80 of the machine. Returns the certificate with which its directory is trusted."""
    certificate = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj")
    signer = ("-CA", folder / "signer.pem", "-CAkey", folder / "signer.key")
    run(*certificate, "/CN=who signs the directory", "-keyout", folder / "signer.key", "-out", folder / "signer.pem")
    run(*certificate, "/CN=directory", *signer, "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
        "-keyout", folder / "directory.key", "-out", folder / "directory.pem")
    (folder / "pebble.json").write_text(json.dumps({"pebble": {
        "listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "certificate": str(folder / "directory.pem"),
        "privateKey": str(folder / "directory.key"), "httpPort": 80, "tlsPort": 1}}))
    names = machine.outside("pebble-challtestsrv", "-dns01", "127.0.0.1:8053", "-management", "127.0.0.1:8055", "-http01", "", "-https01", "",
                            "-tlsalpn01", "", "-defaultIPv6", "")
    stack.enter_context(process(*names, log=folder / "names.log"))
    stack.enter_context(process(*machine.outside("pebble", "-strict", "-config", folder / "pebble.json", "-dnsserver", "127.0.0.1:8053"),
                                log=folder / "pebble.log"))

    def root():
        with contextlib.suppress(Failed):
            return run(*machine.outside("curl", "-sf", "--cacert", folder / "signer.pem", "https://localhost:15000/roots/0"))
        return None

    return until("pebble listens", root, 30), (folder / "signer.pem").read_text()


def started(machine):
    """What systemd would do with the unit, which no chroot can: its command, as its user, with its one capability."""
    unit = (machine.root / "usr/lib/systemd/system/sluice.service").read_text()
    says = dict(re.findall(r"^(ExecStart|User|Group|CapabilityBoundingSet)=(.*)$", unit, re.M))
    capability = says["CapabilityBoundingSet"].lower().removeprefix("cap_")
    return machine.outside("setpriv", "--bounding-set", f"-all,+{capability},+sys_chroot,+setuid,+setgid,+setpcap", "chroot", machine.root,
                           "setpriv", f"--reuid={says['User']}", f"--regid={says['Group']}", "--init-groups", f"--inh-caps=-all,+{capability}",
                           f"--ambient-caps=-all,+{capability}", "--no-new-privs", *says["ExecStart"].split())


def ten_minutes():
    """one-machine.md and certificates.md as they are written; afterwards the package is purged."""
    if os.geteuid() != 0:
        raise Failed("a root of its own needs root: sudo ./x deploy-check newcomer")
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        machine = Machine(folder, stack)
        stack.enter_context(process(*machine.outside("python3", "-c", ORIGIN), log=folder / "origin.log"))
        trusted, directory = authority(machine, folder, stack)

        # 1. The page's ten minutes are without the build.
        run(DEPLOY / "debian/build.sh", find_binary(ROOT), folder, within_s=APT_S_MAX)
        (package,) = folder.glob("*.deb")
        begun = time.monotonic()
        machine.installs(package)
        # 2.
        site = next(block for block in blocks("one-machine.md", "toml") if block.startswith("name"))
        check, start = (next(b for b in blocks("one-machine.md", "sh") if word in b) for word in ("sluice check", "systemctl enable"))
        machine.writes("/etc/sluice/tenants/shop.toml", site)
        said = machine.types(check)
        if "queue    shop " not in said:
            raise Failed(f"the page's own check and explain say: {said}")
        # 3. Of the ways to a certificate the one that is automatic, from an authority of the newcomer's own.
        node, tenant = (next(b for b in blocks("certificates.md", "toml") if word in b) for word in ("[acme]", "acme = true\n"))
        head, queues = site.split("[[queue]]", 1)
        machine.writes("/etc/sluice/tenants/shop.toml", f"{head}{section(tenant, 'tls')}\n[[queue]]{queues}")
        text = (machine.root / "etc/sluice/sluice.toml").read_text().replace("https = []", 'https = ["0.0.0.0:443"]')
        acme = section(node, "acme") + '\ndirectory = "https://localhost:14000/dir"\nca_file = "directory.pem"\n'
        machine.writes("/etc/sluice/sluice.toml", f"{text}\n{acme}")
        machine.writes("/etc/sluice/directory.pem", directory)
        machine.writes("/usr/local/share/ca-certificates/own.crt", trusted)
        machine.types("update-ca-certificates >/dev/null 2>&1\n" + check)
        # 4.
        log = folder / "sluice.log"
        child = stack.enter_context(process(*started(machine), log=log))
        asks = [line for line in start.splitlines() if line.startswith("curl")]

        def served():
            with contextlib.suppress(Failed):
                return [machine.types(f"{ask} -sSf") for ask in asks]
            return None

        _, head = until(lambda: f"the page's curl gets the site over HTTPS:\n{log.read_text()}", served, 90)
        took = time.monotonic() - begun
        if " 200" not in head.splitlines()[0] or "own-origin" not in head:
            raise Failed(f"{asks[1]}: {head}")
        # 5.
        path = machine.root / "etc/sluice/tenants/shop.toml"
        path.write_text(path.read_text().replace('mode               = "open"           # everybody', 'mode               = "hold"           # everybody'))
        held = until("the line is held", lambda: "sluice-state: held" in (said := machine.types(asks[1].replace(" -I", " -sI -H Accept:text/html")).lower()) and said, 10)
        if " 503" not in held.splitlines()[0]:
            raise Failed(f"a held line answers {held}")
        if took > MINUTES * 60:
            raise Failed(f"{took:.0f} s, and the page says ten minutes")
        child.terminate()
        child.wait(40)
        run("chroot", machine.root, "dpkg", "--purge", "sluice")
        left = [str(p) for p in ("usr/bin/sluice", "etc/sluice/master.key", "usr/lib/systemd/system/sluice.service") if (machine.root / p).exists()]
        if left:
            raise Failed(f"the purge has left {left}")
    return f"{took:.0f} s from the package to HTTPS, besides the typing; the root took {machine.made_s:.0f} s"


ORIGIN = """
import http.server
class Origin(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("X-Served-By", "own-origin"); self.send_header("Content-Length", "0"); self.end_headers()
    do_HEAD = do_GET
http.server.ThreadingHTTPServer(("127.0.0.1", 8081), Origin).serve_forever()
"""
CHECKS = [ten_minutes]
