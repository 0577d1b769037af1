"""A plan as a program in Python: the verbs of `ps`, as a person would write them."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

from penstock.api.stream import stream
from penstock.core.dtypes import DType
from penstock.core.errors import PenstockError, UnsupportedError
from penstock.core.schema import Schema
from penstock.core.spec import Secret
from penstock.expr.ast import Column
from penstock.expr.build import Expr
from penstock.operators.read import Read
from penstock.plan import emission, ttl, watermark
from penstock.plan.keyed_windows import Count, Everything, Hybrid, Session, Sliding
from penstock.plan.node import Node
from penstock.plan.pipeline import Pipeline
from penstock.plan.windows import Windows
from penstock.spelling import said as kinds
from penstock.spelling.python_terms import Imports, PythonTerms, function_text, type_text
from penstock.spelling.said import Arg, Said, span_text
from penstock.spelling.written import SOURCE, Chains, Missing, Written

LINE = 110
"""How long a line may be before it is broken before its dots."""


def python(pipeline: Pipeline) -> Written:
    """A pipeline as a program; nodes that have no spelling are names that the program does not define."""
    return _Program(pipeline).written()


class _Program:
    """Writes one program."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.imports = Imports()
        self.terms = PythonTerms(Imports())
        self.names: dict[int, str] = {}
        self.chains = Chains(pipeline, self._read_back, self._refuse)
        self.names = self.chains.named
        self.terms = PythonTerms(self.imports)

    def written(self) -> Written:
        """The text."""
        missing = self.chains.missing()
        lines: list[str] = []
        for node in self.chains.heads():
            name, found = self.chains.named[id(node)], self.chains.said[id(node)]
            if node.verb == "read" and found == SOURCE:
                lines.append(f"{name} = {self._read(node)}")
            elif isinstance(found, Said):
                base, steps = self.chains.chain(node)
                lines.append(_broken(name, self.chains.named[id(base)], [self._step(step) for step in steps]))
        outputs = []
        for output in self.pipeline.outputs:
            try:
                outputs.append(self._output(output))
            except UnsupportedError as refused:
                missing = (*missing, Missing(str(output.name), output, refused.message))
        settings = self._settings()
        inside = "".join(f"    {part},\n" for part in [repr(self.pipeline.name), *outputs, *settings])
        head = [f"# {one}" for one in missing]
        program = [*head, *self.imports.lines(), "", *lines, "", f"pipeline = ps.Pipeline(\n{inside})"]
        return Written("\n".join(program) + "\n", missing)

    def _settings(self) -> list[str]:
        defaults = {one.name: one.default for one in dataclasses.fields(Pipeline)}
        names = ("guarantee", "unbounded", "on_error", "max_error_rate")
        given = {name: getattr(self.pipeline, name) for name in names}
        return [f"{name}={value!r}" for name, value in given.items() if value != defaults[name]]

    # -- sources and sinks -----------------------------------------------------

    def _refuse(self, node: Any) -> str | None:
        kept, self.imports = self.imports, Imports()
        try:
            self._read(node)
        except PenstockError as refused:
            return refused.message
        finally:
            self.imports = kept
        return None

    def _connector(self, value: Any) -> str:
        stored = value.plan_value()
        cls = type(value)
        if stored["connector"] in ("memory", "flow"):
            raise UnsupportedError("its data are in the program that made the plan")
        if getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is not cls:
            raise UnsupportedError(f"the connector {cls.__qualname__} has no import path")
        name = self.imports.of(cls.__module__, cls.__qualname__)
        options = [f"{key}={_option(one)}" for key, one in stored["options"].items()]
        if cls(**{key: _given(one) for key, one in stored["options"].items()}).plan_value() != stored:
            raise UnsupportedError(f"the options of {cls.__qualname__} are not those of its constructor")
        return f"{name}({', '.join(options)})"

    def _read(self, node: Any) -> str:
        made = Read(source=node.source, name=node.name, columns=node.columns, extra=node.extra, masks=node.masks)
        if made.fingerprint != node.fingerprint:
            raise UnsupportedError("it reads some of its columns only")
        parts = [self._connector(node.source), f"schema={self._schema(node.columns)}"]
        parts.append(f"name={node.name!r}")
        if node.extra != "ignore":
            parts.append(f"extra={node.extra!r}")
        if node.masks:
            parts.append(f"mask={dict(node.masks)!r}")
        text = f"ps.read({', '.join(parts)})"
        if len(text) > LINE:
            text = "ps.read(\n" + "".join(f"    {part},\n" for part in parts) + ")"
        return text

    def _schema(self, schema: Schema) -> str:
        if all(field.nullable and not field.mask for field in schema):
            return "{" + ", ".join(f"{field.name!r}: {type_text(field.dtype)}" for field in schema) + "}"
        fields = []
        for field in schema:
            more = "" if field.nullable else ", nullable=False"
            more += f", mask={field.mask!r}" if field.mask else ""
            fields.append(f"ps.Field({field.name!r}, {type_text(field.dtype)}{more})")
        return f"ps.Schema(({', '.join(fields)},))"

    def _output(self, output: Any) -> str:
        rows = self.chains.named[id(output.input)]
        key = f", key={list(output.key)!r}" if output.key is not None else ""
        sink = self._connector(output.sink)
        state = f".state({output.state_name!r})" if output.state_name else ""
        return f"{rows}.write({sink}{key}, name={output.name!r}){state}"

    # -- verbs -----------------------------------------------------------------

    def _read_back(self, said: Said) -> Node:
        """What a verb makes; its values are written too, so that one that has no text is refused."""
        self._step(said)
        rows: Any = stream(said.base)
        made = _called(rows, said)
        if said.state is not None:
            made = made.state(said.state, ttl=_ttl(said.ttl)[0] if said.ttl is not None else None)
        node: Node = made.node
        return node

    def _step(self, said: Said) -> str:
        made = "".join(f".{verb}({', '.join(self._argument(*one) for one in args)})" for verb, args in _calls(said))
        if said.state is not None:
            more = f", ttl={_ttl(said.ttl)[1]}" if said.ttl is not None else ""
            made += f".state({said.state!r}{more})"
        return made

    def _argument(self, name: str, arg: Arg) -> str:
        text = self._text(arg)
        return f"{name}={text}" if name else text

    def _text(self, arg: Arg) -> str:
        value = arg.value
        match arg.kind:
            case kinds.TERM | kinds.PAIR:
                return repr(value.name) if isinstance(value, Column) and arg.name in _BY_NAME else self.terms.of(value)
            case kinds.TERMS | kinds.OTHERS:
                texts = [repr(one.name) if isinstance(one, Column) else self.terms.of(one) for one in value]
                return ", ".join(texts) if arg.name == "sort" else f"[{', '.join(texts)}]"
            case kinds.NAMED:
                return self.terms.named(value)
            case kinds.NAMES:
                return ", ".join(map(repr, value)) if arg.name in _SPREAD else repr(list(value))
            case kinds.TYPES:
                return "{" + ", ".join(f"{name!r}: {type_text(one)}" for name, one in value) + "}"
            case kinds.RENAMES:
                return repr(dict(value))
            case kinds.CONDITIONS:
                return "**{" + ", ".join(f"{name!r}: {self.terms.of(one)}" for name, one in value) + "}"
            case kinds.WINDOW:
                return self._window(value)
            case kinds.ROWS:
                return self.names.get(id(value), "rows")
            case kinds.STREAMS:
                return ", ".join(self.names.get(id(one), "rows") for one in value)
            case kinds.POLICY:
                return self._policy(value)
            case kinds.FUNCTION:
                return function_text(value, self.terms.imports)
            case kinds.SCHEMA:
                return self._schema(value)
            case kinds.EMIT | kinds.CLOCK | kinds.INGESTION:
                return _simple(arg)[1]
        return repr(value)

    def _window(self, windows: Any) -> str:
        if isinstance(windows, Session):
            gap = windows.gap if not hasattr(windows.gap, "walk") else None
            first = repr(str(gap)) if gap is not None else self.terms.of(windows.gap)  # type: ignore[arg-type]
            more = f", split_when={self.terms.of(windows.split)}" if windows.split is not None else ""
            return f"ps.session({first}{more})"
        return _simple(Arg("window", kinds.WINDOW, windows))[1]

    def _policy(self, policy: Any) -> str:
        if isinstance(policy, watermark.Punctuated):
            return f"ps.punctuated({self.terms.of(policy.mark)})"
        if isinstance(policy, watermark.Bounded):
            return repr(span_text(policy.delay)) if policy.delay else "ps.monotonic()"
        raise UnsupportedError("this watermark is of a test")


