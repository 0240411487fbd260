#!/usr/bin/env python3
"""Writes dashboards/*.json: line, node, origin, fleet; and logs/sluice-log.json, over Loki. `--check` compares instead, and fails if they differ.

A panel is one call below, so that units, descriptions and selectors are the same everywhere. Import the JSON files into
Grafana as they are.
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).with_name("dashboards")
LOGS = pathlib.Path(__file__).with_name("logs")
QUEUE = '{job=~"$job",tenant=~"$tenant",queue=~"$queue"}'
NODE = '{job=~"$job",instance=~"$instance"}'
BY_QUEUE = "{{tenant}}/{{queue}}"


def variable(name, query):
    return {
        "name": name, "label": name, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name},
        "definition": query, "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": ".*",
        "current": {"text": "All", "value": "$__all"}, "hide": 0, "options": [], "regex": "", "skipUrlSync": False,
    }


SOURCE = {"type": "prometheus", "uid": "${datasource}"}
JOB = variable("job", "label_values(sluice_build_info, job)")
TENANT = variable("tenant", 'label_values(sluice_line_waiting_visitors{job=~"$job"}, tenant)')
QUEUES = variable("queue", 'label_values(sluice_line_waiting_visitors{job=~"$job",tenant=~"$tenant"}, queue)')
INSTANCE = variable("instance", 'label_values(sluice_build_info{job=~"$job"}, instance)')
DATASOURCE = {
    "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}, "hide": 0,
    "options": [], "refresh": 1, "regex": "", "includeAll": False, "multi": False, "skipUrlSync": False,
}


def panel(kind, title, description, unit, targets, *, width=12, height=8, maximum=None, steps=None):
    """`targets` are (query, legend); `steps` are (value, colour), the first of them from minus infinity."""
    defaults = {
        "unit": unit, "min": 0, "noValue": "no data",
        "color": {"mode": "thresholds" if kind == "stat" else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": [{"value": v, "color": c} for v, c in steps or [(None, "blue")]]},
    }
    if maximum is not None:
        defaults["max"] = maximum
    options = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi"}}
    if kind == "stat":
        options = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value", "graphMode": "area", "textMode": "auto",
        }
    return {
        "type": kind, "title": title, "description": description, "datasource": SOURCE, "options": options,
        "fieldConfig": {"defaults": defaults, "overrides": []}, "gridPos": {"w": width, "h": height},
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": query, "legendFormat": legend,
             "range": kind != "stat", "instant": kind == "stat"}
            for i, (query, legend) in enumerate(targets)
        ],
    }


def stat(*args, **kwargs):
    return panel("stat", *args, width=kwargs.pop("width", 4), height=4, **kwargs)


def graph(*args, **kwargs):
    return panel("timeseries", *args, **kwargs)


def dashboard(uid, title, description, variables, panels):
    x = y = row = 0
    for number, each in enumerate(panels, 1):
        place = each["gridPos"]
        if x + place["w"] > 24:
            x, y, row = 0, y + row, 0
        each["id"] = number
        place.update(x=x, y=y)
        x, row = x + place["w"], max(row, place["h"])
    return {
        "id": None, "uid": uid, "title": title, "description": description, "tags": ["sluice"], "editable": True,
        "schemaVersion": 39, "version": 1, "timezone": "browser", "refresh": "15s", "graphTooltip": 1,
        "time": {"from": "now-1h", "to": "now"}, "timepicker": {}, "annotations": {"list": []},
        "links": [{"type": "dashboards", "title": "Sluice", "tags": ["sluice"], "asDropdown": True, "keepTime": True,
                   "includeVars": True, "icon": "external link", "targetBlank": False, "tooltip": "", "url": ""}],
        "templating": {"list": [DATASOURCE, JOB, *variables]}, "panels": panels,
    }


def of_queue(metric, how="max"):
    return f"{how} by (job, tenant, queue) ({metric}{QUEUE})"


def rate_of(metric, labels, selector, extra=""):
    return f"sum by ({labels}) (rate({metric}{selector[:-1]}{extra}}}[$__rate_interval]))"


LINE = dashboard(
    "sluice-line", "Sluice line", "What visitors of a queue go through, and what limits it.", [TENANT, QUEUES],
    [
        stat("In line", "Visitors in line, seen within the last 90 s.", "short",
             [(f"sum({of_queue('sluice_line_waiting_visitors')})", "")]),
        stat("Inside", "Visitors inside.", "short", [(f"sum({of_queue('sluice_line_inside_visitors')})", "")]),
        stat("Called in the last minute", "All queues that are chosen together.", "short",
             [(f"sum({of_queue('sluice_line_called_last_minute_visitors')})", "")]),
        stat("Rate used", "Called in the last minute, of what may be called. Below 90 % while a line stands and seats are "
             "free is a fault; see SluiceRateNotUsed.", "percentunit",
             [(f"sum({of_queue('sluice_line_called_last_minute_visitors')}) / "
               f"sum({of_queue('sluice_line_release_per_minute_visitors')})", "")], maximum=1),
        stat("Store answers", "1 if every chosen line's store answers at every node.", "short",
             [(f"min(sluice_line_store_up{QUEUE})", "")], steps=[(None, "red"), (1, "green")]),
        stat("Origin errors", "Requests a second that were let in, and that the origin did not answer.", "reqps",
             [('sum(rate(sluice_origin_errors_total{job=~"$job",tenant=~"$tenant"}[$__rate_interval])) or vector(0)', "")],
             steps=[(None, "green"), (0.1, "red")]),
        graph("In line", "Visitors in line, seen within the last 90 s.", "short",
              [(of_queue("sluice_line_waiting_visitors"), BY_QUEUE)]),
        graph("Called in the last minute, and the rate", "Called never exceeds the rate. Below it, seats or visitors are "
              "missing.", "short",
              [(of_queue("sluice_line_called_last_minute_visitors"), f"{BY_QUEUE} called"),
               (of_queue("sluice_line_release_per_minute_visitors"), f"{BY_QUEUE} rate")]),
        graph("Seats", "Inside, called but not yet entered, and the bound (0: none).", "short",
              [(of_queue("sluice_line_inside_visitors"), f"{BY_QUEUE} inside"),
               (of_queue("sluice_line_due_visitors"), f"{BY_QUEUE} called"),
               (of_queue("sluice_line_seats_max"), f"{BY_QUEUE} bound")]),
        graph("What becomes of requests", "Joined: numbers taken. Entered: visitors who went in. Parked: answered with the "
              "waiting page. Admitted: with a pass. Passed freely: no queue was in force.", "reqps",
              [(rate_of("sluice_requests_total", "outcome", QUEUE), "{{outcome}}")]),
        graph("Numbers", "Handed out, called, and no longer callable.", "none",
              [(of_queue("sluice_line_issued_number"), f"{BY_QUEUE} issued"),
               (of_queue("sluice_line_head_number"), f"{BY_QUEUE} head"),
               (of_queue("sluice_line_floor_number"), f"{BY_QUEUE} floor")]),
        graph("Tokens refused", "By reason. `mac`: no key of this node made the signature. `expired` is normal after a visit.",
              "reqps", [(rate_of("sluice_tokens_refused_total", "kind, reason", QUEUE), "{{kind}} {{reason}}")]),
        graph("Epoch", "Rises when a line is begun anew by `sluice store reset`.", "none",
              [(of_queue("sluice_line_epoch_number"), BY_QUEUE)]),
        graph("Marks dropped, questions unanswered", "Both are 0 while the store keeps up.", "cps",
              [(rate_of("sluice_line_marks_dropped_total", "tenant, queue", QUEUE), f"{BY_QUEUE} marks"),
               (rate_of("sluice_line_unanswered_total", "tenant, queue", QUEUE), f"{BY_QUEUE} unanswered")]),
    ],
)

NODES = dashboard(
    "sluice-node", "Sluice node", "Connections, requests, TLS and config of each node.", [INSTANCE],
    [
        stat("Nodes up", "Nodes that Prometheus reaches.", "short", [(f"sum(up{NODE})", "")], steps=[(None, "red"), (1, "green")]),
        stat("Config current", "0: the config on a node's disk has mistakes and is not in force.", "short",
             [(f"min(sluice_config_current{NODE})", "")], steps=[(None, "red"), (1, "green")]),
        stat("Connections", "Client connections of all nodes. Each node's bound is `connections_max`.", "short",
             [(f"sum(sluice_connections{NODE})", "")]),
        stat("Requests in flight", "Each node's bound is `requests_max`.", "short", [(f"sum(sluice_requests_in_flight{NODE})", "")]),
        stat("Connections refused", "Closed unread at the bound, each second.", "cps",
             [(f"sum(rate(sluice_connections_refused_total{NODE}[$__rate_interval]))", "")], steps=[(None, "green"), (0.01, "red")]),
        stat("Reloads refused", "In the last day.", "short",
             [(f"sum(increase(sluice_config_reloads_refused_total{NODE}[1d]))", "")], steps=[(None, "green"), (1, "orange")]),
        graph("Connections", "Client connections now.", "short", [(f"sluice_connections{NODE}", "{{instance}}")]),
        graph("Requests at gates", "Requests on paths behind a queue, by what became of them.", "reqps",
              [(rate_of("sluice_requests_total", "instance, outcome", NODE), "{{instance}} {{outcome}}")]),
        graph("Requests in flight", "Under way now.", "short", [(f"sluice_requests_in_flight{NODE}", "{{instance}}")]),
        graph("Refused before any gate", "For their form, or because too many were under way.", "reqps",
              [(rate_of("sluice_requests_rejected_total", "instance, reason", NODE), "{{instance}} {{reason}}")]),
        graph("TLS handshakes", "`full` costs most. `unknown_name`: a host without a certificate.", "cps",
              [(rate_of("sluice_tls_handshakes_total", "instance, outcome", NODE), "{{instance}} {{outcome}}")]),
        graph("Clients cut off", "For what they sent, or how slowly.", "cps",
              [(rate_of("sluice_connections_cut_total", "instance", NODE), "{{instance}} connections"),
               (f"sum by (instance, reason) (rate(sluice_http2_cut_total{NODE}[$__rate_interval]))", "{{instance}} {{reason}}")]),
        graph("Origin errors", "`connect`: nothing listens. `timeout`: too slow. `broken_answer`: it broke off.", "reqps",
              [(rate_of("sluice_origin_errors_total", "instance, tenant, reason", NODE), "{{instance}} {{tenant}} {{reason}}")]),
        graph("Configs taken", "Reloads, in the last hour.", "short",
              [(f"increase(sluice_config_reloads_total{NODE}[1h])", "{{instance}} taken"),
               (f"increase(sluice_config_reloads_refused_total{NODE}[1h])", "{{instance}} refused")]),
    ],
)

ROUTE = '{job=~"$job",tenant=~"$tenant"}'
BY_SERVER = "{{tenant}} {{route}} {{server}}"
BY_ROUTE = "{{tenant}} {{route}}"
ORIGINS = dashboard(
    "sluice-origin", "Sluice origin", "Servers of the origins: which are up, how busy they are, what fails.", [TENANT],
    [
        stat("Servers up", "Servers that at least one node sends requests to.", "short",
             [(f"count(max by (tenant, route, server) (sluice_origin_server_up{ROUTE}) == 1) or vector(0)", "")]),
        stat("Servers down", "Servers that every node leaves out.", "short",
             [(f"count(max by (tenant, route, server) (sluice_origin_server_up{ROUTE}) == 0) or vector(0)", "")],
             steps=[(None, "green"), (1, "red")]),
        stat("Requests under way", "At all servers.", "short", [(f"sum(sluice_origin_server_requests_in_flight{ROUTE})", "")]),
        stat("Requests that wait", "For a place at a server: `in_flight_max` is reached.", "short",
             [(f"sum(sluice_origin_requests_waiting{ROUTE})", "")], steps=[(None, "green"), (1, "orange")]),
        stat("Errors", "Requests a second that got no answer from the origin.", "reqps",
             [(f"sum(rate(sluice_origin_errors_total{ROUTE}[$__rate_interval])) or vector(0)", "")],
             steps=[(None, "green"), (0.1, "red")]),
        stat("Sent although all were down", "Each second.", "reqps",
             [(f"sum(rate(sluice_origin_panics_total{ROUTE}[$__rate_interval]))", "")], steps=[(None, "green"), (0.01, "red")]),
        graph("Nodes that find a server up", "Of all nodes. 0: it is left out everywhere.", "short",
              [(f"sum by (tenant, route, server) (sluice_origin_server_up{ROUTE})", BY_SERVER)]),
        graph("Requests under way by server", "Uneven for long: a server is slow, or weights differ.", "short",
              [(f"sum by (tenant, route, server) (sluice_origin_server_requests_in_flight{ROUTE})", BY_SERVER)]),
        graph("Failures by server", "Also those that another server answered then.", "reqps",
              [(rate_of("sluice_origin_server_failures_total", "tenant, route, server, reason", ROUTE), f"{BY_SERVER} {{{{reason}}}}")]),
        graph("Ejections", "A server is left out for a while after five failed requests in a row.", "cps",
              [(rate_of("sluice_origin_server_ejections_total", "tenant, route, server", ROUTE), BY_SERVER)]),
        graph("Requests that wait", "For at most `connect_timeout`, then they get 503.", "short",
              [(f"sum by (tenant, route) (sluice_origin_requests_waiting{ROUTE})", BY_ROUTE)]),
        graph("Second attempts", "Made, and not made since too many were.", "reqps",
              [(rate_of("sluice_origin_second_attempts_total", "tenant, route", ROUTE), f"{BY_ROUTE} made"),
               (rate_of("sluice_origin_second_attempts_refused_total", "tenant, route", ROUTE), f"{BY_ROUTE} refused")]),
        graph("Let in", "Requests that went on to the origin, by what they were.", "reqps",
              [(rate_of("sluice_requests_total", "tenant, outcome", ROUTE, ',outcome=~"admitted|entered|trickled|passed_freely"'), "{{tenant}} {{outcome}}")]),
        graph("Names that do not resolve", "The last addresses stay in use.", "cps",
              [(rate_of("sluice_origin_names_unresolved_total", "tenant, route", ROUTE), BY_ROUTE)]),
    ],
)

FLEET = dashboard(
    "sluice-fleet", "Sluice fleet", "Whether the nodes agree, and the store that they share.", [TENANT, QUEUES],
    [
        stat("Nodes", "Nodes that Prometheus scrapes.", "short", [('count(up{job=~"$job"})', "")]),
        stat("Down", "Nodes that do not answer the scrape.", "short", [('count(up{job=~"$job"} == 0) or vector(0)', "")],
             steps=[(None, "green"), (1, "red")]),
        stat("Versions", "More than one outside an upgrade is a fault.", "short",
             [('count(count by (version) (sluice_build_info{job=~"$job"}))', "")], steps=[(None, "green"), (2, "orange")]),
        stat("Nodes that reach the store", "For the line that is worst off.", "short",
             [(f"min(sum by (tenant, queue) (sluice_line_store_up{QUEUE}))", "")], steps=[(None, "red"), (1, "green")]),
        stat("Store is a replica", "Nodes whose store refuses writes.", "short",
             [('sum(sluice_store_read_only{job=~"$job"})', "")], steps=[(None, "green"), (1, "red")]),
        stat("Lines lost to eviction", "In the last day. Not 0: set `maxmemory-policy noeviction`.", "short",
             [('sum(increase(sluice_store_evictions_noticed_total{job=~"$job"}[1d]))', "")], steps=[(None, "green"), (1, "red")]),
        graph("Store answers", "By node and line; 0 while it does not.", "short",
              [(f"sluice_line_store_up{QUEUE}", "{{instance}} {{tenant}}/{{queue}}")], maximum=1),
        graph("Steps", "Made by each node. One that makes none while others do has lost the store.", "ops",
              [(rate_of("sluice_line_steps_total", "instance", QUEUE), "{{instance}}")]),
        graph("Steps that failed", "0 while the store answers.", "ops",
              [(rate_of("sluice_line_steps_failed_total", "instance, tenant, queue", QUEUE), "{{instance}} {{tenant}}/{{queue}}")]),
        graph("Connections opened to the store", "A healthy node keeps a few.", "cps",
              [(rate_of("sluice_store_connections_total", "instance", '{job=~"$job"}'), "{{instance}}")]),
        graph("Nodes that disagree", "Settings and keys in which nodes differ, by queue: 0 if they agree.", "short",
              [(f"max by (tenant, queue) (sluice_line_differences{QUEUE})", BY_QUEUE)]),
        graph("Versions", "Nodes by version.", "short",
              [('count by (version) (sluice_build_info{job=~"$job"})', "{{version}}")]),
        graph("Requests by node", "Is the balancer spreading them?", "reqps",
              [(rate_of("sluice_requests_total", "instance", QUEUE), "{{instance}}")]),
        graph("Connections by node", "Is the balancer spreading them?", "short",
              [('sluice_connections{job=~"$job"}', "{{instance}}")]),
    ],
)


def of_loki(kind, title, description, query, *, height=8, legend=""):
    """A panel over logs: `timeseries` or `logs`."""
    made = panel(kind, title, description, "short", [(query, legend)], width=24, height=height)
    source = {"type": "loki", "uid": "${datasource}"}
    made["datasource"] = source
    made["targets"] = [{"refId": "A", "datasource": source, "expr": query, "queryType": "range", "legendFormat": legend}]
    if kind == "logs":
        made["fieldConfig"] = {"defaults": {}, "overrides": []}
        made["options"] = {"showTime": True, "wrapLogMessage": True, "enableLogDetails": True, "sortOrder": "Descending",
                           "dedupStrategy": "none", "showLabels": False, "showCommonLabels": False, "prettifyLogMessage": False}
    return made


# Labels are those of logs/config.alloy. What a line says comes after its level, and then what it is about.
LINES = '{job="sluice",service=~"$service"'
WORDS = '| json | line_format "{{.level}} {{.fields_message}} {{.fields_tenant}} {{.fields_server}} {{.fields_cause}} {{.fields_error}}"'
LOG = dashboard(
    "sluice-log", "Sluice log", "What nodes, and what stands around them, have written.", [],
    [
        of_loki("timeseries", "Lines of nodes, by level", "An INFO or two a minute is calm. WARN and ERROR are below.",
                f'sum by (level) (count_over_time({LINES},level=~".+"}}[$__auto]))', legend="{{level}}"),
        of_loki("logs", "Warnings and errors", "Of nodes. The words are those of the runbooks.",
                f'{LINES},level=~"WARN|ERROR"}} {WORDS}', height=10),
        of_loki("logs", "Operators' actions", "What was changed by whom: the audit log as it passes. The log itself is on the nodes' disks.",
                f'{LINES},level="INFO"}} | json | target="audit" '
                '| line_format "{{.fields_actor}} {{.fields_action}} {{.fields_target}} {{.fields_outcome}}"'),
        of_loki("timeseries", "Requests in the access log, by outcome", "Empty unless [access_log] writes to stdout.",
                f'sum by (outcome) (count_over_time({LINES},stream="stdout"}} | json | outcome!="" [$__auto]))', legend="{{outcome}}"),
        of_loki("logs", "Everything", "Of the chosen services, as it was written.", f"{LINES}}}", height=12),
    ],
)
SERVICE = variable("service", "label_values(service)") | {
    "datasource": {"type": "loki", "uid": "${datasource}"}, "definition": "", "allValue": ".+",
    "query": {"label": "service", "refId": "service", "stream": '{job="sluice"}', "type": 1},
}
LOG["templating"]["list"] = [DATASOURCE | {"query": "loki"}, SERVICE]


def main():
    differ = []
    for each in (LINE, NODES, ORIGINS, FLEET, LOG):
        path = (LOGS if each is LOG else FOLDER) / f"{each['uid']}.json"
        text = json.dumps(each, indent=1, ensure_ascii=False) + "\n"
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text() != text:
                differ.append(path.name)
        else:
            path.write_text(text)
    if differ:
        sys.exit(f"{', '.join(differ)}: differ from dashboards.py; run it and commit what it writes")


main()
