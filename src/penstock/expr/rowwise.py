"""Functions that have no Polars form: their plain meaning is called for each row of a batch. Right, and not fast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock.core.dtypes import DType, to_polars
from penstock.core.lazy import pl
from penstock.expr.function import Function, RowFault

Types = tuple[DType, ...]


def python_value(meaning: Callable[..., Any], *, propagate: bool = True, typed: bool = False) -> Callable[..., Any]:
    """The `polars` of a declaration whose meaning is called per row; null where it raises RowFault."""

    def polars(*args: Any, types: Types, returns: DType, **options: Any) -> Any:
        more = {**options, **({"types": types, "returns": returns} if typed else {})}
        dtype = to_polars(returns)

        def apply(rows: Any) -> Any:
            return pl.Series(rows.name, [_value(meaning, row, more, propagate) for row in _rows(rows)], dtype=dtype)

        rows = _struct(args)
        return rows.map_batches(apply, return_dtype=dtype, returns_scalar=_is_constant(rows))

    return polars


def python_fault(meaning: Callable[..., Any], *, propagate: bool = True, typed: bool = False) -> Callable[..., Any]:
    """The `fault` of such a declaration: the rows where the meaning raises RowFault."""

    def fault(*args: Any, types: Types, returns: DType, **options: Any) -> Any:
        more = {**options, **({"types": types, "returns": returns} if typed else {})}

        def apply(rows: Any) -> Any:
            return pl.Series(
                rows.name, [_fails(meaning, row, more, propagate) for row in _rows(rows)], dtype=pl.Boolean
            )

        rows = _struct(args)
        return rows.map_batches(apply, return_dtype=pl.Boolean, returns_scalar=_is_constant(rows))

    return fault


def _struct(args: tuple[Any, ...]) -> Any:
    return pl.struct(*(arg.alias(f"x{i}") for i, arg in enumerate(args)))


def _is_constant(rows: Any) -> bool:
    """Whether no column is in it: it is one row then, which stands for all."""
    return not rows.meta.root_names()


def _rows(column: Any) -> list[tuple[Any, ...]]:
    frame = column.struct.unnest()
    return list(zip(*(frame[name].to_list() for name in frame.columns), strict=True))


def _value(meaning: Callable[..., Any], row: tuple[Any, ...], options: dict[str, Any], propagate: bool) -> Any:
    if propagate and None in row:
        return None
    try:
        return meaning(*row, **options)
    except RowFault:
        return None


def _fails(meaning: Callable[..., Any], row: tuple[Any, ...], options: dict[str, Any], propagate: bool) -> bool:
    if propagate and None in row:
        return False
    try:
        meaning(*row, **options)
    except RowFault:
        return True
    return False


def per_row(
    name: str,
    doc: str,
    signature: Any,
    meaning: Callable[..., Any],
    flink: str,
    examples: list[tuple[Any, ...]],
    *,
    gives_null: bool = False,
    fails: bool = False,
    options: Mapping[str, Any] | None = None,
    typed: bool = False,
    polars: Callable[..., Any] | None = None,
) -> Function:
    """A function that is computed in Python, row by row; `polars` may do better for some calls."""
    plain = meaning if typed else lambda *args, types, returns, **more: meaning(*args, **more)
    return Function(
        name=name,
        doc=f"{doc} Computed in Python{', unless the pattern is a constant' if polars else ''}: not fast.",
        signature=signature,
        polars=polars or python_value(meaning, typed=typed),
        fault=python_fault(meaning, typed=typed) if fails else None,
        oracle=plain,
        typed=True,
        gives_null=gives_null,
        options=options or {},
        flink=flink,
        examples=examples,
    )
