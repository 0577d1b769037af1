"""Arrays and maps as Flink SQL has them: places count from 1, and equal values are one, nulls too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import Boolean, DType, Int32, List, Map, String, Struct
from penstock.core.errors import PlanError
from penstock.expr.ast import Pairs
from penstock.expr.function import Function, RowFault, Signature
from penstock.expr.rowwise import python_fault, python_value
from penstock.expr.signatures import ANY, INTEGER, LIST, LOGICAL, MAP, TEXT, common, takes
from penstock.expr.values import equal, less

Types = tuple[DType, ...]
Examples = list[tuple[Any, ...]]


# -- Types ------------------------------------------------------------------------------------------


def _inner(dtype: DType) -> DType:
    assert isinstance(dtype, List)
    return dtype.inner


def _with_element(returns: Callable[[List], DType]) -> Any:
    """An array and an element of it."""

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        takes(LIST, ANY, returns=0)(types, options)
        inner = common(_inner(types[0]), types[1])
        if inner is None:
            raise PlanError(f"{types[1]} is no element of {types[0]}")
        return Signature((List(inner), inner), returns(List(inner)))

    return resolve


def _lists(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    takes(LIST, LIST, returns=0, repeated=True)(types, options)
    shared: DType | None = types[0]
    for dtype in types[1:]:
        shared = common(shared, dtype) if shared is not None else None
    if shared is None:
        raise PlanError("the arrays have no type in common")
    return Signature(tuple(shared for _ in types), shared)


def _array(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    shared: DType | None = types[0]
    for dtype in types[1:]:
        shared = common(shared, dtype) if shared is not None else None
    if shared is None:
        raise PlanError("the elements of ARRAY have no type in common")
    return Signature(tuple(shared for _ in types), List(shared))


def _map(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    if not types or len(types) % 2:
        raise PlanError(f"MAP takes keys and values in turn, found {len(types)} arguments")
    keys, values = _array(types[::2], options).args[0], _array(types[1::2], options).args[0]
    return Signature((keys, values) * (len(types) // 2), Map(keys, values))


def _zipped(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    takes(LIST, LIST, returns=0)(types, options)
    return Signature(tuple(types), Map(_inner(types[0]), _inner(types[1])))


def _maps(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    takes(MAP, MAP, returns=0, repeated=True)(types, options)
    return Signature(tuple(types[0] for _ in types), types[0])


def _entries(dtype: DType) -> DType:
    assert isinstance(dtype, Map)
    return List(Struct((("key", dtype.key), ("value", dtype.value))))


# -- Meaning ----------------------------------------------------------------------------------------


def _among(value: Any, values: Sequence[Any]) -> bool:
    return any(equal(value, other) for other in values)


def _distinct(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not _among(value, found):
            found.append(value)
    return found


def _position(values: list[Any], wanted: Any) -> int | None:
    if wanted is None:
        return None
    return next((i for i, value in enumerate(values, start=1) if value is not None and equal(value, wanted)), 0)


def _slice(values: list[Any], start: int, end: int | None = None) -> list[Any]:
    size = len(values)
    first = start if start > 0 else size + 1 + start if start < 0 else 1
    last = size if end is None else end if end > 0 else size + 1 + end if end < 0 else 1
    if first > last or first > size:
        return []
    return values[max(first, 1) - 1 : max(last, 0)]


class _Key:
    """A value by its order, nulls aside."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Key) -> bool:
        return less(self.value, other.value)


def _sort(values: list[Any], ascending: bool | None = None, nulls_first: bool | None = None) -> list[Any]:
    up = True if ascending is None else ascending
    first = up if nulls_first is None else nulls_first
    nulls = [value for value in values if value is None]
    known = sorted((value for value in values if value is not None), key=_Key, reverse=not up)
    return nulls + known if first else known + nulls


def _extreme(greatest: bool) -> Callable[[list[Any]], Any]:
    def meaning(values: list[Any]) -> Any:
        known = sorted((value for value in values if value is not None), key=_Key)
        return (known[-1] if greatest else known[0]) if known else None

    return meaning


def _join(values: list[Any], separator: str, nulls: str | None = None) -> str:
    shown = (nulls if value is None else str(value) for value in values)
    return separator.join(value for value in shown if value is not None)


