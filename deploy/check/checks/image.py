"""The image, as far as it goes without an engine: built by buildah, booted by runc; one node, and a fleet as Compose has it."""

import atexit
import contextlib
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import yaml
from checks.sbom import judged
from fleet import ask, find_binary, ready
from tools import DEPLOY, ROOT, Failed, free_ports, process, run, until

FOLDER = DEPLOY / "container"
# Of the debug binary, stripped. A release binary is smaller by a third, and its image stays below 25 MB.
IMAGE_BYTES_MAX = 33_000_000
SBOM = "usr/share/sbom/sluice.cdx.json"
BUILDING = threading.Lock()
KEY = "A" * 43 + "="


@functools.cache
def built():
    """The final stage of the Containerfile with the debug binary, unpacked: its folder and the bytes that it holds."""
    if os.geteuid() != 0:
        raise Failed("runc and network namespaces need root: sudo ./x deploy-check image")
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    root = folder / "built/rootfs"
    run("strip", "-o", folder / "sluice", find_binary(ROOT))
    run(FOLDER / "rootfs.sh", folder / "sluice", root)
    run(FOLDER / "sbom.sh", root / SBOM, root)
    store = ["buildah", "--storage-driver", "vfs", "--root", folder / "store", "--runroot", folder / "run"]
    env = dict(os.environ, BUILDAH_ISOLATION="chroot")
    run(*store, "bud", "--format", "docker", "--file", FOLDER / "Containerfile", "--target", "runtime",
        "--build-context", f"files={folder}/built", "--ignorefile", FOLDER / "Containerfile.dockerignore", "--tag", "sluice:check", ".", env=env)
    about = json.loads(run(*store, "inspect", "--type", "image", "sluice:check"))["Docker"]["config"]
    if about["User"] != "65532:65532" or about["StopSignal"] != "SIGTERM" or not about["Healthcheck"]:
        raise Failed(f"the image's user, stop signal or health check: {about}")
    run(*store, "push", "-q", "sluice:check", f"oci:{folder}/oci:check")
    run("umoci", "unpack", "--image", f"{folder}/oci:check", folder / "bundle")
    return folder / "bundle", sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


