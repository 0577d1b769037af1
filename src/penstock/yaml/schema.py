"""The JSON schema of pipelines in YAML, for editors: made of the same tables that files are read by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.connectors import BUILTIN, module
from penstock.core.spec import Option, options_of
from penstock.sql.connectors import CONNECTORS
from penstock.sql.own_options import INTERNAL
from penstock.yaml.document import PIPELINE, SINK, SOURCE
from penstock.yaml.kinds import Key
from penstock.yaml.steps import STEPS

_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "None": "null"}
_NAMES: dict[str, Any] = {"pattern": "^[^.]+$"}


def schema() -> dict[str, Any]:
    """The schema (JSON schema, draft 2020-12) of a file.

    It knows the built-in connectors. What it cannot say (columns, types, expressions) `penstock check` says.
    """
    properties = {key.name: _property(key) for key in PIPELINE}
    properties["sources"] = _named({"oneOf": list(_connectors(SOURCE, "SOURCE", "source"))})
    properties["streams"] = _named(
        _object(
            {
                "from": {"type": "string", "description": "The name of a source or stream."},
                "steps": {"type": ["array", "null"], "items": {"anyOf": [_step(one.keys) for one in STEPS.values()]}},
            },
            ["from"],
        )
    )
    properties["sinks"] = _named({"oneOf": list(_connectors(SINK, "SINK", "sink"))})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A pipeline of Penstock",
        **_object(properties, ["pipeline", "sinks"]),
    }


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _named(one: dict[str, Any]) -> dict[str, Any]:
    return {"type": ["object", "null"], "propertyNames": _NAMES, "additionalProperties": one}


def _property(key: Key) -> dict[str, Any]:
    return {**key.kind.schema, "description": key.doc} if key.doc else dict(key.kind.schema)


def _step(keys: Iterable[Key]) -> dict[str, Any]:
    made = {key.name: _property(key) for key in keys}
    return _object(made, [next(iter(made))])


def _connectors(keys: tuple[Key, ...], attribute: str, kind: str) -> Iterable[dict[str, Any]]:
    """One form for each connector, under its name here and under Flink's."""
    for name in [*CONNECTORS, *(one for one in BUILTIN if one not in INTERNAL and one not in CONNECTORS)]:
        flink = CONNECTORS.get(name)
        if flink is not None and (flink.later or getattr(flink, kind) is None):
            continue
        cls = getattr(module(flink.ours if flink else name), attribute)
        if cls is None:
            continue
        own = {key.name: _property(key) for key in keys}
        options = {one.name: _option(one) for one in options_of(cls)}
        theirs: dict[str, Any] = (
            {key: {} for key, ours in flink.options.items() if not ours.startswith("!")} if flink else {}
        )
        made = _object({**theirs, **options, **own, "connector": {"const": name}}, [k.name for k in keys if k.needed])
        if flink is not None and flink.prefixes:
            made["patternProperties"] = {f"^{prefix.replace('.', '[.]')}": {} for prefix in flink.prefixes}
        yield made


def _option(one: Option) -> dict[str, Any]:
    """An option: numbers and the like may be texts, which have variables in them."""
    made: dict[str, Any] = {"description": one.doc}
    kinds = [_TYPES.get(kind.strip()) for kind in one.dtype.split("|")]
    if all(kinds):
        made["type"] = list(dict.fromkeys([*(kind for kind in kinds if kind), "string"]))
    if one.choices and None not in one.choices:
        made["examples"] = list(one.choices)
    return made
