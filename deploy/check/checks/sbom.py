"""What the program and the image are made of, as it is written for them."""

import json
import subprocess
import tempfile
import tomllib
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tools import DEPLOY, ROOT, Failed, refuses, run

SCRIPT = DEPLOY / "container/sbom.sh"


def judged(text):
    """By the schema of CycloneDX, in its strict form."""
    if wrong := JsonStrictValidator(SchemaVersion.V1_5).validate_str(text):
        raise Failed(f"the SBOM breaks the schema: {wrong}")
    return json.loads(text)


def crates():
    """Valid; names every crate that cargo compiles in, with licence and the checksum of Cargo.lock; the same each time."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "sluice.cdx.json"
        run(SCRIPT, file)
        text = file.read_text()
        run(SCRIPT, file)
        if file.read_text() != text:
            raise Failed("two runs for one commit give two files")
    found = {(each["name"], each["version"]): each for each in judged(text)["components"]}
    if str(ROOT) in text:
        raise Failed(f"the SBOM says where it was made: {ROOT}")
    target = subprocess.run(["rustc", "--print", "host-tuple"], capture_output=True, text=True, check=True).stdout.strip()
    tree = run("cargo", "tree", "--locked", "--package", "sluice", "--edges", "normal", "--target", target, "--prefix", "none",
               "--format", "{p}")
    compiled = {(line.split()[0], line.split()[1].removeprefix("v")) for line in tree.splitlines() if line} - {("sluice", version())}
    if missing := compiled - found.keys():
        raise Failed(f"crates that are compiled in and not named: {sorted(missing)}")
    locked = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]}
    for crate, each in found.items():
        if not each.get("licenses") or not each.get("purl"):
            raise Failed(f"{crate}: no licence, or no purl")
        if [h["content"] for h in each.get("hashes", [])] != [c for c in [locked[crate]] if c]:
            raise Failed(f"{crate}: another checksum than in Cargo.lock")
    refuses("the validator", lambda: judged(text.replace('"type":"library"', '"type":"libary"', 1)))
    return f"{len(compiled)} crates compiled in, {len(found)} named"


def version():
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


CHECKS = [crates]
