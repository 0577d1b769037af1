"""Lists: elements, sums, order, pieces."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import (
    FLOATS,
    INTEGERS,
    Boolean,
    Decimal,
    DType,
    Duration,
    Float64,
    Int64,
    List,
    Null,
    String,
    UInt32,
    to_polars,
)
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr.function import Function, Kind, NotOnFlink, Resolver, RowFault, Signature
from penstock.expr.signatures import INTEGER, LIST, ORDERED, common, common_of, takes
from penstock.expr.values import equal, less

Types = tuple[DType, ...]

_NONE = NotOnFlink("Flink has no function for it")


def _of(name: str, accepts: Callable[[DType], bool], typical: DType) -> Kind:
    return Kind(f"a list of {name}", lambda t: isinstance(t, List) and accepts(t.inner), List(typical))


def _summed(dtype: DType) -> DType | None:
    """The type of a sum; None if values of the type are not summed."""
    if dtype in INTEGERS or dtype == Boolean:
        return Int64
    if dtype in FLOATS:
        return Float64
    if isinstance(dtype, Decimal):
        return Decimal(38, dtype.scale)
    return dtype if isinstance(dtype, Duration) else None


NUMBERS = _of("numbers, durations or booleans", lambda t: _summed(t) is not None, Int64)
ORDERED_LIST = _of("values that have an order", ORDERED.accepts, Int64)
TEXTS = _of("strings", lambda t: t == String, String)


def _taking(kind: Kind, *others: Kind, returns: Any = 0) -> Resolver:
    """As `takes`, for a list first; one of nothing but nulls is like the typical list."""

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        given = [kind.typical or t if t == List(Null) else t for t in types]
        return takes(kind, *others, returns=returns)(given, options)

    return resolve


def inner(dtype: DType) -> DType:
    """The type of the elements of a list."""
    return dtype.inner if isinstance(dtype, List) else Null


# -- One element ------------------------------------------------------------------------------------


def _get(items: list[Any], index: int) -> Any:
    return items[index] if -len(items) <= index < len(items) else None


def _with_item(types: Any, options: Any) -> Signature:
    """A list, and a value of the type of its elements."""
    if len(types) != 2:
        raise PlanError(f"expected 2 argument(s), found {len(types)}")
    listed, _ = _taking(ORDERED_LIST, ORDERED, returns=Boolean)((types[0], inner(types[0])), options).args
    shared = common(inner(listed), types[1])
    if shared is None:
        raise PlanError(f"{types[0]} has no elements of the type {types[1]}")
    return Signature((List(shared), shared), Boolean)


def _joined(types: Any, options: Any) -> Signature:
    shared = common_of([inner(takes(LIST, returns=0)((t,), options).args[0]) for t in types], "elements")
    return Signature(tuple(List(shared) for _ in types), List(shared))


# -- Sums and extremes ------------------------------------------------------------------------------


def _sum_type(types: Any, options: Any) -> Signature:
    signature = _taking(NUMBERS, returns=0)(types, options)
    return Signature(signature.args, _summed(inner(signature.args[0])) or Int64)


def _sum(items: list[Any], types: Types, returns: DType) -> Any:
    values = [item for item in items if item is not None]
    if not values:
        return None
    if returns == Float64:
        return _float_sum(values)
    total = functools.reduce(lambda a, b: a + b, values)
    if returns == Int64 and not -(2**63) <= total < 2**63:
        raise RowFault("the sum does not fit 64 bits")
    return total


def _float_sum(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # beyond the largest float, or both infinities
        return sum(values)


def _some(value: Any) -> Any:
    """Whether there is a value in a list."""
    return value.list.drop_nulls().list.len() > 0


def _polars_sum(value: Any, types: Types, returns: DType) -> Any:
    return pl.when(_some(value)).then(_wide_sum(value, returns).cast(to_polars(returns), strict=False))


def _wide_sum(value: Any, returns: DType) -> Any:
    wide = {"Int64": pl.Int128, "Float64": pl.Float64}.get(str(returns))
    return value.cast(pl.List(wide)).list.sum() if wide is not None else value.list.sum()


def _sum_fault(value: Any, types: Types, returns: DType) -> Any:
    if returns != Int64:
        return None
    return ~_wide_sum(value, returns).is_between(-(2**63), 2**63 - 1)


def _mean_type(types: Any, options: Any) -> Signature:
    numbers = _of("numbers", lambda t: _summed(t) is not None and not isinstance(t, Duration), Int64)
    return _taking(numbers, returns=Float64)(types, options)


def _mean(items: list[Any]) -> float | None:
    values = [float(item) for item in items if item is not None]
    return _float_sum(values) / len(values) if values else None


def _least(items: list[Any]) -> Any:
    values = [item for item in items if item is not None]
    return functools.reduce(lambda a, b: b if less(b, a) else a, values) if values else None


def _greatest(items: list[Any]) -> Any:
    values = [item for item in items if item is not None]
    return functools.reduce(lambda a, b: b if less(a, b) else a, values) if values else None


def _polars_least(value: Any, types: Types, returns: DType) -> Any:
    # Polars passes over NaN, which here is the greatest.
    return value.list.sort(nulls_last=True).list.first() if returns in FLOATS else value.list.min()


def _polars_greatest(value: Any, types: Types, returns: DType) -> Any:
    return value.list.sort().list.last() if returns in FLOATS else value.list.max()


# -- The list as a whole ----------------------------------------------------------------------------


def _compare(a: Any, b: Any) -> int:
    return -1 if less(a, b) else 1 if less(b, a) else 0


def _sort(items: list[Any], descending: bool, nulls_last: bool) -> list[Any]:
    values = [item for item in items if item is not None]
    nulls = [None] * (len(items) - len(values))
    values.sort(key=functools.cmp_to_key(_compare), reverse=descending)
    return values + nulls if nulls_last else nulls + values


def _unique(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not any(equal(item, other) for other in found):
            found.append(item)
    return found


def _slice(items: list[Any], offset: int, length: int | None) -> list[Any]:
    start = offset if offset >= 0 else len(items) + offset
    end = len(items) if length is None else start + length
    return items[max(start, 0) : max(end, 0)]


def _sliced(types: Any, options: Any) -> Signature:
    for name in ("offset", "length", "n"):
        value = options.get(name)
        if value is not None and (not isinstance(value, int) or (name != "offset" and value < 0)):
            raise PlanError(f'"{name}" is a whole number{"" if name == "offset" else " from 0"}, found {value!r}')
    return takes(LIST, returns=0)(types, options)


def _inner_of(types: Any, options: Any) -> Signature:
    signature = takes(LIST, returns=0)(types, options)
    return Signature(signature.args, inner(signature.args[0]))


def _item_at(types: Any, options: Any) -> Signature:
    signature = takes(LIST, INTEGER, returns=0)(types, options)
    return Signature((signature.args[0], Int64), inner(signature.args[0]))


def _extreme(types: Any, options: Any) -> Signature:
    signature = _taking(ORDERED_LIST, returns=0)(types, options)
    return Signature(signature.args, inner(signature.args[0]))


def _same(name: str, doc: str, polars: Any, oracle: Any, examples: list[Any], flink: Any = _NONE) -> Function:
    """A function from a list to a list of the same type."""
    return Function(
        name=name,
        doc=doc,
        signature=takes(LIST, returns=0),
        polars=polars,
        oracle=oracle,
        flink=flink,
        examples=examples,
    )


def _one(name: str, doc: str, signature: Any, polars: Any, oracle: Any, examples: list[Any], **more: Any) -> Function:
    """A function from a list to a value, or null."""
    flink = more.pop("flink", _NONE)
    return Function(
        name=name,
        doc=doc,
        signature=signature,
        polars=polars,
        oracle=oracle,
        flink=flink,
        examples=examples,
        gives_null=True,
        **more,
    )


_LONG = [3, None, 1, 3]

FUNCTIONS = (
    Function(
        name="list.len",
        doc="The number of elements, nulls among them.",
        signature=takes(LIST, returns=UInt32),
        polars=lambda a: a.list.len(),
        oracle=len,
        flink="CARDINALITY({0})",
        examples=[((_LONG,), 4), (([],), 0), ((None,), None)],
        guesses=("size", "length"),
    ),
    _one(
        "list.get",
        "The element at an index from 0, or from the end for a negative one; null if there is none.",
        _item_at,
        lambda a, index: a.list.get(index, null_on_oob=True),
        _get,
        [((_LONG, 0), 3), ((_LONG, -1), 3), ((_LONG, 9), None), ((None, 0), None)],
    ),
    _one("list.first", "The first element; null of an empty list.", _inner_of, lambda a: a.list.first(),
         lambda items: _get(items, 0), [((_LONG,), 3), (([],), None), ((None,), None)], flink="{0}[1]"),
    _one("list.last", "The last element; null of an empty list.", _inner_of, lambda a: a.list.last(),
         lambda items: _get(items, -1), [((_LONG,), 3), ((None,), None)], flink="{0}[CARDINALITY({0})]"),
    Function(
        name="list.contains",
        doc="Whether a value is among the elements; NaN equals itself.",
        signature=_with_item,
        polars=lambda a, item: pl.when(item.is_not_null()).then(a.list.contains(item)),
        oracle=lambda items, item: any(equal(item, other) for other in items),
        flink="ARRAY_CONTAINS({0}, {1})",
        examples=[((_LONG, 3), True), ((_LONG, 4), False), (([1.5], 1.5), True), ((_LONG, None), None),
                  ((None, 1), None)],
    ),
    _one(
        "list.sum",
        "The sum of the elements that are not null, as Int64 for integers and booleans and Float64 for floats; null if "
        "there are none. A sum that does not fit 64 bits is refused.",
        _sum_type, _polars_sum, _sum,
        [((_LONG,), 7), (([None],), None), (([0.5, 1.5],), 2.0), (([2**63 - 1, 1],), RowFault), ((None,), None)],
        fault=_sum_fault, typed=True,
    ),
    _one("list.mean", "The mean of the elements that are not null, as a float; null if there are none.", _mean_type,
         lambda a: a.cast(pl.List(pl.Float64)).list.mean(), _mean, [((_LONG,), 7 / 3), (([],), None), ((None,), None)]),
    _one("list.min", "The least element that is not null; null if there are none.", _extreme, _polars_least,
         lambda items, types, returns: _least(items),
         [((_LONG,), 1), ((["b", "a"],), "a"), (([],), None), ((None,), None)],
         typed=True),
    _one("list.max", "The greatest element that is not null, NaN before all; null if there are none.", _extreme,
         _polars_greatest, lambda items, types, returns: _greatest(items),
         [((_LONG,), 3), (([],), None), ((None,), None)], typed=True, flink="ARRAY_MAX({0})"),
    Function(
        name="list.sort",
        doc="The elements in order, nulls first unless `nulls_last`; NaN is greater than every number.",
        signature=_taking(ORDERED_LIST, returns=0),
        polars=lambda a, descending, nulls_last: a.list.sort(descending=descending, nulls_last=nulls_last),
        oracle=_sort,
        flink=NotOnFlink("ARRAY_SORT of Flink takes its options in another order; not translated yet"),
        options={"descending": False, "nulls_last": False},
        examples=[((_LONG,), [None, 1, 3, 3]), ((_LONG,), {"descending": True, "nulls_last": True}, [3, 3, 1, None]),
                  ((None,), None)],
    ),
    _same("list.reverse", "The elements in reverse order.", lambda a: a.list.reverse(), lambda items: items[::-1],
          [((_LONG,), [3, 1, None, 3]), ((None,), None)], "ARRAY_REVERSE({0})"),
    Function(
        name="list.unique",
        doc="The distinct elements in order of their first occurrence; nulls are one, NaNs are one.",
        signature=_taking(ORDERED_LIST, returns=0),
        polars=lambda a: a.list.unique(maintain_order=True),
        oracle=_unique,
        flink="ARRAY_DISTINCT({0})",
        examples=[((_LONG,), [3, None, 1]), ((None,), None)],
        guesses=("distinct",),
    ),
    Function(
        name="list.n_unique",
        doc="The number of distinct elements, null among them.",
        signature=_taking(ORDERED_LIST, returns=UInt32),
        polars=lambda a: a.list.n_unique(),
        oracle=lambda items: len(_unique(items)),
        flink="CARDINALITY(ARRAY_DISTINCT({0}))",
        examples=[((_LONG,), 3), ((None,), None)],
    ),
    _same("list.drop_nulls", "The elements that are not null.", lambda a: a.list.drop_nulls(),
          lambda items: [item for item in items if item is not None], [((_LONG,), [3, 1, 3]), ((None,), None)]),
    Function(
        name="list.join",
        doc="The strings that are not null, with a separator between them.",
        signature=_taking(TEXTS, returns=String),
        polars=lambda a, separator: a.list.join(separator),
        oracle=lambda items, separator: separator.join(item for item in items if item is not None),
        flink="ARRAY_JOIN({0}, {separator})",
        options={"separator": ...},
        examples=[((["a", None, "b"],), {"separator": "-"}, "a-b"), (([],), {"separator": "-"}, ""),
                  ((None,), {"separator": ""}, None)],
    ),
    Function(
        name="list.slice",
        doc="`length` elements, or all, from `offset` on, which counts from the end if negative.",
        signature=_sliced,
        polars=lambda a, offset, length: a.list.slice(offset, length),
        oracle=_slice,
        flink=NotOnFlink("ARRAY_SLICE of Flink counts from 1 and takes an end; not translated yet"),
        options={"offset": ..., "length": None},
        examples=[((_LONG,), {"offset": 1, "length": 2}, [None, 1]), ((_LONG,), {"offset": -1}, [3]),
                  ((None,), {"offset": 0}, None)],
    ),
    Function(
        name="list.head",
        doc="The first `n` elements.",
        signature=_sliced,
        polars=lambda a, n: a.list.head(n),
        oracle=lambda items, n: items[:n],
        flink="ARRAY_SLICE({0}, 1, {n})",
        options={"n": 5},
        examples=[((_LONG,), {"n": 1}, [3]), ((None,), None)],
    ),
    Function(
        name="list.tail",
        doc="The last `n` elements.",
        signature=_sliced,
        polars=lambda a, n: a.list.tail(n),
        oracle=lambda items, n: items[max(len(items) - n, 0) :],
        flink=NotOnFlink("ARRAY_SLICE of Flink refuses what is longer than the array"),
        options={"n": 5},
        examples=[((_LONG,), {"n": 2}, [1, 3]), ((None,), None)],
    ),
    Function(
        name="list.concat",
        doc="The elements of several lists, one list after the other; null if one of them is.",
        signature=_joined,
        polars=lambda a, *others: functools.reduce(lambda x, y: x.list.concat(y), others, a),
        oracle=lambda *lists: [item for items in lists for item in items],
        flink="ARRAY_CONCAT({0}, {1})",
        examples=[(([1], [2, None]), [1, 2, None]), (([1], None), None)],
    ),
)  # fmt: skip
