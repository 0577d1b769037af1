"""Values of user code as text and back: what a checkpoint holds of state whose types nobody declared.

JSON says most of it; what JSON has no word for is tagged. Nothing is pickled: what comes back is of plain types only.
"""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import importlib
import json
import zoneinfo
from collections.abc import Callable
from typing import Any

TAG = "$"


class NotStorableError(TypeError):
    """A value that no checkpoint can hold; the text says which."""


def to_text(value: Any) -> str:
    """A value as text that is equal for equal values.

    Raises:
        NotStorableError: If it holds an object that is no plain value.
    """
    try:
        return json.dumps(_plain(value), separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise NotStorableError("a value that contains itself cannot be stored") from None


def from_text(text: str) -> Any:
    """The inverse of `to_text`."""
    return _value(json.loads(text))


def _plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if value - value == 0 else {TAG: "float", "v": repr(value)}
    if kind is list:
        return [_plain(item) for item in value]
    if kind is dict and all(type(name) is str for name in value) and TAG not in value:
        return {name: _plain(item) for name, item in value.items()}
    if kind in _TO:
        tag, plain = _TO[kind]
        return {TAG: tag, "v": plain(value)}
    if (kind.__module__, kind.__name__) == ("uuid", "UUID"):
        return {TAG: "UUID", "v": str(value)}
    if kind.__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return _plain(value.item())
    raise NotStorableError(f"a value of the type {kind.__name__} cannot be stored")


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_value(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if TAG in plain:
        return _FROM[plain[TAG]](plain["v"])
    return {name: _value(item) for name, item in plain.items()}


def _items(value: Any) -> list[Any]:
    return [_plain(item) for item in value]


def _members(value: Any) -> list[Any]:
    # A set has no order of its own; by its texts the same set is the same text in every process.
    return sorted(_items(value), key=lambda item: json.dumps(item, sort_keys=True))


def _pairs(value: Any) -> list[Any]:
    return [[_plain(key), _plain(item)] for key, item in value.items()]


def _moment(value: dt.datetime) -> list[Any]:
    zone = value.tzinfo
    name = zone.key if isinstance(zone, zoneinfo.ZoneInfo) else None
    if name is None and zone not in (None, dt.UTC) and not isinstance(zone, dt.timezone):
        raise NotStorableError(f"a time zone of the type {type(zone).__name__} cannot be stored")
    return [value.isoformat(), name]


def _moment_of(plain: list[Any]) -> dt.datetime:
    moment = dt.datetime.fromisoformat(plain[0])
    return moment if plain[1] is None else moment.astimezone(zoneinfo.ZoneInfo(plain[1]))


def _deque(value: Any) -> list[Any]:
    return [value.maxlen, _items(value)]


_TO: dict[type, tuple[str, Callable[[Any], Any]]] = {
    tuple: ("tuple", _items),
    set: ("set", _members),
    frozenset: ("frozenset", _members),
    dict: ("dict", _pairs),
    collections.Counter: ("Counter", _pairs),
    collections.OrderedDict: ("OrderedDict", _pairs),
    collections.deque: ("deque", _deque),
    bytes: ("bytes", bytes.hex),
    bytearray: ("bytearray", lambda value: bytes(value).hex()),
    decimal.Decimal: ("Decimal", str),
    dt.datetime: ("datetime", _moment),
    dt.date: ("date", dt.date.isoformat),
    dt.time: ("time", dt.time.isoformat),
    dt.timedelta: ("timedelta", lambda value: value // dt.timedelta(microseconds=1)),
}

_FROM: dict[str, Callable[[Any], Any]] = {
    "float": float,
    "tuple": lambda plain: tuple(map(_value, plain)),
    "set": lambda plain: set(map(_value, plain)),
    "frozenset": lambda plain: frozenset(map(_value, plain)),
    "dict": lambda plain: {_value(key): _value(item) for key, item in plain},
    "Counter": lambda plain: collections.Counter({_value(key): _value(item) for key, item in plain}),
    "OrderedDict": lambda plain: collections.OrderedDict((_value(key), _value(item)) for key, item in plain),
    "deque": lambda plain: collections.deque(map(_value, plain[1]), plain[0]),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "Decimal": decimal.Decimal,
    "datetime": _moment_of,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timedelta": lambda plain: dt.timedelta(microseconds=plain),
    "UUID": lambda plain: importlib.import_module("uuid").UUID(plain),
}
