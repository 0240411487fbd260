"""The chart, the manifests rendered from it, and backups by Velero."""

import atexit
import functools
import json
import os
import re
import shutil
import tempfile
import threading
import time
from pathlib import Path

import helm_python
import jsonschema
import yaml
from fleet import find_binary
from tools import DEPLOY, ROOT, Failed, refuses, run

CHART = DEPLOY / "kubernetes/chart"
MANIFESTS = DEPLOY / "kubernetes/manifests"
VELERO = DEPLOY / "kubernetes/velero.yaml"
VERSIONS = ["1.29", "1.32", "1.35"]
# Helm's words of severity: of a missing icon.
INFORMATION = 1
# Checks run beside each other, and the library promises nothing.
ONE_AT_A_TIME = threading.Lock()
# Rendered as they are, for those who have no Helm.
COMMITTED = ["one", "fleet"]
HEAD = "# Rendered from ../../chart; do not edit. See ../../README.md\n"
NOT_OF_HELM = re.compile(r"^ +(app\.kubernetes\.io/managed-by|helm\.sh/chart): .*\n", re.M)
# Values that must be refused, and a word of the refusal.
REFUSED = [
    ({}, "tenants"),
    ({"tenants": {"a": "x"}, "replicas": 3}, "store.url"),
    ({"tenants": {"a": "x"}, "autoscaling": {"enabled": True}}, "store.url"),
    ({"tenants": {"a": "x"}, "keys": {"existingSecret": "s", "current": "b", "names": ["a"]}}, "keys.current"),
    ({"tenants": {"a": "x"}, "server": {"certificates": [{"name": "a", "secret": "b"}]}}, "https"),
    ({"tenants": {"a": "x"}, "existingTenants": {"configMap": "c", "files": ["a.toml"]}}, "not both"),
    ({"tenants": {"a": "x"}, "store": {"url": "redis://user:password@redis"}}, "store"),
    ({"tenants": {"a": "x"}, "replica": 3}, "replica"),
]


def value_sets():
    return {path.name.removesuffix("-values.yaml"): yaml.safe_load(path.read_text()) for path in sorted(CHART.glob("ci/*.yaml"))}


@functools.cache
def chart():
    """A copy with real files where the chart has links, as a package of it has."""
    folder = Path(tempfile.mkdtemp(prefix="chart-"))
    atexit.register(shutil.rmtree, folder)
    return shutil.copytree(CHART, folder / "sluice")


def rendered(values):
    """File by file, in order of names; what renders to nothing left out."""
    try:
        with ONE_AT_A_TIME, helm_python.Chart.load(str(chart())) as loaded:
            files = loaded.render(values, name="sluice", namespace="sluice")
    except helm_python.HelmError as error:
        raise Failed(str(error)) from error
    return {
        name.rpartition("/")[2]: text.strip() + "\n"
        for name, text in sorted(files.items())
        if name.endswith(".yaml") and [d for d in yaml.safe_load_all(text) if d]
    }


def values_are_checked():
    """Linted strictly with every value set; mistakes are refused with a word that helps."""
    for name, values in value_sets().items():
        with ONE_AT_A_TIME:
            found = helm_python.lint(str(chart()), values, strict=True)
        worse = [m for m in found["messages"] if m["severity"] > INFORMATION]
        if worse or found["errors"]:
            raise Failed(f"{name}: {worse} {found['errors']}")
    for values, word in REFUSED:
        try:
            rendered(values)
        except Failed as refused:
            if word not in str(refused):
                raise Failed(f"{values} are refused without the word '{word}': {refused}") from refused
        else:
            raise Failed(f"{values} are not refused")


