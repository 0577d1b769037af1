"""A file as a whole: sources, streams that are built from each other, sinks; and the pipeline of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock.api.read import read as read_source
from penstock.api.stream import Output, Stream
from penstock.core.errors import PlanError, UnknownNameError
from penstock.core.where import standing_at
from penstock.expr.build import Expr
from penstock.plan.pipeline import Pipeline
from penstock.sql.terms import Session
from penstock.yaml.connectors import connector
from penstock.yaml.kinds import (
    NAMES,
    NUMBER,
    STREAM,
    TEXT,
    TEXTS,
    TYPES,
    Context,
    Key,
    check_keys,
    choice,
    mapping,
)
from penstock.yaml.steps import step
from penstock.yaml.time import EVENT_TIME, WATERMARK
from penstock.yaml.tree import Mapping, Node, Scalar, Sequence, read, where, wrong

PIPELINE = (
    Key("pipeline", TEXT, "The name of the pipeline; it names the state directory.", needed=True),
    Key("zone", TEXT, "The time zone of TIMESTAMP_LTZ and of the functions of local time; UTC by default."),
    Key("guarantee", choice("exactly_once", "at_least_once"), "What is promised of outputs."),
    Key("unbounded", choice("report", "error"), "What happens if state has no bound."),
    Key("on_error", choice("dead_letter", "drop", "fail"), "What becomes of refused rows."),
    Key("max_error_rate", NUMBER, "The share of refused rows above which the pipeline fails."),
)
SOURCE = (
    Key("connector", TEXT, "Where rows come from.", needed=True),
    Key("schema", TYPES, "Columns with their types in SQL; without it the source is asked."),
    Key("event_time", EVENT_TIME, "The column of event time, or an expression."),
    *WATERMARK,
    Key("extra", choice("ignore", "forbid"), "What unknown fields do."),
    Key("mask", TEXTS, "How columns are hidden from people: {email: hash}."),
)
SINK = (
    Key("from", STREAM, "What is written: a source, a stream, NAME.late or NAME.errors.", needed=True),
    Key("connector", TEXT, "Where rows go.", needed=True),
    Key("key", NAMES, "The key of the rows, if they change."),
)
_SECTIONS = ("sources", "streams", "sinks")
_PORTS = ("late", "errors")


def pipeline_of(yaml: str, file: str) -> Pipeline:
    """The pipeline of a text.

    Args:
        yaml: The text.
        file: What it is called in messages.

    Raises:
        PlanError: If it cannot mean anything; with line, column and a caret.
    """
    root = mapping(read(yaml, file), "pipeline, sources, streams and sinks", "pipeline: NAME")
    return _Document(root).pipeline()


@dataclass
class _Document:
    """What has been built of a file.

    Attributes:
        root: All of it.
        streams: The sources and streams by their names.
        building: Those that are being built: none may need itself.
    """

    root: Mapping
    streams: dict[str, Stream] = field(default_factory=dict)
    building: list[str] = field(default_factory=list)
    context: Context = field(init=False)

    def __post_init__(self) -> None:
        check_keys(self.root, [*(key.name for key in PIPELINE), *_SECTIONS])
        self.context = Context(Session(), self._find)
        self.options = self._head()
        zone = self.options.pop("zone", None)
        if zone is not None:
            try:
                self.context.session = Session(zone)
            except PlanError as refused:
                raise refused.at(where(self.root.items["zone"])) from None
        self.sources = self._section("sources")
        self.later = self._section("streams")
        for name, at in self.later.keys.items():
            if name in self.sources.items:
                raise wrong(at, f'a source has the name "{name}" already')
        for section in (self.sources, self.later):
            for name, at in section.keys.items():
                if "." in name or not name:
                    raise wrong(at, f'"{name}" cannot name a stream', f"a name without dots: {name.replace('.', '_')}")

    def _head(self) -> dict[str, Any]:
        found = {}
        for key in PIPELINE:
            self.context.place = key.name
            if key.name in self.root.items:
                found[key.name] = key.kind.of(self.root.items[key.name], self.context)
            elif key.needed:
                raise wrong(self.root, f'the key "{key.name}" is missing', f"{key.name}: NAME")
        return found

    def _section(self, name: str) -> Mapping:
        node = self.root.items.get(name)
        if node is None:
            return Mapping(self.root.text, self.root.at, self.root.end)
        if isinstance(node, Sequence):
            raise wrong(node, f'"{name}" are names with what they are, found a list', f"{name}: {{NAME: ...}}")
        return mapping(node, f"names of {name}", f"{name}: {{NAME: ...}}")

    def pipeline(self) -> Pipeline:
        """The pipeline: all streams are built, also those that nothing is written of."""
        for section in (self.sources, self.later):
            for name in section.items:
                self._built(name)
        sinks = self._section("sinks")
        if not sinks.items:
            at = self.root.items.get("sinks", self.root)
            raise wrong(
                at, "there is no sink: nothing would be written", "sinks: {out: {from: NAME, connector: print}}"
            )
        outputs = [self._sink(name, sinks.keys[name], node) for name, node in sinks.items.items()]
        with standing_at(where(self.root.items["pipeline"])):
            return Pipeline(self.options.pop("pipeline"), *outputs, **self.options)

    # -- streams ---------------------------------------------------------------

    def _find(self, at: Scalar, said: str) -> Stream:
        """The stream of a name, or of what it refused."""
        name, dot, port = said.partition(".")
        known = [*self.sources.items, *self.later.items]
        if name not in known:
            raise UnknownNameError("source or stream", name, known, where=where(at))
        if dot and port not in _PORTS:
            raise UnknownNameError("part of a stream", port, _PORTS, where=where(at))
        rows = self._built(name, at)
        if not dot:
            return rows
        with standing_at(where(at)):
            return rows.late() if port == "late" else rows.errors()

    def _built(self, name: str, at: Scalar | None = None) -> Stream:
        if name in self.streams:
            return self.streams[name]
        if name in self.building:
            path = " -> ".join([*self.building[self.building.index(name) :], name])
            raise wrong(at or self.root, f"streams are built from each other in a circle: {path}")
        self.building.append(name)
        try:
            if name in self.sources.items:
                made = self._source(name, self.sources.keys[name], self.sources.items[name])
            else:
                made = self._stream(name, self.later.keys[name], self.later.items[name])
        finally:
            self.building.pop()
        self.streams[name] = made
        return made

    def _source(self, name: str, at: Scalar, node: Node) -> Stream:
        pairs = mapping(node, "a source: its connector and options", f"{name}: {{connector: filesystem, path: ...}}")
        given = self._declared(pairs, SOURCE[:2], f'the source "{name}"')
        own = {key.name for key in SOURCE}
        options = {key: value for key, value in pairs.items.items() if key not in own}
        said = pairs.items["connector"]
        assert isinstance(said, Scalar)
        source = connector(said, options, pairs, given.get("schema"), read=True)
        context = Context(self.context.session, self._find)
        rest = [key for key in SOURCE if key.name not in ("connector", "schema", "event_time")]
        more = {}
        for key in rest:
            if key.name in pairs.items:
                context.place = key.name
                more[key.name] = key.kind.of(pairs.items[key.name], context)
        timed = [key.name for key in WATERMARK]
        timing: dict[str, Any] = {n: more.pop(n) for n in timed if n in more}
        place = where(at)
        with standing_at(place):
            try:
                rows = read_source(source, schema=given.get("schema"), name=name, **more)
            except PlanError as refused:
                raise refused.at(place) from None
        return self._timed(rows, pairs, timing, context)

    def _timed(self, rows: Stream, pairs: Mapping, timing: dict[str, Any], context: Context) -> Stream:
        if "event_time" not in pairs.items:
            for name in timing:
                raise wrong(
                    pairs.keys[name], f'"{name}" is about an event time: the key "event_time" is missing',
                    "event_time: COLUMN",
                )  # fmt: skip
            return rows
        node = pairs.items["event_time"]
        context.rows, context.place = rows, "event_time"
        time: Expr = EVENT_TIME.of(node, context)
        with standing_at(where(node)):
            try:
                return rows.with_event_time(time, **timing)
            except PlanError as refused:
                raise refused.at(where(node)) from None

    def _declared(self, pairs: Mapping, keys: tuple[Key, ...], what: str) -> dict[str, Any]:
        found = {}
        for key in keys:
            self.context.place = key.name
            if key.name in pairs.items:
                found[key.name] = key.kind.of(pairs.items[key.name], self.context)
            elif key.needed:
                raise wrong(pairs, f'{what} has no "{key.name}"', key.doc)
        return found

    def _stream(self, name: str, at: Scalar, node: Node) -> Stream:
        pairs = mapping(node, "a stream: from and steps", f"{name}: {{from: NAME, steps: [...]}}")
        check_keys(pairs, ("from", "steps"), "stream")
        if "from" not in pairs.items:
            raise wrong(at, f'the stream "{name}" has no "from"', "from: the name of a source or stream")
        rows: Stream = STREAM.of(pairs.items["from"], self.context)
        steps = pairs.items.get("steps")
        if isinstance(steps, Mapping):
            raise wrong(steps, "steps are a list, found a mapping", "- before each verb: they have an order")
        if isinstance(steps, Scalar) and steps.value is not None:
            raise wrong(steps, f'steps are a list, found "{steps.raw}"', "- filter: amount > 0")
        for one in steps.items if isinstance(steps, Sequence) else []:
            rows = step(one, rows, self.context)
        return rows

    def _sink(self, name: str, at: Scalar, node: Node) -> Output:
        pairs = mapping(node, "a sink: from, its connector and options", f"{name}: {{from: NAME, connector: print}}")
        given = self._declared(pairs, SINK[:2], f'the sink "{name}"')
        rows: Stream = given["from"]
        context = Context(self.context.session, self._find, rows, place="key")
        key = NAMES.of(pairs.items["key"], context) if "key" in pairs.items else None
        own = {one.name for one in SINK}
        options = {one: value for one, value in pairs.items.items() if one not in own}
        said = pairs.items["connector"]
        assert isinstance(said, Scalar)
        sink = connector(said, options, pairs, rows.schema, read=False)
        with standing_at(where(at)):
            try:
                return rows.write(sink, key=key, name=name)
            except PlanError as refused:
                raise refused.at(where(at)) from None
