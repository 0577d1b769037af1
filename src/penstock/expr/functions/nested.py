"""Structs and maps, and elements of whatever has elements."""

from __future__ import annotations

import datetime as dt
from typing import Any

from penstock.core.dtypes import (
    INTEGERS,
    Boolean,
    DType,
    Int64,
    Json,
    List,
    Map,
    Null,
    String,
    Struct,
    UInt32,
    to_polars,
)
from penstock.core.errors import PlanError, one_of
from penstock.core.lazy import pl
from penstock.expr.ast import Pairs, literal
from penstock.expr.function import Function, Signature
from penstock.expr.json_text import element_path, polars_match, python_match
from penstock.expr.signatures import MAP, STRUCT, common, takes

Types = tuple[DType, ...]


# -- Structs ----------------------------------------------------------------------------------------


def _field_type(types: Any, options: Any) -> Signature:
    signature = takes(STRUCT, returns=0)(types, options)
    return Signature(signature.args, field_of(signature.args[0], options["name"]))


def field_of(dtype: DType, name: Any) -> DType:
    """The type of a field of a struct.

    Raises:
        PlanError: If it has no such field; the message names the nearest.
    """
    found = dtype.get(name) if isinstance(dtype, Struct) else None
    if found is None:
        names = [field for field, _ in dtype.fields] if isinstance(dtype, Struct) else []
        raise one_of("field", str(name), names)
    return found


def _struct_type(types: Any, options: Any) -> Signature:
    names = tuple(options["names"])
    if not names or len(names) != len(types):
        raise PlanError(f"a struct needs a name for each of its {len(types)} fields, found {list(names)}")
    if len(set(names)) < len(names):
        raise PlanError(f"two fields of a struct have one name: {', '.join(names)}", hint="rename one with .alias")
    return Signature(tuple(types), Struct(tuple(zip(names, types, strict=True))))