@contextlib.contextmanager
def container(name, folder, *, network=None, env=()):
    """A node from the image: read-only, no capabilities, `config`, `hosts` and `state` of the folder. Gives process and log."""
    with BUILDING:
        image, _ = built()
    state = folder / "state"
    state.mkdir()
    os.chown(state, 65532, 65532)
    for path in [folder, folder / "hosts", folder / "config", *(folder / "config").rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    spec = json.loads((image / "config.json").read_text())
    spec["process"] |= {"terminal": False, "noNewPrivileges": True}
    spec["process"]["capabilities"] = {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")}
    spec["process"]["env"] += [f"SLUICE_KEY={KEY}", *env]
    spec["root"] = {"path": str(image / "rootfs"), "readonly": True}
    others = [n for n in spec["linux"]["namespaces"] if n["type"] != "network"]
    # Without one of its own it is bound to loopback by its config.
    spec["linux"]["namespaces"] = others + ([{"type": "network", "path": f"/run/netns/{network}"}] if network else [])
    spec["mounts"] = [m for m in spec["mounts"] if m["destination"] not in ("/var/lib/sluice", "/sys", "/sys/fs/cgroup")]
    for source, destination, mode in (("config", "/etc/sluice", "ro"), ("hosts", "/etc/hosts", "ro"), ("state", "/var/lib/sluice", "rw")):
        spec["mounts"].append({"destination": destination, "type": "bind", "source": str(folder / source), "options": ["rbind", mode]})
    (folder / "config.json").write_text(json.dumps(spec))
    log = folder / "log"
    try:
        with open(log, "wb") as out:
            yield subprocess.Popen(["runc", "run", "--bundle", str(folder), name], stdout=out, stderr=out), log
    finally:
        run("runc", "delete", "--force", name)


class SlowOrigin(http.server.BaseHTTPRequestHandler):
    """Answers after two seconds, so that a request is in flight when the container is asked to stop."""

    arrived = threading.Event()

    def do_GET(self):
        if self.path == "/slow":
            self.arrived.set()
            time.sleep(2)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def one_node():
    """Small, without a shell; booted read-only as 65532; finds its origin by name; TERM lets the request in flight finish."""
    with BUILDING:
        image, size = built()
    if size > IMAGE_BYTES_MAX:
        raise Failed(f"the image holds {size} bytes, more than {IMAGE_BYTES_MAX}")
    packages = {each["name"] for each in judged((image / "rootfs" / SBOM).read_text())["components"] if each["purl"].startswith("pkg:deb/")}
    if not {"libc6", "ca-certificates"} <= packages:
        raise Failed(f"the image's SBOM names only {sorted(packages)} of Debian")
    if shells := [p for p in image.rglob("*") if p.name in ("sh", "bash", "busybox")]:
        raise Failed(f"a shell is in the image: {shells}")
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        web, admin, origin_port = free_ports(3)
        origin = http.server.ThreadingHTTPServer(("127.0.0.1", origin_port), SlowOrigin)
        threading.Thread(target=origin.serve_forever, daemon=True).start()
        stack.callback(origin.shutdown)
        shutil.copytree(FOLDER / "config", folder / "config")
        for file, old, new in (("sluice.toml", "0.0.0.0:8080", f"127.0.0.1:{web}"), ("sluice.toml", "0.0.0.0:9900", f"127.0.0.1:{admin}"),
                               ("tenants/shop.toml", "origin:8080", f"origin.test:{origin_port}")):
            path = folder / "config" / file
            path.write_text(path.read_text().replace(old, new))
        (folder / "hosts").write_text("127.0.0.1 origin.test\n")
        name = f"sluice-check-{os.getpid()}"
        child, log = stack.enter_context(container(name, folder))
        until(lambda: f"the container is ready:\n{log.read_text()}", lambda: ready(admin), 20)
        sluice = ("runc", "exec", name, "/usr/local/bin/sluice", "health")
        run(*sluice, "--ready", "--config", "/etc/sluice")
        run(*sluice, "--url", f"http://127.0.0.1:{admin}/none", ok=(1,))
        answers = []
        slow = threading.Thread(target=lambda: answers.append(ask(web, "/slow", {"Host": "localhost"}, {})))
        slow.start()
        if not SlowOrigin.arrived.wait(10):
            raise Failed(f"no request reached the origin through the container:\n{log.read_text()}")
        run("runc", "kill", name, "TERM")
        slow.join(20)
        if answers != [200]:
            raise Failed(f"the request in flight when TERM came was answered with {answers}, not 200")
        begun = time.monotonic()
        if child.wait(40) != 0:
            raise Failed(f"the container ended with {child.returncode}:\n{log.read_text()}")
    return f"{size / 1e6:.1f} MB with the debug binary; ended {time.monotonic() - begun:.1f} s after its last request"


HOSTS = {"redis": 10, "node-1": 11, "node-2": 12, "node-3": 13, "origin": 20, "balancer": 30, "client": 40}


@contextlib.contextmanager
def network(prefix):
    """A host for each part of Compose, on one bridge, in network namespaces that end with the block."""
    names = {name: f"{prefix}-{name}" for name in ["bridge", *HOSTS]}
    with contextlib.ExitStack() as stack:
        for name in names.values():
            run("ip", "netns", "add", name)
            stack.callback(run, "ip", "netns", "del", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", names["bridge"], "link", "add", "front", "type", "bridge")
        run("ip", "-n", names["bridge"], "link", "set", "front", "up")
        for name, last in HOSTS.items():
            run("ip", "-n", names["bridge"], "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", names[name])
            run("ip", "-n", names["bridge"], "link", "set", name, "master", "front", "up")
            run("ip", "-n", names[name], "addr", "add", f"172.31.254.{last}/24", "dev", "eth0")
            run("ip", "-n", names[name], "link", "set", "eth0", "up")
        yield names


def fleet():
    """Three nodes, Redis, HAProxy with Compose's own files: a visitor inside stays inside while nodes die and drain."""
    document = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        prefix = f"sl{os.getpid()}"
        names = stack.enter_context(network(prefix))
        (folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"172.31.254.{last} {name}\n" for name, last in HOSTS.items()))

        def inside(name, *command):
            # `ip netns exec` would hide the check's own mounts; names are found through the hosts file of this one command.
            return ["ip", "netns", "exec", names[name], "unshare", "--mount", "sh", "-c",
                    f'mount --bind {folder}/hosts /etc/hosts && exec "$@"', "sh", *map(str, command)]

        for name in ("valkey.conf", "users.acl"):
            text = document["configs"][name]["content"].replace("${SLUICE_STORE_PASSWORD}", "x" * 24)
            (folder / name).write_text(re.sub(r"/etc/valkey|/data", str(folder), text))
        (folder / "origin.py").write_text(
            "import http.server\n"
            "class Origin(http.server.BaseHTTPRequestHandler):\n"
            "    protocol_version = 'HTTP/1.1'\n"
            "    def do_GET(self):\n"
            "        self.send_response(200); self.send_header('Content-Length', '7'); self.end_headers(); self.wfile.write(b'inside\\n')\n"
            "http.server.ThreadingHTTPServer(('0.0.0.0', 8080), Origin).serve_forever()\n")
        haproxy = (FOLDER.parent / "in-front/haproxy.cfg").read_text().replace("maxconn 40000", "maxconn 400")
        # Names come from the hosts file: there is no name server.
        (folder / "haproxy.cfg").write_text(haproxy.replace(" resolvers containers init-addr last,libc,none", ""))
        stack.enter_context(process(*inside("origin", "python3", folder / "origin.py"), log=folder / "origin.log"))
        # Valkey and Redis read the same file.
        stack.enter_context(process(*inside("redis", "redis-server", folder / "valkey.conf", "--bind", "0.0.0.0"), log=folder / "redis.log"))
        logs = []
        for number in (1, 2, 3):
            own = folder / f"node-{number}"
            (own / "config").mkdir(parents=True)
            shutil.copy(FOLDER / "config-fleet/sluice.toml", own / "config")
            shutil.copytree(FOLDER / "config/tenants", own / "config/tenants")
            tenant = own / "config/tenants/shop.toml"
            tenant.write_text(tenant.read_text().replace("max_active = 2000", "max_active = 1"))
            shutil.copy(folder / "hosts", own / "hosts")
            env = [f"SLUICE_STORE_PASSWORD={'x' * 24}"]
            logs.append(stack.enter_context(container(f"{prefix}-{number}", own, network=names[f"node-{number}"], env=env))[1])
        stack.enter_context(process(*inside("balancer", "haproxy", "-db", "-f", folder / "haproxy.cfg"), log=folder / "haproxy.log"))

        def get(url, *options):
            try:
                return run(*inside("client", "curl", "-s", "-m", "5", "-w", "%{http_code}", *options, url))
            except Failed:
                return "000"

        def curl(jar, path="/"):
            return get(f"http://balancer:8080{path}", "-b", folder / jar, "-c", folder / jar, "-H", "Accept: text/html",
                       "-H", "Host: shop.example.com")

        def explained():
            return "\n".join(path.read_text()[-1500:] for path in [*logs, folder / "haproxy.log", folder / "redis.log"])

        for number in (1, 2, 3):
            until(lambda: f"every node is ready:\n{explained()}",
                  lambda number=number: get(f"http://node-{number}:9900/health/ready").endswith("200"), 30)
        until(lambda: f"the first visitor is inside:\n{explained()}", lambda: curl("first") == "inside\n200", 30)
        # The one seat is taken: the second one stands in line, and asks for its number.
        if not curl("second").endswith("503"):
            raise Failed("the second visitor does not stand in line though the one seat is taken")

        def position():
            with contextlib.suppress(ValueError):
                return json.loads(curl("second", "/.sluice/status?queue=shop")[:-3]).get("number")

        number = until(lambda: f"the second visitor has a number:\n{explained()}", position, 20)
        run("runc", "kill", f"{prefix}-1", "KILL")
        run("runc", "kill", f"{prefix}-2", "TERM")
        answers = [curl("first") for _ in range(40)]
        lost = [answer for answer in answers if answer != "inside\n200"]
        # A node that is killed takes at most the requests before the balancer's next checks along.
        if len(lost) > 2:
            raise Failed(f"{len(lost)} of 40 requests of the visitor inside failed: {sorted(set(lost))}\n{explained()}")
        if (now := position()) != number:
            raise Failed(f"the second visitor had number {number} and has {now}")
    return f"40 requests while one node was killed and one drained: {len(lost)} failed; number {number} was kept"


CHECKS = [one_node, fleet]
