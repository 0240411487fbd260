"""The image's file and Compose: what can be said without running them. image.py runs the image."""

import importlib.util
import os
import shutil
import tempfile
import tomllib
from pathlib import Path

import yaml
from fleet import find_binary
from tools import DEPLOY, ROOT, Failed, refuses, run

FOLDER = DEPLOY / "container"


def files():
    """hadolint, shellcheck."""
    run("hadolint", FOLDER / "Containerfile")
    run("shellcheck", FOLDER / "rootfs.sh")


def compose():
    """Docker Compose itself and a linter; every file that is mounted exists; Redis permits what it should."""
    run("compose-lint", FOLDER / "compose.yaml", FOLDER / "compose.logs.yaml")
    document = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    # Its wrapper in Python hides the exit code.
    command = Path(importlib.util.find_spec("compose").origin).with_name("docker-compose")
    secrets = dict(os.environ, SLUICE_KEY="key", SLUICE_STORE_PASSWORD="store-password", GRAFANA_PASSWORD="grafana")

    def ask_compose(file, profiles, *more):
        return run(command, "--project-directory", FOLDER, "-f", file, *more, "config", "--no-path-resolution",
                   env=dict(secrets, COMPOSE_PROFILES=profiles))

    nodes = {"one": {"sluice"}, "fleet": {"node-1", "node-2", "node-3"}, "fleet,observe": {"node-1", "prometheus", "loki", "alloy", "grafana"}}
    for profiles, expected in nodes.items():
        found = set(yaml.safe_load(ask_compose(FOLDER / "compose.yaml", profiles))["services"])
        if not expected <= found or ("sluice" in found) != (profiles == "one"):
            raise Failed(f"profile {profiles} runs {sorted(found)}")
    shipped = yaml.safe_load(ask_compose(FOLDER / "compose.yaml", "fleet,observe", "-f", FOLDER / "compose.logs.yaml"))["services"]
    if shipped["node-2"]["logging"]["driver"] != "syslog" or shipped["node-2"]["logging"]["options"].keys() & {"max-size", "max-file"}:
        raise Failed(f"with compose.logs.yaml a node logs by {shipped['node-2']['logging']}, and the engine refuses options of another driver")
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


def context():
    """The builder gets every crate of the workspace: cargo reads it as cargo in the image would."""
    lines = (FOLDER / "Containerfile.dockerignore").read_text().splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tracked = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *kept).split("\n")
        for file in filter(None, tracked):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
        run("cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1", cwd=folder)
        for crate in tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"]:
            if not (folder / crate / "Cargo.toml").exists():
                raise Failed(f"Containerfile.dockerignore leaves the crate {crate} out")


CHECKS = [compose, configs, files, context]