def manifests_are_valid():
    """Ten value sets, each strictly for three versions of Kubernetes. Kinds of the Prometheus operator: their rules by promtool."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, files = Path(temporary), []
        for name, values in value_sets().items():
            documents = [d for text in rendered(values).values() for d in yaml.safe_load_all(text) if d]
            for document in documents:
                if document["kind"] == "PrometheusRule":
                    (folder / f"{name}.rules").write_text(yaml.safe_dump({"groups": document["spec"]["groups"]}))
                    run("promtool", "check", "rules", folder / f"{name}.rules")
                    if "runbook_url: runbooks" in str(document):
                        raise Failed("an alert links to no address")
            own = [d for d in documents if "monitoring.coreos.com" not in d["apiVersion"]]
            path = folder / f"{name}.yaml"
            path.write_text(yaml.safe_dump_all(own))
            files.append(path)
        if len(files) < 10:
            raise Failed(f"only {len(files)} value sets")
        for version in VERSIONS:
            run("kubernetes-validate", "--strict", "--quiet", "-k", version, *files)
        wrong = folder / "wrong.yaml"
        wrong.write_text(files[0].read_text().replace("serviceName:", "serviceNam:").replace("replicas:", "replica:"))
        refuses("kubernetes-validate", lambda: run("kubernetes-validate", "--strict", "--quiet", "-k", VERSIONS[0], wrong))
        return f"{len(files)} value sets for Kubernetes {', '.join(VERSIONS)}"


def nodes_take_the_config():
    """`sluice check` reads what the pods would mount."""
    binary = find_binary(ROOT)
    for name, values in value_sets().items():
        if "tenants" not in values or name == "https":  # its certificate is a Secret of the cluster
            continue
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "tenants").mkdir()
            for text in rendered(values).values():
                for document in yaml.safe_load_all(text):
                    for file, content in (document or {}).get("data", {}).items():
                        if document["kind"] == "ConfigMap" and file.endswith(".toml"):
                            (folder / ("" if file == "sluice.toml" else "tenants") / file).write_text(content)
            env = dict(os.environ, SLUICE_STORE_PASSWORD="x" * 24)
            toml = (folder / "sluice.toml").read_text()
            env.update({key: "A" * 43 + "=" for key in re.findall(r"SLUICE_KEY_\w+", toml)})
            run(binary, "check", "--config", folder, env=env)


def manifests_equal_the_chart():
    """Compared with the rendering, less the labels of Helm, and read by kustomize. SLUICE_WRITE=1 writes them anew."""
    for name in COMMITTED:
        folder = MANIFESTS / name
        files = {f: HEAD + NOT_OF_HELM.sub("", t) for f, t in rendered(value_sets()[name]).items() if f != "health.yaml"}
        files["kustomization.yaml"] = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: sluice\nresources:\n" + "".join(f"  - {f}\n" for f in sorted(files))
        if os.environ.get("SLUICE_WRITE"):
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("*.yaml"):
                old.unlink()
            for file, text in files.items():
                (folder / file).write_text(text)
        found = {path.name: path.read_text() for path in folder.glob("*.yaml")}
        if found != files:
            differ = sorted(f for f in found.keys() | files.keys() if found.get(f) != files.get(f))
            raise Failed(f"{folder}: {differ} differ from the chart; SLUICE_WRITE=1 ./x deploy-check equal writes them anew")
        built = run("kubectl", "kustomize", folder)
        if "kind: " not in built:
            raise Failed(f"kubectl kustomize {folder} printed nothing")


def nothing_beside(schema):
    """The schema of a custom resource, with keys that it does not name refused, as an API server in strict mode does."""
    if isinstance(schema, list):
        return [nothing_beside(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: nothing_beside(value) for key, value in schema.items()}
    return closed | ({"additionalProperties": False} if isinstance(schema.get("properties"), dict) else {})


def velero():
    """By Velero's own schemas; its container as a pod's of the chart, and what it writes is a number in the file that nodes read."""
    schemas = json.loads((DEPLOY / "check/pins/velero-schemas.json").read_text())

    def judged(document):
        try:
            jsonschema.validate(document, nothing_beside(schemas[document["kind"]]))
        except jsonschema.ValidationError as error:
            raise Failed(f"velero.yaml: {error.json_path}: {error.message}") from error

    schedule, restore = yaml.safe_load_all(VELERO.read_text())
    judged(schedule)
    judged(restore)
    refuses("Velero's schema", lambda: judged(schedule | {"spec": {**schedule["spec"], "schedul": "0 0 * * *"}}))
    refuses("Velero's schema", lambda: judged(restore | {"spec": {**restore["spec"], "restorePVs": "yes"}}))
    if len(schedule["spec"]["schedule"].split()) != 5 or restore["spec"]["scheduleName"] != schedule["metadata"]["name"]:
        raise Failed("velero.yaml: the schedule has not five fields, or is not the one that is restored from")
    (hook,) = restore["spec"]["hooks"]["resources"]
    (container,) = hook["postHooks"][0]["init"]["initContainers"]
    (pod,) = [d["spec"]["template"] for text in rendered(value_sets()["one"]).values() for d in yaml.safe_load_all(text)
              if d and d["kind"] == "StatefulSet"]
    if not hook["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items():
        raise Failed(f"velero.yaml: its hook does not select the chart's pods, {pod['metadata']['labels']}")
    if container["volumeMounts"][0] not in pod["spec"]["containers"][0]["volumeMounts"]:
        raise Failed("velero.yaml: its hook does not mount what the chart's pods mount")
    with tempfile.TemporaryDirectory() as temporary:
        whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "sluice", "namespace": "sluice"}, "spec": pod["spec"] | {"initContainers": [container]}}
        whole["spec"]["volumes"] = whole["spec"].get("volumes", []) + [{"name": "state", "emptyDir": {}}]
        (Path(temporary) / "pod.yaml").write_text(yaml.safe_dump(whole))
        run("kubernetes-validate", "--strict", "--quiet", "-k", VERSIONS[-1], Path(temporary) / "pod.yaml")
        run(*(part.replace("/var/lib/sluice", temporary) for part in container["command"]))
        if int((Path(temporary) / "restored").read_text()) < time.time() - 60:
            raise Failed("velero.yaml: its hook writes no number that is new")


CHECKS = [manifests_are_valid, values_are_checked, nodes_take_the_config, manifests_equal_the_chart, velero]
