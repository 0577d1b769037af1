"""A text in YAML as a tree whose every value knows its line and column; nothing in it can become code.

The text is limited in size, depth, values and aliases before it becomes a tree: a text of a hundred lines can stand for
billions of values otherwise. Of YAML's types there are texts, numbers, true and false, null, lists and mappings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from penstock.core.errors import PlanError
from penstock.core.where import Where
from penstock.sql.text import Text

LARGEST = 1 << 20
"""How many characters a file may have."""
DEEPEST = 30
"""How deep values may be in each other."""
MOST_ALIASES = 100
"""How many `*aliases` there may be."""
MOST_VALUES = 20_000
"""How many values there may be, each alias counted as all that it stands for."""

_INTEGER = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_TAGS = tuple(f"tag:yaml.org,2002:{one}" for one in ("str", "int", "float", "bool", "null", "seq", "map"))


@dataclass(frozen=True, eq=False)
class Scalar:
    """A value that is no list and no mapping.

    Attributes:
        text: The file.
        at: The offset of its first character, a quote if it is quoted.
        end: The offset behind its last character.
        raw: What it says, without quotes.
        style: None if it is plain, else the quote or `|` or `>`.
    """

    text: Text
    at: int
    end: int
    raw: str
    style: str | None = None

    @property
    def plain(self) -> bool:
        """Whether it has no quotes: it may be a number then."""
        return self.style is None

    @property
    def value(self) -> Any:
        """The value: of a plain one a number, true, false or null, if it looks like one."""
        return typed(self.raw) if self.plain else self.raw

    @cached_property
    def offsets(self) -> list[int]:
        """Where each character stands in the file, and the place behind the last."""
        found, at = [], self.at + (self.style in ("'", '"'))
        if self.style in ("|", ">"):
            at = self.text.sql.find("\n", at) + 1
        for letter in self.raw:
            place = self.text.sql.find(letter, at, min(at + 400, self.end))
            if letter in " \n" and (place < 0 or self.text.sql[at:place].strip()):
                place = at  # a line break that was folded to a space, or the other way round
            at = place if place >= 0 else at
            found.append(at)
            at += place >= 0
        return [*found, min(at, self.end)]


@dataclass(frozen=True, eq=False)
class Sequence:
    """A list.

    Attributes:
        text: The file.
        at: The offset of its first character.
        end: The offset behind its first line.
        items: Its values.
    """

    text: Text
    at: int
    end: int
    items: list[Node] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Mapping:
    """Keys with values, in order.

    Attributes:
        text: The file.
        at: The offset of its first character.
        end: The offset behind its first line.
        items: The values by their keys.
        keys: The keys with their places.
    """

    text: Text
    at: int
    end: int
    items: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Scalar] = field(default_factory=dict)


Node = Scalar | Sequence | Mapping


def where(node: Node) -> Where:
    """The place of a value, with its line and a caret."""
    return node.text.where(node.at, node.end)


def wrong(node: Node, message: str, hint: str | None = None) -> PlanError:
    """A mistake at a value."""
    return PlanError(message, where=where(node), hint=hint)


def typed(raw: str) -> Any:
    """A plain text as YAML 1.2 reads it: a number, true, false, null, or the text itself."""
    if raw in _WORDS:
        return _WORDS[raw]
    if _INTEGER.fullmatch(raw):
        return int(raw, 0) if raw[:2] in ("0x", "0o") else int(raw)
    return float(raw) if _FLOAT.fullmatch(raw) else raw


def read(yaml: str, file: str) -> Node:
    """The tree of a text.

    Args:
        yaml: The text: one document.
        file: What it is called in messages.

    Raises:
        PlanError: If it is no YAML, or has more than the limits allow.
    """
    text = Text(yaml, file)
    if len(yaml) > LARGEST:
        raise PlanError(f'"{file}" has {len(yaml):,} characters: {LARGEST:,} are the most')
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        root = _Builder(text, YAML(typ="safe", pure=True).parse(yaml)).document()
    except MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        told = str(failure.problem or failure.context or "it is no YAML").strip()
        told = told.replace("found character '\\t' that", "a tab")
        raise text.error(f"this is no YAML: {told}", mark.index if mark else 0, hint=_hint(told)) from None
    except YAMLError as failure:
        at = getattr(failure, "position", 0)
        raise text.error("this is no YAML: a character that is not allowed", at) from None
    except ValueError:
        raise text.error("this is no YAML", 0) from None
    if root is None:
        raise PlanError(f'"{file}" is empty', hint="pipeline: NAME, sources: ..., streams: ..., sinks: ...")
    return root


def _hint(told: str) -> str | None:
    if "mapping values are not allowed" in told:
        return "a text with a colon and a space in it is put in quotes"
    if "cannot start any token" in told or "a tab" in told:
        return "a text that begins with one of @ ` % or a tab is put in quotes; indent with spaces"
    if "unexpected end of stream" in told:
        return "a quote or a bracket is open"
    if "alias" in told or "anchor" in told:
        return "a text that begins with * or & is put in quotes"
    return None


class _Builder:
    """Makes the tree of what the parser says, and counts."""

    def __init__(self, text: Text, events: Iterator[Any]) -> None:
        self.text = text
        self.events = events
        self.anchors: dict[str, tuple[Node, int]] = {}
        self.aliases = 0
        self.values = 0

    def document(self) -> Node | None:
        """The only document."""
        root: Node | None = None
        documents = 0
        for event in self.events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise self.text.error("a file is one document, found a second", event.start_mark.index)
            elif kind in ("ScalarEvent", "SequenceStartEvent", "MappingStartEvent", "AliasEvent"):
                root = self.node(event, 1)
        return root

    def node(self, event: Any, depth: int) -> Node:
        """The value that begins with an event."""
        at = event.start_mark.index
        if depth > DEEPEST:
            raise self.text.error(f"values are more than {DEEPEST} deep in each other", at)
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._alias(event)
        before = self.values
        self._count(1, at)
        tag = str(getattr(event, "tag", None) or "")
        if tag and tag not in ("!", *_TAGS):
            raise self.text.error(
                f"tags have no meaning here, found {tag.replace('tag:yaml.org,2002:', '!!')}", at,
                hint="leave it out; secrets are written secret:NAME",
            )  # fmt: skip
        made: Node
        if kind == "ScalarEvent":
            style = event.style or ("'" if tag.endswith(":str") else None)
            made = Scalar(self.text, at, max(event.end_mark.index, at + 1), event.value, style)
        elif kind == "SequenceStartEvent":
            made = Sequence(self.text, at, self._line_end(at))
            for item in self._until("SequenceEndEvent"):
                made.items.append(self.node(item, depth + 1))
        else:
            made = Mapping(self.text, at, self._line_end(at))
            for key in self._until("MappingEndEvent"):
                self._pair(made, key, depth)
        if event.anchor:
            self.anchors[event.anchor] = (made, self.values - before)
        return made

    def _pair(self, made: Mapping, key: Any, depth: int) -> None:
        name = self.node(key, depth + 1)
        if not isinstance(name, Scalar):
            raise wrong(name, "a key is a name, found a list or a mapping")
        if name.raw == "<<" and name.plain:
            raise wrong(name, "YAML 1.2 has no merge key <<", hint="write the keys out")
        if name.raw in made.keys:
            line = where(made.keys[name.raw]).line
            raise wrong(name, f'the key "{name.raw}" is there twice, first in line {line}')
        made.keys[name.raw] = name
        made.items[name.raw] = self.node(next(self.events), depth + 1)

    def _until(self, end: str) -> Iterator[Any]:
        for event in self.events:
            if type(event).__name__ == end:
                return
            yield event

    def _alias(self, event: Any) -> Node:
        at = event.start_mark.index
        self.aliases += 1
        if self.aliases > MOST_ALIASES:
            raise self.text.error(f"there are more than {MOST_ALIASES} aliases", at)
        if event.anchor not in self.anchors:
            raise self.text.error(f"no value is named &{event.anchor} before", at, event.end_mark.index)
        node, size = self.anchors[event.anchor]
        self._count(size, at)
        return node

    def _count(self, more: int, at: int) -> None:
        self.values += more
        if self.values > MOST_VALUES:
            raise self.text.error(f"there are more than {MOST_VALUES:,} values", at)

    def _line_end(self, at: int) -> int:
        end = self.text.sql.find("\n", at)
        return max(at + 1, end if end >= 0 else len(self.text.sql))