_BY_NAME = ("with_event_time",)
_SPREAD = ("drop", "dedup", "as_table")
_OWN = {"select", "with_columns", "drop", "rename", "cast", "filter", "explode", "unnest", "expect", "inspect", "sort",
        "limit", "dedup", "as_table", "union", "with_event_time", "join", "join_asof", "map", "flat_map",
        "map_batches", "fill_null"}  # fmt: skip
"""Verbs whose first argument has no name."""


def _calls(said: Said) -> list[tuple[str, list[tuple[str, Arg]]]]:
    """The calls that a verb is in Python: `group_by(...).window(...).agg(...)`."""
    if said.verb == kinds.SAME:
        return []
    if said.verb not in ("group_by", "window"):
        return [
            (said.verb, [("" if i == 0 and said.verb in _OWN else arg.name, arg) for i, arg in enumerate(said.args)])
        ]
    found: list[tuple[str, list[tuple[str, Arg]]]] = []
    verb = ""
    for arg in said.args:
        if arg.name in ("group_by", "window", "agg", "top_n", "rows"):
            verb = arg.name
            found.append((verb, [] if verb == "rows" else [("", arg)]))
        else:
            found[-1][1].append((arg.name, arg))
    return found


def _called(rows: Any, said: Said) -> Any:
    made = rows
    for verb, args in _calls(said):
        given: list[Any] = []
        named: dict[str, Any] = {}
        for name, arg in args:
            value = _object(arg)
            if arg.kind == kinds.CONDITIONS:
                named |= value
            elif not name and isinstance(value, tuple):
                given += value
            elif not name:
                given.append(value)
            else:
                named[name] = list(value) if isinstance(value, tuple) and arg.kind != kinds.BETWEEN else value
        made = getattr(made, verb)(*given, **named)
    return made


