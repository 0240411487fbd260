"""Reads Alloy's language, and carries out the rules and stages that deploy/observe uses, as its manual describes them.

No Alloy can be installed where the checks run. This finds what would not parse, unknown names, references to nothing, and
what becomes of a line; it is no proof that Alloy itself takes the file.
"""

import contextlib
import json
import re

from tools import Failed

TOKEN = re.compile(r'\s+|//[^\n]*|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<word>[A-Za-z_][\w.]*)|(?P<number>\d+)|(?P<sign>[{}\[\]=,])')
# What each block may say, and what others may take from it.
BLOCKS = {
    "logging": {"level", "format"},
    "loki.source.syslog": {"relabel_rules", "forward_to"},
    "listener": {"address", "protocol", "labels", "use_incoming_timestamp", "max_message_length", "use_rfc5424_message"},
    "loki.source.journal": {"matches", "labels", "forward_to"},
    "loki.relabel": {"forward_to"},
    "rule": {"source_labels", "regex", "replacement", "target_label", "action"},
    "loki.process": {"forward_to"},
    "loki.write": set(),
    "endpoint": {"url"},
    "stage.json": {"expressions", "source", "drop_malformed"},
    "stage.labels": {"values"},
    "stage.match": {"selector"},
}
EXPORTS = {"loki.relabel": "rules", "loki.process": "receiver", "loki.write": "receiver"}


class Word(str):
    """A name that stands without quotes: a reference."""


class Block:
    def __init__(self, name, label):
        self.name, self.label, self.says, self.inside = name, label, {}, []


def tokens(text):
    at, found = 0, []
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise Failed(f"config.alloy: what is {text[at:at + 20]!r}?")
        at = match.end()
        if match["text"]:
            found.append(json.loads(match["text"]))
        elif match["word"]:
            found.append(Word(match["word"]))
        elif match["number"]:
            found.append(int(match["number"]))
        elif match["sign"]:
            found.append((match["sign"],))
    return found


class Reader:
    def __init__(self, text):
        self.rest = tokens(text)[::-1]

    def sign(self, *signs):
        """Takes one of the signs if it is next."""
        if self.rest and self.rest[-1] in [(s,) for s in signs]:
            return self.rest.pop()[0]
        return None

    def needs(self, sign):
        if not self.sign(sign):
            raise Failed(f"config.alloy: {sign} is missing before {self.rest[-1:]}")

    def body(self, block, end=None):
        while self.rest and not (end and self.sign(end)):
            name = self.rest.pop()
            if not isinstance(name, Word):
                raise Failed(f"config.alloy: {name} is no name")
            if self.sign("="):
                block.says[str(name)] = self.value()
                continue
            label = self.rest.pop() if isinstance(self.rest[-1], str) else None
            self.needs("{")
            block.inside.append(self.body(Block(str(name), label), "}"))
        return block

    def value(self):
        if self.sign("["):
            return [value for value in self.many("]", self.value)]
        if self.sign("{"):
            return dict(self.many("}", self.pair))
        value = self.rest.pop()
        if isinstance(value, tuple):
            raise Failed(f"config.alloy: {value[0]} is no value")
        return value

    def pair(self):
        key = self.rest.pop()
        self.needs("=")
        return key, self.value()

    def many(self, end, one):
        while not self.sign(end):
            yield one()
            if not self.sign(","):
                self.needs(end)
                return


def read(text):
    """The file's blocks by name, with every name and reference in it known."""
    top = Reader(text).body(Block("", None))
    exports = {f"{b.name}.{b.label}.{EXPORTS[b.name]}" for b in top.inside if b.name in EXPORTS}

    def judge(block):
        for each in block.inside:
            if each.name not in BLOCKS or each.says.keys() - BLOCKS[each.name]:
                raise Failed(f"config.alloy: {each.name} {sorted(each.says)} is not known")
            for value in each.says.values():
                for part in value if isinstance(value, list) else [value]:
                    if isinstance(part, Word) and part not in exports | {"true", "false"}:
                        raise Failed(f"config.alloy: {part} is no component's")
            judge(each)

    judge(top)
    return {block.name: block for block in top.inside}


def matches(selector, labels):
    """A selector of streams: a label that is missing is an empty one."""
    for name, operator, text in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"', selector):
        value = labels.get(name, "")
        equal = re.fullmatch(text, value) is not None if "~" in operator else text == value
        if equal == operator.startswith("!"):
            return False
    return True


def relabelled(block, labels):
    """What rules make of labels; those that begin with __ stay inside Alloy."""
    for rule in (each.says for each in block.inside):
        match = re.fullmatch(rule["regex"], ";".join(labels.get(name, "") for name in rule["source_labels"]))
        if match:
            labels = labels | {rule["target_label"]: match.expand(rule.get("replacement", "$1").replace("$", "\\"))}
    return {name: value for name, value in labels.items() if not name.startswith("__")}


def processed(block, line, labels):
    """The labels with which Loki gets a line."""
    found, labels = {}, dict(labels)
    for stage in block.inside:
        says = stage.says
        if stage.name == "stage.json":
            with contextlib.suppress(ValueError):
                document = json.loads(line)
                found |= {name: document[key or name] for name, key in says["expressions"].items() if (key or name) in document}
        elif stage.name == "stage.labels":
            labels |= {name: found[source or name] for name, source in says["values"].items() if (source or name) in found}
        elif stage.name == "stage.match" and matches(says["selector"], labels):
            labels = processed(stage, line, labels)
    return labels
