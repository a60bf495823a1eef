"""The part of YAML 1.2 that our compose file is written in, so that no parser is needed for one file.

Block mappings, flow sequences and mappings, plain and double-quoted scalars, comments, anchors, aliases and merge keys.
Everything else is refused, and so is a plain scalar that YAML 1.1 and 1.2 read differently (`on`, `012`, `22:22`).
Rules: https://yaml.org/spec/1.2.2/ and, for `<<`, https://yaml.org/type/merge.html
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

AMBIGUOUS = re.compile(
    r"(?i)y|n|yes|no|on|off"
    r"|[-+]?0\d+|0[xo].*|[-+]?\d+(_\d*)+|\d+(:[0-5]?\d)+"
    r"|[-+]?(\d+\.\d*|\.\d+)(e.*)?|[-+]?\d+e.*|[-+.]*(inf|nan)"
)
PAIR = re.compile(r"(?P<key>[^\s:#\[\]{},&*!|>'\"%@`?-][^\s:]*|<<):(?: +(?P<value>\S.*))?$")
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]|:(?= |$)|[^\s\[\]{},:](?:[^\[\]{},:]|:(?! |$))*')
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"$')


class Line(NamedTuple):
    """A line that says something: its number, its indentation, its text without comment."""

    number: int
    indent: int
    text: str


def read(path: Path) -> Any:
    """Return the document of a file; ValueError names the line that is outside this part of YAML."""
    lines = [one for number, text in enumerate(path.read_text().splitlines(), 1) if (one := _line(number, text))]
    reader = _Reader(lines)
    found = reader.mapping(0)
    if reader.place < len(lines):
        raise ValueError(f"line {lines[reader.place].number}: indented as nothing above it")
    return found


def _line(number: int, text: str) -> Line | None:
    kept, quoted = "", False
    for place, character in enumerate(text):
        if character == '"' and text[place - 1 : place] != "\\":
            quoted = not quoted
        if character == "#" and not quoted and (not kept or kept[-1].isspace()):
            break
        kept += character
    if "\t" in kept:
        raise ValueError(f"line {number}: a tab")
    return Line(number, len(kept) - len(kept.lstrip()), kept.strip()) if kept.strip() else None


class _Reader:
    def __init__(self, lines: list[Line]) -> None:
        self.place = 0
        self._lines = lines
        self._anchors: dict[str, Any] = {}

    def mapping(self, indent: int) -> dict[str, Any]:
        """Read the block mapping whose keys stand at this indentation."""
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while self.place < len(self._lines) and self._lines[self.place].indent == indent:
            line = self._lines[self.place]
            pair = PAIR.match(line.text)
            if pair is None:
                raise ValueError(f"line {line.number}: no `key: value`: {line.text}")
            self.place += 1
            key, value = pair["key"], self._value(line, pair["value"] or "")
            if key in found or (key == "<<" and merged):
                raise ValueError(f"line {line.number}: {key} is there twice")
            if key == "<<":
                merged = value
            else:
                found[key] = value
        return {**merged, **found}

    def _value(self, line: Line, text: str) -> Any:
        anchor, text = (text[1:].partition(" ")[0], text.partition(" ")[2].strip()) if text.startswith("&") else ("", text)
        if text:
            value = self._anchors[text[1:]] if text.startswith("*") else _scalar_or_flow(line.number, text)
        elif self.place < len(self._lines) and self._lines[self.place].indent > line.indent:
            value = self.mapping(self._lines[self.place].indent)
        else:
            value = None
        if anchor:
            self._anchors[anchor] = value
        return value


def _scalar_or_flow(number: int, text: str) -> Any:
    if text[0] in "[{":
        tokens = TOKEN.findall(text)
        if "".join("".join(tokens).split()) != "".join(text.split()):
            raise ValueError(f"line {number}: not understood: {text}")
        rest = iter(token.strip() for token in tokens)
        value = _flow(number, next(rest), rest)
        if next(rest, None) is not None:
            raise ValueError(f"line {number}: something after the end: {text}")
        return value
    if not QUOTED.match(text) and (text[0] in "&*!|>'\"%@`?-,]}" or ": " in text or text.endswith(":")):
        raise ValueError(f"line {number}: outside the part of YAML that is read here: {text}")
    return _scalar(number, text)


def _flow(number: int, token: str, rest: Iterator[str]) -> Any:
    if token == "[":
        items: list[Any] = []
        while (token := next(rest, "")) != "]":
            items.append(_flow(number, token, rest))
            if _between(number, next(rest, ""), "]"):
                break
        return items
    if token == "{":
        pairs: dict[str, Any] = {}
        while (token := next(rest, "")) != "}":
            if next(rest, "") != ":":
                raise ValueError(f"line {number}: no value for {token!r}")
            pairs[str(_scalar(number, token))] = _flow(number, next(rest, ""), rest)
            if _between(number, next(rest, ""), "}"):
                break
        return pairs
    return _scalar(number, token)


def _between(number: int, token: str, end: str) -> bool:
    if token not in {",", end}:
        raise ValueError(f"line {number}: {token!r} where a comma or {end} should be")
    return token == end


def _scalar(number: int, text: str) -> Any:
    if QUOTED.match(text):
        return json.loads(text)  # the escapes of both are the same where JSON has them
    if not text or AMBIGUOUS.fullmatch(text) or text[0] in "&*!|>'\"%@`?,[]{}":
        raise ValueError(f"line {number}: quote {text!r}")
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    return {"true": True, "false": False, "null": None, "~": None}.get(text, text)