def _object(arg: Arg) -> Any:
    """The value of an argument as a verb takes it; a tuple is spread out."""
    value = arg.value
    match arg.kind:
        case kinds.TERM | kinds.PAIR:
            return value.name if isinstance(value, Column) and arg.name in _BY_NAME else Expr(value)
        case kinds.TERMS | kinds.OTHERS:
            return tuple(one.name if isinstance(one, Column) else Expr(one) for one in value)
        case kinds.NAMED:
            return tuple(Expr(term, name) for name, term in value)
        case kinds.NAMES:
            return tuple(value)
        case kinds.TYPES | kinds.RENAMES:
            return dict(value)
        case kinds.CONDITIONS:
            return {name: Expr(term) for name, term in value}
        case kinds.ROWS:
            return stream(value)
        case kinds.STREAMS:
            return tuple(stream(one) for one in value)
        case kinds.POLICY:
            if isinstance(value, watermark.Bounded):
                return span_text(value.delay) if value.delay else watermark.monotonic()
            return value
        case kinds.FUNCTION:
            return value.function if getattr(value, "ordinal", 1) == 0 else value
        case kinds.WINDOW | kinds.EMIT | kinds.CLOCK | kinds.INGESTION:
            return value if isinstance(value, Session) else _simple(arg)[0]
    return value


def _ttl(value: Any) -> tuple[Any, str]:
    span = span_text(value.span)
    if value.clock == "processing":
        return ttl.processing_time(span), f"ps.processing_time({span!r})"
    return span, repr(span)


def _simple(arg: Arg) -> tuple[Any, str]:
    """Values that are the same as an object and as a text."""
    value = arg.value
    if arg.kind == kinds.CLOCK:
        return ttl.processing_time(), "ps.processing_time()"
    if arg.kind == kinds.INGESTION:
        return watermark.ingestion_time(), "ps.ingestion_time()"
    if arg.kind == kinds.EMIT:
        if value.when == "change":
            return "change", "'change'"
        if value.when == emission.ROWS:
            return emission.every(rows=value.every), f"ps.every(rows={value.every})"
        return emission.every(span_text(value.every)), f"ps.every({span_text(value.every)!r})"
    if isinstance(value, Count):
        return value, f"ps.count_window({value.rows}, every={value.every})"
    if isinstance(value, Everything):
        return value, "ps.global_window()"
    if isinstance(value, Sliding):
        return value, f"ps.sliding({str(value.size)!r})"
    if isinstance(value, Hybrid):
        return value, f"ps.hybrid({value.rows}, {str(value.size)!r})"
    if isinstance(value, Windows):
        more = f", every={str(value.every)!r}" if hasattr(value, "every") else ""
        more += f", offset={span_text(value.offset)!r}" if value.offset else ""
        more += f", zone={value.zone!r}" if value.zone != "UTC" else ""
        return value, f"ps.{value.kind}({str(value.size)!r}{more})"
    raise UnsupportedError(f"a {getattr(value, 'kind', 'such a')} window has no spelling: it is a function")


def _option(value: Any) -> str:
    """The value of an option of a connector."""
    if isinstance(value, Secret):
        return f"ps.secret({value.name!r})"
    if isinstance(value, str) and value.startswith("secret:"):
        return f"ps.secret({value.removeprefix('secret:')!r})"
    if isinstance(value, DType):
        return type_text(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_option, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_option(one)}" for key, one in value.items()) + "}"
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    raise UnsupportedError(f"the option {value!r} has no spelling")


def _given(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("secret:"):
        return Secret(value.removeprefix("secret:"))
    return list(value) if isinstance(value, tuple) else value


def _broken(name: str, base: str, steps: list[str]) -> str:
    line = f"{name} = {base}{''.join(steps)}"
    if len(line) <= LINE and len(steps) < 3:
        return line
    return f"{name} = (\n    {base}\n" + "".join(f"    {step}\n" for step in steps) + ")"
