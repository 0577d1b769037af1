"""Verbs that hand rows to functions of the user: `map`, `flat_map`, `map_batches`."""

from __future__ import annotations

import dataclasses
import importlib
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from penstock.core.errors import PlanError
from penstock.core.schema import Schema
from penstock.core.where import caller
from penstock.expr.user_functions import UserFunction, reference
from penstock.operators.flat_map import FlatMap
from penstock.operators.map_batches import MapBatches
from penstock.plan.node import Node

S = TypeVar("S", bound="MapVerbs")


class MapVerbs:
    """The verbs of rows that call functions.

    Attributes:
        node: The rows.
    """

    node: Node

    def map(self: S, function: Callable[..., Any], schema: Any = None, *, deterministic: bool = True) -> S:
        """The row that a function makes of each row, or none where it gives None; see `FlatMap`.

        Args:
            function: From a row to a dict, or an object of a dataclass.
            schema: The columns it gives, by name; by default those of the TypedDict or dataclass of its annotation.
            deterministic: False if equal rows may give different ones.
        """
        made: S = _handle(_mapped(self.node, function, schema, deterministic=deterministic, single=True))
        return made

    def flat_map(self: S, function: Callable[..., Any], schema: Any = None, *, deterministic: bool = True) -> S:
        """The rows that a function makes of each row: a list, or whatever it yields; see `FlatMap`.

        Args:
            function: From a row to dicts, or objects of a dataclass.
            schema: The columns it gives, by name; by default those of the TypedDict or dataclass that it is annotated
                to give several of (`-> list[Line]`, `-> Iterator[Line]`).
            deterministic: False if equal rows may give different ones.
        """
        made: S = _handle(_mapped(self.node, function, schema, deterministic=deterministic, single=False))
        return made

    def map_batches(self: S, function: Callable[..., Any], schema: Any, *, deterministic: bool = True) -> S:
        """The columns that a function makes of a Polars frame of rows, one row for each; see `MapBatches`.

        Args:
            function: From a frame to a frame.
            schema: The columns it gives, by name.
            deterministic: False if equal rows may give different ones.
        """
        try:
            found = reference(function, deterministic=deterministic)
            columns = _columns(found, schema)
        except PlanError as refused:
            raise refused.at(caller()) from None
        made: S = _handle(MapBatches(input=self.node, function=found, columns=columns, where=caller()))
        return made


def _mapped(node: Node, function: Any, schema: Any, *, deterministic: bool, single: bool) -> Node:
    try:
        found = reference(function, deterministic=deterministic)
        columns = _columns(found, schema, single=single)
    except PlanError as refused:
        raise refused.at(caller()) from None
    return FlatMap(input=node, function=found, columns=columns, single=single, where=caller())


def _columns(function: UserFunction, schema: Any, *, single: bool = True) -> Schema:
    """The declared columns.

    Raises:
        PlanError: If there are none.
    """
    if schema is None:
        schema = _annotated_row(function.function, single=single)
    if schema is None:
        raise PlanError(f"{function.name} does not say which columns it gives", hint='schema={"total": ps.Float64}')
    return schema if isinstance(schema, Schema) else Schema.of(schema)


def _annotated_row(function: Any, *, single: bool) -> dict[str, Any] | None:
    """The columns of the TypedDict or dataclass that a function is annotated to give."""
    try:
        hint = typing.get_type_hints(function).get("return")
    except (NameError, TypeError):
        return None
    found = [hint] if single else list(typing.get_args(hint))
    found += [inner for one in found for inner in typing.get_args(one)]
    rows = [one for one in found if typing.is_typeddict(one) or dataclasses.is_dataclass(one)]
    return typing.get_type_hints(rows[0]) if rows else None


def _handle(node: Node) -> Any:
    # The handles know of these verbs and the verbs of handles: one of the two is found by name.
    return importlib.import_module("penstock.api.stream").stream(node)
