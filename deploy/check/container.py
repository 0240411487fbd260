"""The image's file, the image itself as far as it goes without an engine, and Compose."""

import contextlib
import http.server
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import yaml
from fleet import ask, find_binary, ready
from tools import DEPLOY, ROOT, Failed, free_ports, refuses, run, until

FOLDER = DEPLOY / "container"
IMAGE_BYTES_MAX = 25_000_000


def files():
    """hadolint, shellcheck, rustfmt."""
    run("hadolint", FOLDER / "Containerfile")
    run("shellcheck", FOLDER / "rootfs.sh")
    run("rustfmt", "--check", "--edition", "2024", "--config-path", ROOT / "rustfmt.toml", FOLDER / "health.rs")


def compose():
    """Docker Compose itself and a linter; every file that is mounted exists; Redis permits what it should."""
    run("compose-lint", FOLDER / "compose.yaml")
    document = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    # Its wrapper in Python hides the exit code.
    command = Path(importlib.util.find_spec("compose").origin).with_name("docker-compose")
    secrets = dict(os.environ, SLUICE_KEY="key", SLUICE_STORE_PASSWORD="store-password", GRAFANA_PASSWORD="grafana")

    def ask_compose(file, profiles):
        return run(command, "--project-directory", FOLDER, "-f", file, "config", "--no-path-resolution",
                   env=dict(secrets, COMPOSE_PROFILES=profiles))

    nodes = {"one": {"sluice"}, "fleet": {"node-1", "node-2", "node-3"}, "fleet,observe": {"node-1", "prometheus", "grafana"}}
    for profiles, expected in nodes.items():
        found = set(yaml.safe_load(ask_compose(FOLDER / "compose.yaml", profiles))["services"])
        if not expected <= found or ("sluice" in found) != (profiles == "one"):
            raise Failed(f"profile {profiles} runs {sorted(found)}")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as wrong:
        wrong.write((FOLDER / "compose.yaml").read_text().replace("restart:", "restartz:"))
        wrong.flush()
        refuses("Compose", lambda: ask_compose(wrong.name, "one"))
    for name, service in document["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith(".") and not (FOLDER / source).exists():
                raise Failed(f"{name} mounts {source}, which does not exist")
    manual = next(line.strip() for line in (DEPLOY / "fleet.md").read_text().splitlines() if line.strip().startswith("user sluice on"))
    if manual.replace(">PASSWORD", ">${SLUICE_STORE_PASSWORD}") not in document["configs"]["users.acl"]["content"]:
        raise Failed("users.acl in compose.yaml is not what fleet.md says")


def configs():
    """The node takes the configs that Compose mounts. Names of containers resolve here as there, to some address."""
    binary, key = find_binary(ROOT), "A" * 43 + "="
    for source in ("config", "config-fleet"):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            shutil.copy(FOLDER / source / "sluice.toml", folder)
            shutil.copytree(FOLDER / "config/tenants", folder / "tenants")
            for tenant in (folder / "tenants").iterdir():
                tenant.write_text(tenant.read_text().replace('"origin:', '"127.0.0.1:'))
            run(binary, "check", "--config", folder, env=dict(os.environ, SLUICE_KEY=key, SLUICE_STORE_PASSWORD="x" * 24))


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


def image():
    """The final stage, built with the debug binary; booted read-only as 65532 without capabilities; drained by TERM."""
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        root = folder / "built/rootfs"
        run("strip", "-o", folder / "sluice", find_binary(ROOT))
        run("rustc", "--edition", "2024", "-D", "warnings", "-C", "opt-level=s", "-C", "strip=symbols", "-o", folder / "health", FOLDER / "health.rs")
        run(FOLDER / "rootfs.sh", folder / "sluice", folder / "health", root)
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        if size > IMAGE_BYTES_MAX:
            raise Failed(f"the image holds {size} bytes, more than {IMAGE_BYTES_MAX}")
        if shells := [p for p in root.rglob("*") if p.name in ("sh", "bash", "busybox")]:
            raise Failed(f"a shell is in the image: {shells}")
        store = ["buildah", "--storage-driver", "vfs", "--root", folder / "store", "--runroot", folder / "run"]
        env = dict(os.environ, BUILDAH_ISOLATION="chroot")
        run(*store, "bud", "--format", "docker", "--file", FOLDER / "Containerfile", "--target", "runtime",
            "--build-context", f"files={folder}/built", "--ignorefile", FOLDER / "Containerfile.dockerignore", "--tag", "sluice:check", ".", env=env)
        about = json.loads(run(*store, "inspect", "--type", "image", "sluice:check"))["Docker"]["config"]
        if about["User"] != "65532:65532" or about["StopSignal"] != "SIGTERM" or not about["Healthcheck"]:
            raise Failed(f"the image's user, stop signal or health check: {about}")
        run(*store, "push", "-q", "sluice:check", f"oci:{folder}/oci:check")
        run("umoci", "unpack", "--image", f"{folder}/oci:check", folder / "bundle")

        http_port, admin, origin_port = free_ports(3)
        origin = http.server.ThreadingHTTPServer(("127.0.0.1", origin_port), SlowOrigin)
        threading.Thread(target=origin.serve_forever, daemon=True).start()
        stack.callback(origin.shutdown)
        config, state = folder / "config", folder / "state"
        shutil.copytree(FOLDER / "config", config)
        for file, old, new in (("sluice.toml", "0.0.0.0:8080", f"127.0.0.1:{http_port}"), ("sluice.toml", "0.0.0.0:9900", f"127.0.0.1:{admin}"),
                               ("tenants/shop.toml", "origin:8080", f"origin.test:{origin_port}")):
            (config / file).write_text((config / file).read_text().replace(old, new))
        state.mkdir()
        # The image must be able to find a name.
        (folder / "hosts").write_text("127.0.0.1 origin.test\n")
        os.chown(state, 65532, 65532)
        for path in [folder, folder / "hosts", config, *config.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        bundle(folder / "bundle/config.json", config, state)
        name = f"sluice-check-{os.getpid()}"
        log = folder / "container.log"
        stack.callback(lambda: run("runc", "delete", "--force", name))
        with open(log, "wb") as out:
            child = subprocess.Popen(["runc", "run", "--bundle", str(folder / "bundle"), name], stdout=out, stderr=out)
            until(lambda: f"the container is ready:\n{log.read_text()}", lambda: ready(admin), 20)
            run("runc", "exec", name, "/usr/local/bin/sluice-health", "/health/ready", f"127.0.0.1:{admin}")
            run("runc", "exec", name, "/usr/local/bin/sluice-health", "/none", f"127.0.0.1:{admin}", ok=(1,))
            answers = []
            slow = threading.Thread(target=lambda: answers.append(ask(http_port, "/slow", {"Host": "localhost"}, {})))
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


def bundle(path, config, state):
    """Read-only, no capabilities, the machine's own network: it is bound to loopback by its config."""
    spec = json.loads(path.read_text())
    spec["process"]["terminal"] = False
    spec["process"]["noNewPrivileges"] = True
    spec["process"]["capabilities"] = {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")}
    spec["process"]["env"].append("SLUICE_KEY=" + "A" * 43 + "=")
    spec["root"]["readonly"] = True
    spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "network"]
    spec["mounts"] = [m for m in spec["mounts"] if m["destination"] not in ("/var/lib/sluice", "/sys", "/sys/fs/cgroup")]
    hosts = config.with_name("hosts")
    for source, destination, mode in ((config, "/etc/sluice", "ro"), (hosts, "/etc/hosts", "ro"), (state, "/var/lib/sluice", "rw")):
        spec["mounts"].append({"destination": destination, "type": "bind", "source": str(source), "options": ["rbind", mode]})
    path.write_text(json.dumps(spec))


CHECKS = [image, compose, configs, files]
