"""Rules, runbooks, dashboards: by promtool and amtool, and before a real Prometheus that scrapes two nodes."""

import contextlib
import http.server
import json
import re
import tempfile
import threading
import urllib.parse
import urllib.request
from pathlib import Path

import yaml
from fleet import Fleet, find_binary
from tools import DEPLOY, ROOT, Failed, free_ports, process, run, until

OBSERVE = DEPLOY / "observe"
PARTS = ["Meaning", "What visitors see", "Look here", "Do this", "Undo"]


def rule_files():
    return sorted(OBSERVE.glob("rules/*.yaml"))


def alerts():
    for file in rule_files():
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    yield rule


def rules():
    """promtool: rules are well-formed, and do what their tests say."""
    run("promtool", "check", "rules", *rule_files())
    run("promtool", "test", "rules", *sorted(OBSERVE.glob("rules/tests/*.yaml")))
    # Its rule files are found from its own folder; the file's own names are tried here.
    run("promtool", "check", "config", OBSERVE / "prometheus.yaml")
    run("amtool", "check-config", OBSERVE / "alertmanager.yaml")
    for severity, receiver in (("critical", "pager"), ("warning", "chat")):
        found = run("amtool", "config", "routes", "test", "--config.file", OBSERVE / "alertmanager.yaml", f"severity={severity}")
        if receiver not in found.split():
            raise Failed(f"alertmanager.yaml: {severity} goes to {found}, not to {receiver}")


def every_alert_is_documented_and_tested():
    tests = "\n".join(f.read_text() for f in OBSERVE.glob("rules/tests/*.yaml"))
    wrong = []
    for alert in alerts():
        name, notes = alert["alert"], alert["annotations"]
        for key in ("summary", "description", "runbook_url"):
            if key not in notes:
                wrong.append(f"{name}: no {key}")
        if alert["labels"]["severity"] not in ("critical", "warning"):
            wrong.append(f"{name}: severity {alert['labels']['severity']}")
        path, _, anchor = notes["runbook_url"].partition("#")
        section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", (OBSERVE / path).read_text(), re.M | re.S)
        if anchor != name.lower() or not section:
            wrong.append(f"{name}: no section in {path}")
        elif [p for p in PARTS if f"- **{p}.**" not in section[1]]:
            wrong.append(f"{name}: its runbook lacks one of {PARTS}")
        blocks = re.findall(rf"- name: '{name}: .*?(?=\n  - name: |\Z)", tests, re.S)
        silent = [b for b in blocks if "exp_samples: []" in b]
        if not silent or len(silent) == len(blocks):
            wrong.append(f"{name}: needs a test that it fires and one that it does not")
    if wrong:
        raise Failed("\n".join(wrong))


def dashboards():
    return [json.loads(f.read_text()) for f in sorted(OBSERVE.glob("dashboards/*.json"))]


def every_dashboard_is_well_formed():
    run("python3", OBSERVE / "dashboards.py", "--check")
    wrong, uids = [], set()
    for board in dashboards():
        title = board["title"]
        if board["id"] is not None or not board["uid"] or board["uid"] in uids:
            wrong.append(f"{title}: id is null and uid is its own")
        uids.add(board["uid"])
        for panel in board["panels"]:
            where = f"{title}, {panel['title']}"
            if panel["type"] not in ("stat", "timeseries"):
                wrong.append(f"{where}: type {panel['type']}")
            if not panel["description"] or not panel["fieldConfig"]["defaults"]["unit"]:
                wrong.append(f"{where}: needs a description and a unit")
            for target in panel["targets"]:
                if "job=~\"$job\"" not in target["expr"]:
                    wrong.append(f"{where}: does not select the job")
                if re.search(r"\[\d+[sm]\]", target["expr"]):
                    wrong.append(f"{where}: a fixed range instead of $__rate_interval")
    if wrong:
        raise Failed("\n".join(wrong))


