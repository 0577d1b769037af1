"""A plan as YAML: sources, chains of steps, sinks; expressions are SQL."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.api.stream import stream
from penstock.core.dtypes import Datetime, DType
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.schema import Schema
from penstock.core.spec import Secret
from penstock.expr.ast import Column, Term
from penstock.expr.user_functions import UserFunction
from penstock.operators.read import Read
from penstock.plan import emission, watermark
from penstock.plan.keyed_windows import Count, Everything, Hybrid, Session, Sliding
from penstock.plan.node import Node, walk
from penstock.plan.pipeline import Pipeline
from penstock.plan.windows import Windows
from penstock.spelling import said as kinds
from penstock.spelling.said import Arg, Said, span_text
from penstock.spelling.sql_terms import SqlTerms, quoted
from penstock.spelling.written import SOURCE, Chains, Functions, Missing, Written
from penstock.spelling.yaml_text import block, flow
from penstock.sql.bind_query import of_node
from penstock.sql.functions import NAMES
from penstock.sql.scope import Related, Scope, ScopeColumn
from penstock.sql.terms import Session as SqlSession
from penstock.sql.types import spelled
from penstock.yaml.document import pipeline_of
from penstock.yaml.functions import Calling
from penstock.yaml.kinds import Context
from penstock.yaml.steps import step as read_step
from penstock.yaml.tree import read as read_tree

FILE = "<spelling>"


def yaml(pipeline: Pipeline) -> Written:
    """A pipeline in YAML; nodes that have no spelling are streams that the text does not define."""
    return _Document(pipeline).written()


def read_yaml(text: str, given: Mapping[str, Node] | None = None, folder: Path | None = None) -> Pipeline:
    """The pipeline of a text that `yaml` wrote, with what it only names.

    Args:
        text: The text.
        given: What it only names.
        folder: Where the modules of its functions are; by default the current one.

    Raises:
        PlanError: If it cannot mean anything.
    """
    return pipeline_of(text, FILE, {name: stream(node) for name, node in (given or {}).items()}, folder)


def zone_of(pipeline: Pipeline) -> str:
    """The zone of most moments of a plan: only one can be that of TIMESTAMP_LTZ."""
    found: Counter[str] = Counter()
    for node in walk(*pipeline.outputs):
        for field in node.schema:
            if isinstance(field.dtype, Datetime) and field.dtype.zone:
                found[field.dtype.zone] += 1
    return found.most_common(1)[0][0] if found else "UTC"


def option(value: Any) -> Any:
    """The value of an option of a connector.

    Raises:
        UnsupportedError: If it is no value of a text.
    """
    if isinstance(value, Secret):
        return f"secret:{value.name}"
    if isinstance(value, (list, tuple)):
        return [option(one) for one in value]
    if isinstance(value, dict):
        return {str(key): option(one) for key, one in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise UnsupportedError(f"the option {value!r} is no text")


class _Document:
    """Writes one document."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.zone = zone_of(pipeline)
        self.session = SqlSession(self.zone)
        self.functions = Functions()
        self.names: dict[int, str] = {}
        self.said: dict[int, Said | str] = {}
        self.chains = Chains(pipeline, self._read_back, self._refuse, verbatim=True, said=self.said)
        self.names = self.chains.named

    def written(self) -> Written:
        """The text."""
        missing = self.chains.missing()
        sources: dict[str, Any] = {}
        streams: dict[str, Any] = {}
        for node in self.chains.heads():
            name, found = self.names[id(node)], self.chains.said[id(node)]
            if found == SOURCE:
                sources[name] = self._source(node)
            elif isinstance(found, Said) and found.verb not in ("late", "errors"):
                base, said = self.chains.chain(node)
                steps = [one for each in said for one in self._steps(each)]
                streams[name] = {"from": self._reference(base), **({"steps": steps} if steps else {})}
        document = self._head()
        called = {name: self.functions.target(one) for name, one in self.functions.named.items()}
        if called:
            document["functions"] = called
        for key, section in (("sources", sources), ("streams", streams)):
            if section:
                document[key] = section
        document["sinks"] = {}
        for output in self.pipeline.outputs:
            try:
                document["sinks"][str(output.name)] = self._sink(output)
            except UnsupportedError as refused:
                missing = (*missing, Missing(str(output.name), output, refused.message))
        lines = [*(f"# {one}" for one in missing), block(document)]
        return Written("\n".join(lines) + "\n", missing, self.functions.folder)

    def _head(self) -> dict[str, Any]:
        head: dict[str, Any] = {"pipeline": self.pipeline.name}
        if self.zone != "UTC":
            head["zone"] = self.zone
        defaults = {one.name: one.default for one in dataclasses.fields(Pipeline)}
        for name in ("guarantee", "unbounded", "on_error", "max_error_rate"):
            if getattr(self.pipeline, name) != defaults[name]:
                head[name] = getattr(self.pipeline, name)
        return head

    def _reference(self, node: Node) -> str:
        """What rows are called: those that a stream refused are a part of it."""
        found = self.said.get(id(node))
        if isinstance(found, Said) and found.verb in ("late", "errors"):
            return f"{self._reference(found.base)}.{found.verb}"
        return self.names.get(id(node), f"rows{id(node)}")

    # -- sources and sinks -----------------------------------------------------

    def _source(self, node: Any) -> dict[str, Any]:
        stored = node.source.plan_value()
        if stored["connector"] in ("memory", "flow"):
            raise UnsupportedError("its data are in the program that made the plan")
        made: dict[str, Any] = {"connector": stored["connector"]}
        made |= {key: option(value) for key, value in stored["options"].items()}
        made["schema"] = self._types(node.columns)
        if node.extra != "ignore":
            made["extra"] = node.extra
        if node.masks:
            made["mask"] = dict(node.masks)
        return made

    def _types(self, schema: Schema) -> dict[str, str]:
        return {field.name: self._type(field.dtype) + ("" if field.nullable else " NOT NULL") for field in schema}

    def _type(self, dtype: DType) -> str:
        return spelled(dtype)

    def _refuse(self, node: Any) -> str | None:
        try:
            sections = {"sources": {node.name: self._source(node)},
                        "sinks": {"out": {"from": node.name, "connector": "print"}}}  # fmt: skip
            found = pipeline_of(block({"pipeline": "p", "zone": self.zone, **sections}), FILE).outputs[0].input
        except PlanError as refused:
            return refused.message
        same = found.fingerprint == dataclasses.replace(node, state_name=None).fingerprint
        return None if same else self._unlike(found, node)

    def _unlike(self, found: Any, node: Any) -> str:
        if isinstance(found, Read) and found.columns != node.columns:
            wrong = next((a for a, b in zip(node.columns, found.columns, strict=False) if a != b), None)
            if wrong is not None:
                return f'"{wrong.name}" is {wrong.dtype}, which has no name in SQL here'
        return "YAML reads it as another source"

    def _sink(self, output: Any) -> dict[str, Any]:
        stored = output.sink.plan_value()
        if stored["connector"] in ("memory", "flow"):
            raise UnsupportedError("its rows go to the program that made the plan")
        made: dict[str, Any] = {"from": self._reference(output.input), "connector": stored["connector"]}
        made |= {key: option(value) for key, value in stored["options"].items()}
        if output.key is not None:
            made["key"] = [quoted(name) for name in output.key]
        if output.state_name is not None:
            raise UnsupportedError("YAML has no word for the name of its state")
        return made

    # -- steps -----------------------------------------------------------------

    def _read_back(self, said: Said) -> Node:
        if said.verb in ("late", "errors"):
            rows = stream(said.base)
            return (rows.late() if said.verb == "late" else rows.errors()).node
        known = {self._reference(node): node for node in said.streams()}
        rows = stream(said.base)
        for one in self._steps(said):
            session = Calling(self.zone, self.functions.named, self.functions.folder or Path.cwd())
            context = Context(session, lambda at, name: stream(known[name]), rows)
            rows = read_step(read_tree(flow(one), FILE), rows, context)
        return rows.node

    def _steps(self, said: Said) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        if said.verb != kinds.SAME:
            step: dict[str, Any] = {}
            if not said.args or (said.args[0].name != said.verb and said.verb not in ("group_by", "window")):
                step[said.verb] = True
            for arg in said.args:
                step[arg.name] = self._value(said, arg)
            made.append(step)
        if said.state is not None:
            state: dict[str, Any] = {"state": said.state}
            if said.ttl is not None:
                span = span_text(said.ttl.span)
                state["ttl"] = {"processing_time": span} if said.ttl.clock == "processing" else span
            made.append(state)
        return made

    def _terms(self, node: Node) -> SqlTerms:
        names = list(node.schema.names)
        made = SqlTerms(Scope(of_node(node, names, names)), node.schema, self.session)
        made.functions, made.called = self.functions.named, self._called
        return made

    def _called(self, function: UserFunction) -> str:
        return self.functions.name(function, NAMES)[0]

    def _pair(self, said: Said) -> SqlTerms:
        other = next(arg.value for arg in said.args if arg.kind == kinds.ROWS)
        columns: list[ScopeColumn] = []
        known: dict[Term, str] = {}
        for side, node in (("left", said.base), ("right", other)):
            for one in node.schema:
                term = Column(f"{side}.{one.name}")
                columns.append(ScopeColumn(one.name, term, one.dtype, one.nullable, side))
                known[term] = f"`{side}`.{quoted(one.name)}"
        return SqlTerms(Scope(Related(said.base, tuple(columns))), said.base.schema, self.session, known)

    def _value(self, said: Said, arg: Arg) -> Any:
        value = arg.value
        match arg.kind:
            case kinds.TERM:
                return self._terms(said.base).top(value)
            case kinds.TERMS:
                return [self._terms(said.base).of(one) for one in value]
            case kinds.OTHERS:
                other = next(one.value for one in said.args if one.kind == kinds.ROWS)
                return [self._terms(other).of(one) for one in value]
            case kinds.PAIR:
                return self._pair(said).top(value)
            case kinds.NAMED:
                return self._named(said.base, value, aggregates=arg.name == "agg")
            case kinds.CONDITIONS:
                return {name: self._terms(said.base).top(one) for name, one in value}
            case kinds.NAMES:
                return [quoted(name) for name in value]
            case kinds.NAME:
                return quoted(value)
            case kinds.TYPES:
                return {name: self._type(dtype) for name, dtype in value}
            case kinds.RENAMES:
                return {old: quoted(new) for old, new in value}
            case kinds.WINDOW:
                return self._window(said, value)
            case kinds.EMIT:
                if value.when == "change":
                    return "change"
                by_rows = value.when == emission.ROWS
                return {"rows": value.every} if by_rows else {"every": span_text(value.every)}
            case kinds.CLOCK:
                return "processing_time"
            case kinds.ROWS:
                return self._reference(value)
            case kinds.STREAMS:
                return [self._reference(one) for one in value]
            case kinds.POLICY:
                return self._policy(said.base, value)
            case kinds.BETWEEN:
                return list(value)
            case kinds.INGESTION:
                return "ingestion_time"
            case kinds.SCHEMA:
                return self._types(value)
            case kinds.FUNCTION:
                return self.functions.target(value)
        return value

    def _named(self, node: Node, columns: Any, *, aggregates: bool) -> Any:
        if not aggregates and all(term == Column(name) for name, term in columns):
            names = [quoted(name) for name, _ in columns]
            return names[0] if len(names) == 1 else names
        return {name: self._terms(node).top(term) for name, term in columns}

    def _window(self, said: Said, windows: Any) -> Any:
        if isinstance(windows, Everything):
            return "global"
        if isinstance(windows, Count):
            return {"count": windows.rows, "every": windows.every}
        if isinstance(windows, Sliding):
            return {"sliding": str(windows.size)}
        if isinstance(windows, Hybrid):
            return {"hybrid": windows.rows, "size": str(windows.size)}
        if isinstance(windows, Session):
            terms = self._terms(said.base)
            made: dict[str, Any] = {
                "session": terms.of(windows.gap) if isinstance(windows.gap, Term) else str(windows.gap)
            }
            if windows.split is not None:
                made["split_when"] = terms.of(windows.split)
            return made
        if isinstance(windows, Windows):
            made = {windows.kind: str(windows.size)}
            if hasattr(windows, "every"):
                made["every"] = str(windows.every)
            if windows.offset:
                made["offset"] = span_text(windows.offset)
            if windows.zone != "UTC":
                made["zone"] = windows.zone
            return made
        raise UnsupportedError(f"a {getattr(windows, 'kind', 'such a')} window has no spelling: it is a function")

    def _policy(self, node: Node, policy: Any) -> Any:
        if isinstance(policy, watermark.Punctuated):
            return {"punctuated": self._terms(node).top(policy.mark)}
        if isinstance(policy, watermark.Bounded):
            return span_text(policy.delay) if policy.delay else "monotonic"
        raise UnsupportedError("YAML has no word for this watermark: it takes a duration, or monotonic")