def _struct(*values: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


def _polars_struct(*values: Any, names: tuple[str, ...]) -> Any:
    return pl.struct([value.alias(name) for name, value in zip(names, values, strict=True)])


# -- Maps -------------------------------------------------------------------------------------------


def _with_key(types: Any, options: Any) -> Signature:
    """A map, and a value of the type of its keys; the type of its values."""
    if len(types) != 2 or not isinstance(types[0], Map):
        raise PlanError(f"expected a map and a key, found {', '.join(map(str, types))}")
    if common(types[0].key, types[1]) != types[0].key:
        raise PlanError(f"the keys of {types[0]} are not of the type {types[1]}")
    return Signature((types[0], types[0].key), types[0].value)


def _has_key(types: Any, options: Any) -> Signature:
    return Signature(_with_key(types, options).args, Boolean)


def _keys_type(types: Any, options: Any) -> Signature:
    (dtype,) = takes(MAP, returns=0)(types, options).args
    return Signature((dtype,), List(dtype.key if isinstance(dtype, Map) else Null))


def _values_type(types: Any, options: Any) -> Signature:
    (dtype,) = takes(MAP, returns=0)(types, options).args
    return Signature((dtype,), List(dtype.value if isinstance(dtype, Map) else Null))


# -- Elements ---------------------------------------------------------------------------------------


def _element_type(types: Any, options: Any) -> Signature:
    key = options["key"]
    match types:
        case [Struct() as dtype]:
            if isinstance(key, str):
                return Signature((dtype,), field_of(dtype, key))
            raise PlanError(f"a field of a struct is taken by its name, found {key!r}")
        case [List(inner) as dtype]:
            if isinstance(key, int) and not isinstance(key, bool):
                return Signature((dtype,), inner)
            raise PlanError(f"an element of a list is taken by its index from 0, found {key!r}")
        case [Map() as dtype]:
            if _key_type(key, dtype) is not None:
                return Signature((dtype,), dtype.value)
            raise PlanError(f"the keys of {dtype} are not like {key!r}")
        case [dtype] if dtype in (Json, String):
            element_path(key)
            return Signature((dtype,), Json)
    raise PlanError(f"{', '.join(map(str, types))} has no elements", hint="lists, structs, maps and JSON have")


def _key_type(key: Any, dtype: Map) -> DType | None:
    written = literal(key)
    fits = common(written.dtype, dtype.key) == dtype.key or (written.dtype == Int64 and dtype.key in INTEGERS)
    return dtype.key if fits and written.dtype != Null else None


def _element(value: Any, key: Any, types: Types, returns: DType) -> Any:
    match value:
        case list():
            return value[key] if -len(value) <= key < len(value) else None
        case str():
            return python_match(value, element_path(key))
    return value.get(key)


def _polars_element(value: Any, key: Any, types: Types, returns: DType) -> Any:
    match types[0]:
        case Struct():
            return value.struct.field(key)
        case List():
            return value.list.get(key, null_on_oob=True)
        case Map() as dtype:
            return value.map.get(pl.lit(key, dtype=to_polars(dtype.key)))
    return polars_match(value, element_path(key))


_PRICES = Pairs(pear=3.0, apple=2.5)
_PERSON = {"name": "Ada", "born": dt.date(1815, 12, 10)}

FUNCTIONS = (
    Function(
        name="get_item",
        doc="An element: of a struct or JSON by name, of a list or JSON by index from 0, of a map by key; null if "
        "there is none. Written `x[key]`.",
        signature=_element_type,
        polars=_polars_element,
        oracle=_element,
        typed=True,
        gives_null=True,
        flink="{0}[{key}]",
        options={"key": ...},
        examples=[
            ((_PERSON,), {"key": "name"}, "Ada"),
            (([1, 2],), {"key": -1}, 2),
            (([1, 2],), {"key": 5}, None),
            (('{"a": [1, "x"]}',), {"key": "a"}, '[1,"x"]'),
            ((None,), {"key": "name"}, None),
        ],
    ),
    Function(
        name="struct.field",
        doc="A field of a struct.",
        signature=_field_type,
        polars=lambda a, name: a.struct.field(name),
        oracle=lambda value, name: value[name],
        gives_null=True,
        flink="{0}.{name}",
        options={"name": ...},
        examples=[((_PERSON,), {"name": "born"}, dt.date(1815, 12, 10)), ((None,), {"name": "born"}, None)],
        guesses=("get",),
    ),
    Function(
        name="struct",
        doc='A struct of several columns; never null. Written `ps.struct("a", total=col("b") + 1)`.',
        signature=_struct_type,
        polars=_polars_struct,
        oracle=_struct,
        null="never",
        flink=lambda types, options: f"ROW({', '.join(f'{{{i}}}' for i in range(len(types)))})",
        options={"names": ...},
        examples=[((1, "x"), {"names": ("a", "b")}, {"a": 1, "b": "x"}), ((None,), {"names": ("a",)}, {"a": None})],
    ),
    Function(
        name="map.get",
        doc="The value of a key; null if the map does not have it.",
        signature=_with_key,
        polars=lambda a, key: a.map.get(key),
        oracle=lambda value, key: value.get(key),
        gives_null=True,
        flink="{0}[{1}]",
        examples=[((_PRICES, "apple"), 2.5), ((_PRICES, "fig"), None), ((None, "fig"), None)],
    ),
    Function(
        name="map.contains_key",
        doc="Whether a map has a key.",
        signature=_has_key,
        polars=lambda a, key: pl.when(key.is_not_null()).then(a.map.contains_key(key)),
        oracle=lambda value, key: key in value,
        flink="ARRAY_CONTAINS(MAP_KEYS({0}), {1})",
        examples=[((_PRICES, "apple"), True), ((_PRICES, "fig"), False), ((_PRICES, None), None)],
    ),
    Function(
        name="map.keys",
        doc="The keys, in the order in which the map has them.",
        signature=_keys_type,
        polars=lambda a: a.map.keys(),
        oracle=list,
        flink="MAP_KEYS({0})",
        examples=[((_PRICES,), ["pear", "apple"]), ((None,), None)],
    ),
    Function(
        name="map.values",
        doc="The values, in the order in which the map has them.",
        signature=_values_type,
        polars=lambda a: a.map.values(),
        oracle=lambda value: list(value.values()),
        flink="MAP_VALUES({0})",
        examples=[((_PRICES,), [3.0, 2.5]), ((None,), None)],
    ),
    Function(
        name="map.len",
        doc="The number of keys.",
        signature=takes(MAP, returns=UInt32),
        polars=lambda a: a.map.len(),
        oracle=len,
        flink="CARDINALITY({0})",
        examples=[((_PRICES,), 2), ((None,), None)],
    ),
)
