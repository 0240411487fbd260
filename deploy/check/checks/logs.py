"""The way of a log to Loki: what nodes write, what Alloy makes of it, what the dashboard asks for."""

import json
import os
import re
import tempfile
from pathlib import Path

import yaml
from alloy import processed, read, relabelled
from fleet import Fleet, find_binary
from tools import DEPLOY, ROOT, Failed, refuses, run, until

LOGS = DEPLOY / "observe/logs"
COMPOSE = DEPLOY / "container"
OVERRIDE = yaml.safe_load((COMPOSE / "compose.logs.yaml").read_text())


class Logged(Fleet):
    """Nodes that write their log as JSON to standard error, and the access log to standard output."""

    def write(self, mode="auto"):
        super().write(mode)
        for number in range(len(self.nodes)):
            with (self.folder / f"node-{number}/sluice.toml").open("a") as file:
                file.write('[access_log]\nto = "stdout"\n')


def sent(line, stream, service):
    """The labels of a line once Alloy has taken it from Docker's syslog driver, which gives the tag and one of two severities."""
    alloy = read((LOGS / "config.alloy").read_text())
    (listener,) = alloy["loki.source.syslog"].inside
    tag = OVERRIDE["x-logging"]["options"]["tag"].replace("{{.Name}}", f"sluice-{service}-1")
    labels = listener.says["labels"] | {
        "__syslog_message_app_name": tag, "__syslog_message_severity": {"stdout": "informational", "stderr": "error"}[stream]}
    return processed(alloy["loki.process"], line, relabelled(alloy["loki.relabel"], labels))


def queries():
    board = json.loads((LOGS / "sluice-log.json").read_text())
    found = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return [query.replace("$service", ".+").replace("$__auto", "1m") for query in found]


def shipped():
    """A real node's lines through the stages of config.alloy: labels as the dashboard asks for, fields as it shows."""
    with tempfile.TemporaryDirectory() as temporary:
        fleet = Logged(find_binary(ROOT), Path(temporary))
        fleet.env["SLUICE_LOG"] = "json"
        with fleet.running():
            fleet.override(message="Soon", **{"for": "1h"})

            def written():
                text = (fleet.folder / "node-0.log").read_text()
                # A line that is being written is none yet.
                # At its start a node says in plain words where it listens.
                lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines() if line.startswith("{")]
                wanted = {"WARN": False, "audit": False, "access": False}
                for line in lines:
                    wanted["WARN"] |= line.get("level") == "WARN" and "server" in line["fields"]
                    wanted["audit"] |= line.get("target") == "audit"
                    wanted["access"] |= "outcome" in line
                return lines if all(wanted.values()) else None

            lines = until("a warning, an operator's action and a request in the log", written, 60)
    seen = set()
    for line in lines:
        stream = "stderr" if "level" in line else "stdout"
        wanted = {"job": "sluice", "service": "node-1", "stream": stream} | ({"level": line["level"]} if stream == "stderr" else {})
        if (labels := sent(json.dumps(line), stream, "node-1")) != wanted:
            raise Failed(f"config.alloy labels {line} of node-1 with {labels}")
        seen |= {f"fields_{name}" for name in line.get("fields", {})} | line.keys()
    if (labels := sent("no JSON", "stderr", "balancer")) != {"job": "sluice", "service": "balancer", "stream": "stderr"}:
        raise Failed(f"config.alloy labels a line of the balancer with {labels}")
    # The error of a line stands there only if there is one.
    shown = set(re.findall(r"\{\{\.(\w+)\}\}|\| (\w+)[!=]=?\"", "\n".join(queries())))
    if unknown := {a or b for a, b in shown} - seen - {"fields_error"}:
        raise Failed(f"the dashboard shows what no line has: {sorted(unknown)}")
    return f"{len(lines)} lines of a node"


def dashboard():
    """Queries by Grafana's own grammar; they ask for labels that config.alloy sets."""
    def judged(*lines):
        run("node", DEPLOY / "check/logql.mjs", os.environ["DEPLOY_CHECK_TOOLS"], text="\n".join(lines) + "\n")

    judged(*queries())
    refuses("the grammar of LogQL", lambda: judged('sum by (level) (count_over_time({job="sluice"[1m]))'))
    asked = {name for query in queries() for name in re.findall(r"(\w+)[!=]~?\"", query.partition("}")[0])}
    if asked - {"job", "service", "stream", "level"}:
        raise Failed(f"the dashboard asks for labels that are not set: {asked}")
    return f"{len(queries())} queries"


def files():
    """config.alloy is read, with mistakes refused; addresses, ports and volumes agree with those of Compose."""
    text = (LOGS / "config.alloy").read_text()
    alloy = read(text)
    for right, wrong in (("loki.write.loki", "loki.write.loky"), ("stage.labels", "stage.label"), ("    values = ", "    value = "), ("\n}\n", "\n\n")):
        refuses("the reader of Alloy's language", lambda right=right, wrong=wrong: read(text.replace(right, wrong)))
    for more in re.findall(r"```alloy\n(.*?)```", (LOGS / "README.md").read_text(), re.S):
        read(text + more)
    loki = yaml.safe_load((LOGS / "loki.yaml").read_text())
    services = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
    origin = f"http://loki:{loki['server']['http_listen_port']}"
    sources = [s["url"] for s in yaml.safe_load((COMPOSE / "grafana/datasource.yaml").read_text())["datasources"]]
    (endpoint,) = alloy["loki.write"].inside
    if not endpoint.says["url"].startswith(f"{origin}/") or origin not in sources:
        raise Failed(f"Loki listens at {origin}; Alloy sends to {endpoint.says['url']}, Grafana asks {sources}")
    folder = loki["common"]["path_prefix"]
    if f"loki:{folder}" not in services["loki"]["volumes"] or not loki["compactor"]["working_directory"].startswith(f"{folder}/"):
        raise Failed(f"Loki keeps its files in {folder}, which is not its volume")
    (listener,) = alloy["loki.source.syslog"].inside
    to = OVERRIDE["x-logging"]["options"]["syslog-address"].removeprefix("udp://")
    if f"{to}:{listener.says['address'].rpartition(':')[2]}/udp" not in services["alloy"]["ports"]:
        raise Failed(f"the engine sends to {to}, Alloy listens at {listener.says['address']} behind {services['alloy']['ports']}")
    watched = {name for name, service in services.items() if "observe" not in service["profiles"]}
    if watched != OVERRIDE["services"].keys():
        raise Failed(f"compose.logs.yaml and compose.yaml differ in {watched ^ OVERRIDE['services'].keys()}")
    stamps = [p["timestamp"]["field"] for p in yaml.safe_load((LOGS / "filebeat.yaml").read_text())["processors"] if "timestamp" in p]
    if stamps != ["sluice.timestamp"]:
        raise Failed(f"filebeat.yaml: the time of a line stands in sluice.timestamp, not in {stamps}")


CHECKS = [shipped, dashboard, files]
