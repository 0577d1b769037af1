"""Connectors in YAML: by Flink's names or ours, with Flink's options or ours."""

from __future__ import annotations

from typing import Any

from penstock.connectors import names as connector_names
from penstock.connectors import sink_class, source_class
from penstock.core.errors import PlanError, UnknownNameError, UnsupportedError
from penstock.core.schema import Schema
from penstock.core.spec import configure, options_of
from penstock.sql.connectors import CONNECTORS, Connector
from penstock.sql.own_options import INTERNAL
from penstock.yaml.kinds import filled, text, unknown
from penstock.yaml.tree import Mapping, Node, Scalar, Sequence, where, wrong

_STYLE = {"style": "changes"}


def known() -> list[str]:
    """The names of all connectors that a text can have."""
    ours = [name for name in connector_names() if name not in INTERNAL]
    return sorted({*(name for name, one in CONNECTORS.items() if not one.later), *ours})


def connector(name: Scalar, options: dict[str, Node], keys: Mapping, schema: Schema | None, *, read: bool) -> Any:
    """The source or sink of a name with its options.

    Args:
        name: The name.
        options: The values of its options.
        keys: The mapping that they are of, for their places.
        schema: The declared columns of a source.
        read: Whether it is a source.

    Raises:
        PlanError: If there is no such connector or option, or a value does not fit.
    """
    said = text(name, "the name of a connector")
    flink = CONNECTORS.get(said)
    if flink is not None and flink.later:
        raise UnsupportedError(f'the connector "{said}" is not offered yet: {flink.later}', where=where(name))
    if said not in known():
        raise UnknownNameError("connector", said, known(), where=where(name))
    try:
        cls: Any = (source_class if read else sink_class)(flink.ours if flink else said)
    except PlanError as refused:
        raise refused.at(where(name)) from None
    declared = {one.name: one for one in options_of(cls)}
    _check(said, flink, options, keys, declared)
    if flink is not None and _as_flink(said, flink, options, declared):
        given = _by_flink(said, flink, options, schema, name, read=read)
    else:
        given = {}
        for key, value in options.items():
            ours = key if key in declared or flink is None else flink.options[key]
            if ours:
                given[ours] = _value(value, text_only="str" in declared[ours].dtype)
    if said == "print" and not read:
        given = _STYLE | given
    try:
        return configure(cls, given)
    except PlanError as refused:
        at = next((options[k] for k in options if f'"{k}"' in refused.message), name)
        raise refused.at(where(at)) from None


def _check(
    said: str, flink: Connector | None, options: dict[str, Node], keys: Mapping, declared: dict[str, Any]
) -> None:
    for key in options:
        if key in declared:
            continue
        if flink is not None and (key in flink.options or any(key.startswith(one) for one in flink.prefixes)):
            why = flink.options.get(key, "")
            if why.startswith("!"):
                raise UnsupportedError(f'"{key}": {why[1:]}', where=where(keys.keys[key]))
            continue
        names = [*declared, *(flink.options if flink else ())]
        raise unknown(keys.keys[key], "option", dict.fromkeys(names), said)


def _as_flink(said: str, flink: Connector, options: dict[str, Node], declared: dict[str, Any]) -> bool:
    """Whether the options are Flink's, whose values may have other names than ours."""
    theirs = [key for key in options if key not in declared]
    if said in ("filesystem", "print"):
        return said == "filesystem" and any("." in key for key in theirs) and "format" in options
    return said == "datagen" or bool(theirs)


def _by_flink(
    said: str, flink: Connector, options: dict[str, Node], schema: Schema | None, name: Scalar, *, read: bool
) -> dict[str, Any]:
    reverse = {ours: key for key, ours in reversed(list(flink.options.items())) if ours and not ours.startswith("!")}
    given = {}
    for key, value in options.items():
        shown = _value(value, text_only=False)
        as_text = str(shown).lower() if isinstance(shown, bool) else str(shown)
        given[key if key in flink.options or key not in reverse else reverse[key]] = as_text
    if read and schema is None:
        raise wrong(name, f'"{said}" needs the columns: the key "schema" is missing', "schema: {id: BIGINT}")
    made = schema or Schema.of({})
    try:
        if read:
            assert flink.source is not None
            return flink.source(given, made)
        assert flink.sink is not None
        return flink.sink(given, made, ())
    except KeyError as missing:
        raise wrong(name, f'"{said}" needs the option "{missing.args[0]}"') from None
    except ValueError as failure:
        raise wrong(name, f'an option of "{said}" does not fit: {failure}') from None


def _value(node: Node, *, text_only: bool) -> Any:
    """The value of an option; variables of texts stay, and are looked up when the pipeline starts."""
    if isinstance(node, Sequence):
        return [_value(one, text_only=text_only) for one in node.items]
    if isinstance(node, Mapping):
        return {name: _value(one, text_only=text_only) for name, one in node.items.items()}
    if text_only and "${" in node.raw:
        return node.raw
    if "${" in node.raw:
        return filled(node)
    return node.value
