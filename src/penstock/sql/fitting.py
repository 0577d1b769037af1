"""The columns of a query in the types of the table that it is written to."""

from __future__ import annotations

from penstock.core.dtypes import Datetime, DType
from penstock.expr.ast import Term
from penstock.expr.infer import Typed
from penstock.sql import functions
from penstock.sql.scope import ScopeColumn
from penstock.sql.statements import Insert
from penstock.sql.text import Text


def fitted(column: ScopeColumn, dtype: DType, name: str, table: str, statement: Insert, text: Text) -> Term:
    """The value in the type of the sink's column, if Flink converts it by itself.

    Args:
        column: The column of the query.
        dtype: The type of the sink's column.
        name: The name of that.
        table: The name of the table.
        statement: The INSERT, for errors.
        text: Its text.

    Raises:
        PlanError: If it does not.
    """
    value = column.typed
    if value.dtype == dtype:
        return value.term
    both = (value.dtype, dtype)
    if all(isinstance(one, Datetime) for one in both):
        return functions.cast(value, dtype).term
    if functions.common(value.dtype, dtype) == dtype:
        return functions.widened(Typed(value.term, value.dtype, value.nullable), dtype).term
    if _stores(value.dtype, dtype):
        return functions.cast(value, dtype).term
    raise text.error(
        f'column "{name}" of "{table}" is {functions.spelled(dtype)}, the query gives {functions.spelled(value.dtype)} '
        f'("{column.name}")', statement.query.at, hint=f"CAST({column.name} AS {functions.spelled(dtype)})",
    )  # fmt: skip


def _stores(given: DType, wanted: DType) -> bool:
    """Decimals of another scale, rows with other names of fields."""
    from penstock.core.dtypes import Decimal, Struct

    if isinstance(given, Decimal) and isinstance(wanted, Decimal):
        return given.precision - given.scale <= wanted.precision - wanted.scale
    return isinstance(given, Struct) and isinstance(wanted, Struct) and len(given.fields) == len(wanted.fields)