def expression(query):
    """What Grafana would send with every variable at its default."""
    query = query.replace("$__rate_interval", "20s")
    return re.sub(r"\$(job|instance|tenant|queue)\b", ".*", query)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what Alertmanager sends."""

    heard: list = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.heard.extend(alert["labels"]["alertname"] for alert in body["alerts"] if alert["status"] == "firing")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def live():
    """Every query returns data, every metric that a rule names exists, and a line that is held reaches the receiver."""
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        fleet = stack.enter_context(Fleet(find_binary(ROOT), folder).running())
        prometheus, alertmanager, cluster, receiver_port = free_ports(4)
        receiver = http.server.HTTPServer(("127.0.0.1", receiver_port), Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        stack.callback(receiver.shutdown)
        routes = yaml.safe_load((OBSERVE / "alertmanager.yaml").read_text())
        routes["route"]["group_wait"] = "1s"
        for each in routes["receivers"]:
            each["webhook_configs"][0]["url"] = f"http://127.0.0.1:{receiver_port}/"
        (folder / "alertmanager.yaml").write_text(yaml.safe_dump(routes))
        config = yaml.safe_load((OBSERVE / "prometheus.yaml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(hasty(file, folder)) for file in rule_files()]
        config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager}"]
        targets = [f"127.0.0.1:{node['admin']}" for node in fleet.nodes]
        config["scrape_configs"] = [{"job_name": "sluice", "static_configs": [{"targets": targets}]}]
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        stack.enter_context(process(
            "prometheus-alertmanager", f"--config.file={folder}/alertmanager.yaml", f"--storage.path={folder}/am",
            f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=", log=folder / "am.log"))
        stack.enter_context(process(
            "prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{prometheus}", log=folder / "prometheus.log"))

        def ask(query):
            with contextlib.suppress(OSError):
                url = f"http://127.0.0.1:{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": query})
                with urllib.request.urlopen(url, timeout=5) as answer:
                    return json.load(answer)["data"]["result"]
            return []

        queries = {f"{b['title']}, {p['title']}: {expression(t['expr'])}" for b in dashboards() for p in b["panels"] for t in p["targets"]}
        rules_of_ours = [f for f in rule_files() if f.name != "host.yaml"]
        names = {n for f in rules_of_ours for n in re.findall(r"\bsluice_[a-z0-9_]+", f.read_text()) if not n.startswith("sluice_line_seats_taken")}
        waiting = queries | {f"metric: {name}" for name in names if recorded(name)}

        # An override, so that its metrics are there.
        fleet.override(message="Soon", **{"for": "1h"})

        def all_answered():
            for each in sorted(waiting):
                # A value, and not the NaN of nothing divided by nothing.
                if any(sample["value"][1] != "NaN" for sample in ask(each.split(": ", 1)[1])):
                    waiting.discard(each)
            return not waiting

        until(lambda: "these returned no data:\n" + "\n".join(sorted(waiting)), all_answered, 60)
        firing = [sample["metric"]["alertname"] for sample in ask('ALERTS{alertstate="firing"}')]
        if "SluiceLineStandsStill" in firing:
            raise Failed("SluiceLineStandsStill fires while the line is called")
        fleet.write(mode="hold")
        until(lambda: f"SluiceLineHeldLong at the receiver, which has heard {sorted(set(Receiver.heard))}",
              lambda: "SluiceLineHeldLong" in Receiver.heard, 150)
        if "SluiceLineStandsStill" in Receiver.heard:
            raise Failed("SluiceLineStandsStill fires for a line that is held")
        return f"{len(queries)} queries and {len(names)} metrics returned data, a held line reached the receiver"


def recorded(name):
    """Recorded names stand behind a colon, and are not metrics of a node."""
    return name not in {"sluice_requests_forwarded", "sluice_origin_errors", "sluice_line_rate_used", "sluice_requests"}


def hasty(file, folder):
    """The same rules, that wait five seconds at most: the check has no minutes to spare."""
    text = yaml.safe_load(file.read_text())
    for group in text["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "5s"
    copy = folder / file.name
    copy.write_text(yaml.safe_dump(text))
    return copy


CHECKS = [live, rules, every_alert_is_documented_and_tested, every_dashboard_is_well_formed]
