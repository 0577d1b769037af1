"""State that process functions declare, per key or shared by all keys, as users read and assign it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from penstock.core.dtypes import DType, List, Map, as_dtype
from penstock.core.errors import PlanError, UnsupportedError
from penstock.expr.user_values import conform

CELL = "_penstock_state"
"""Where a process function has the state of the key that is being called for."""

SHARED = "_penstock_shared"
"""Where it has what all keys share."""


class State:
    """State of a key, declared in the body of a `Process`.

    Attributes:
        dtype: The type of what is kept as a whole.
        default: Its value for a key that has none.
        shared: Whether all keys have the same; rows of a broadcast input write it.
    """

    dtype: DType
    default: Any
    shared: bool = False

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        cell = cell_of(instance, self.name, shared=self.shared)
        if self.name not in cell:
            if self.shared and CELL in vars(instance):
                return frozen(self.default)
            if not isinstance(self.default, (list, dict)):
                return self.default
            cell[self.name] = copy.deepcopy(self.default)
        return cell[self.name]

    def __set__(self, instance: Any, value: Any) -> None:
        if self.shared and CELL in vars(instance):
            raise PlanError(f'"{self.name}" is shared by all keys: rows of a broadcast input change it')
        cell_of(instance, self.name, shared=self.shared)[self.name] = value


def cell_of(instance: Any, name: str, *, shared: bool) -> dict[str, Any]:
    """The state of the key that is being called for, or what all keys share.

    Raises:
        PlanError: If none is.
    """
    cell: dict[str, Any] | None = vars(instance).get(SHARED if shared else CELL)
    if cell is None:
        what = "shared by all keys, and is there in calls only" if shared else "state of a key"
        where = "" if shared else ", and is there in on_row and on_timer only"
        raise PlanError(f'"{name}" is {what}{where}')
    return cell


def frozen(value: Any) -> Any:
    """A value that cannot be changed by assigning to its items."""
    if isinstance(value, dict):
        return MappingProxyType(value)
    return tuple(value) if isinstance(value, list) else value


def _refuse_more(options: Mapping[str, Any]) -> None:
    if options:
        raise UnsupportedError(f"{', '.join(options)} of state is planned and not offered yet")


class ValueState(State):
    """A value per key: `last = ps.ValueState(ps.Float64, default=0.0)`, then `self.last`.

    Args:
        dtype: Its type; what is assigned is held against it when the call ends.
        default: What a key has that was not given one.
        shared: Whether all keys have the same one, which rows of a broadcast input write; keys may read it.

    Raises:
        UnsupportedError: For `ttl`.
    """

    def __init__(self, dtype: Any, *, default: Any = None, shared: bool = False, **more: Any) -> None:
        _refuse_more(more)
        self.shared = shared
        self.dtype = as_dtype(dtype)
        self.default = conform(default, self.dtype)


class ListState(State):
    """A list per key, empty at first; all of it is written whenever the key changes.

    Args:
        dtype: The type of its items.
        shared: See `ValueState`; keys read it as a tuple.

    Raises:
        UnsupportedError: For `ttl`.
    """

    def __init__(self, dtype: Any, *, shared: bool = False, **more: Any) -> None:
        _refuse_more(more)
        self.shared = shared
        self.dtype = List(as_dtype(dtype))
        self.default: Any = []


class MapState(State):
    """A dict per key, empty at first; all of it is written whenever the key changes.

    Args:
        key: The type of its keys.
        value: The type of its values.
        shared: See `ValueState`.

    Raises:
        UnsupportedError: For `ttl`.
    """

    def __init__(self, key: Any, value: Any, *, shared: bool = False, **more: Any) -> None:
        _refuse_more(more)
        self.shared = shared
        self.dtype = Map(as_dtype(key), as_dtype(value))
        self.default: Any = {}