def _from_arrays(keys: list[Any], values: list[Any]) -> dict[Any, Any] | None:
    return dict(zip(keys, values, strict=True)) if len(keys) == len(values) else None


def _item(values: list[Any], place: int) -> Any:
    return values[place - 1] if 1 <= place <= len(values) else None


def _pairs(*flat: Any) -> dict[Any, Any]:
    if None in flat[::2]:
        raise RowFault("a map has no null key")
    return dict(zip(flat[::2], flat[1::2], strict=True))


# -- Declarations -----------------------------------------------------------------------------------


def _function(
    name: str,
    doc: str,
    signature: Any,
    meaning: Callable[..., Any],
    flink: str | Callable[[Sequence[DType], Mapping[str, Any]], str],
    examples: Examples,
    null: str = "propagate",
    gives_null: bool = False,
) -> Function:
    """A function that is computed in Python, row by row; with `null="first"` other arguments may be null."""

    def unless_null(first: Any, *rest: Any) -> Any:
        return None if first is None else meaning(first, *rest)

    seen = unless_null if null == "first" else meaning
    return Function(
        name=name,
        doc=f"{doc} Computed in Python: not fast.",
        signature=signature,
        polars=python_value(seen, propagate=null == "propagate"),
        oracle=lambda *args, types, returns: seen(*args),
        typed=True,
        null=null,
        gives_null=gives_null,
        flink=flink,
        examples=examples,
    )


_ELEMENT = _with_element(lambda array: array)

FUNCTIONS = (
    Function(
        name="sql.array",
        doc="An array of several values.",
        signature=_array,
        polars=python_value(lambda *items: list(items), propagate=False),
        oracle=lambda *items, types, returns: list(items),
        typed=True,
        null="never",
        flink=lambda types, options: f"ARRAY[{', '.join(f'{{{i}}}' for i in range(len(types)))}]",
        examples=[((1, 2), [1, 2]), ((1, None), [1, None]), ((None, None), [None, None])],
    ),
    Function(
        name="sql.map",
        doc="A map of keys and values in turn; of equal keys the last one counts, and a null key is an error row.",
        signature=_map,
        polars=python_value(_pairs, propagate=False),
        fault=python_fault(_pairs, propagate=False),
        oracle=lambda *flat, types, returns: _pairs(*flat),
        typed=True,
        null="never",
        flink=lambda types, options: f"MAP[{', '.join(f'{{{i}}}' for i in range(len(types)))}]",
        examples=[(("a", 1, "b", 2), {"a": 1, "b": 2}), (("a", None), {"a": None})],
    ),
    _function(
        "sql.item",
        "The element at a place, from 1; null if there is none.",
        takes(LIST, INTEGER, returns=lambda array, place: _inner(array)),
        _item,
        "{0}[{1}]",
        [(([1, 2], 2), 2), (([1], 2), None), ((None, 1), None)],
        gives_null=True,
    ),
    _function(
        "sql.array_append",
        "With an element more at the end.",
        _ELEMENT,
        lambda a, x: [*a, x],
        "ARRAY_APPEND({0}, {1})",
        [(([1], 2), [1, 2]), (([1], None), [1, None]), ((None, 1), None)],
        null="first",
    ),
    _function(
        "sql.array_prepend",
        "With an element more at the start.",
        _ELEMENT,
        lambda a, x: [x, *a],
        "ARRAY_PREPEND({0}, {1})",
        [(([1], 2), [2, 1]), (([1], None), [None, 1]), ((None, 1), None)],
        null="first",
    ),
    _function(
        "sql.array_contains",
        "Whether a value, or null, is among the elements.",
        _with_element(lambda array: Boolean),
        lambda a, x: _among(x, a),
        "ARRAY_CONTAINS({0}, {1})",
        [(([1], 1), True), (([1], None), False), ((None, 1), None)],
        null="first",
    ),
    _function(
        "sql.array_position",
        "Where a value is first, from 1; 0 if nowhere.",
        _with_element(lambda array: Int32),
        _position,
        "ARRAY_POSITION({0}, {1})",
        [(([5, 6], 6), 2), (([5], 7), 0), ((None, 1), None)],
    ),
    _function(
        "sql.array_remove",
        "Without the elements that equal a value.",
        _ELEMENT,
        lambda a, x: [v for v in a if not equal(v, x)],
        "ARRAY_REMOVE({0}, {1})",
        [(([1, 2, 1], 1), [2]), (([1, None], None), [1]), ((None, 1), None)],
        null="first",
    ),
    _function(
        "sql.array_slice",
        "The elements from a place to another, both counted from 1 or from the end.",
        takes(LIST, INTEGER, INTEGER, returns=0, optional=1),
        _slice,
        lambda types, options: "ARRAY_SLICE({0}, {1}, {2})" if len(types) == 3 else "ARRAY_SLICE({0}, {1})",
        [(([1, 2, 3], 2, 3), [2, 3]), (([1, 2, 3], -2), [2, 3]), ((None, 1), None)],
    ),
    _function(
        "sql.array_sort",
        "The elements in order; nulls first if ascending, unless it is said.",
        takes(LIST, LOGICAL, LOGICAL, returns=0, optional=2),
        _sort,
        "ARRAY_SORT({0})",
        [(([2, None, 1],), [None, 1, 2]), (([1, 2], False), [2, 1]), ((None, True), None)],
    ),
    _function(
        "sql.array_union",
        "The distinct elements of both.",
        _lists,
        lambda a, b: _distinct([*a, *b]),
        "ARRAY_UNION({0}, {1})",
        [(([1, 1], [2]), [1, 2]), (([1], [1]), [1]), ((None, [1]), None)],
    ),
    _function(
        "sql.array_except",
        "The distinct elements of the first that the second does not have.",
        _lists,
        lambda a, b: [v for v in _distinct(a) if not _among(v, b)],
        "ARRAY_EXCEPT({0}, {1})",
        [(([1, 1, 2], [2]), [1]), (([1], [1]), []), ((None, [1]), None)],
    ),
    _function(
        "sql.array_intersect",
        "The distinct elements of the first that the second has too.",
        _lists,
        lambda a, b: [v for v in _distinct(a) if _among(v, b)],
        "ARRAY_INTERSECT({0}, {1})",
        [(([1, 1, 2], [1]), [1]), (([1], [2]), []), ((None, [1]), None)],
    ),
    _function(
        "sql.array_concat",
        "The elements of several arrays, one after the other.",
        _lists,
        lambda *arrays: [v for array in arrays for v in array],
        "ARRAY_CONCAT({0}, {1})",
        [(([1], [2]), [1, 2]), (([1], [None]), [1, None]), ((None, [1]), None)],
    ),
    _function(
        "sql.array_max",
        "The greatest element that is not null; null if there is none.",
        takes(LIST, returns=_inner),
        _extreme(True),
        "ARRAY_MAX({0})",
        [(([1, 3, None],), 3), (([2],), 2), ((None,), None)],
        gives_null=True,
    ),
    _function(
        "sql.array_min",
        "The least element that is not null; null if there is none.",
        takes(LIST, returns=_inner),
        _extreme(False),
        "ARRAY_MIN({0})",
        [(([1, 3, None],), 1), (([2],), 2), ((None,), None)],
        gives_null=True,
    ),
    _function(
        "sql.array_join",
        "The texts with a separator between them; null ones are left out, or replaced.",
        takes(LIST, TEXT, TEXT, returns=String, optional=1),
        _join,
        "ARRAY_JOIN({0}, {1})",
        [((["a", "b"], "-"), "a-b"), ((["a", None], "-", "?"), "a-?"), ((None, "-"), None)],
    ),
    _function(
        "sql.map_entries",
        "The keys and values as an array of rows.",
        takes(MAP, returns=_entries),
        lambda m: [{"key": k, "value": v} for k, v in m.items()],
        "MAP_ENTRIES({0})",
        [((Pairs(a=1),), [{"key": "a", "value": 1}]), ((None,), None)],
    ),
    _function(
        "sql.map_from_arrays",
        "A map of an array of keys and one of values.",
        _zipped,
        _from_arrays,
        "MAP_FROM_ARRAYS({0}, {1})",
        [((["a"], [1]), {"a": 1}), ((None, [1]), None)],
        gives_null=True,
    ),
    _function(
        "sql.map_union",
        "The pairs of several maps; of equal keys the last one counts.",
        _maps,
        lambda *maps: {k: v for m in maps for k, v in m.items()},
        "MAP_UNION({0}, {1})",
        [((Pairs(a=1), Pairs(b=2)), {"a": 1, "b": 2}), ((None, Pairs(b=2)), None)],
    ),
)
