"""All functions of Flink SQL that are offered, and those that are not yet."""

from __future__ import annotations

from penstock.core.dtypes import DType, Null
from penstock.expr.functions import sql_cast
from penstock.expr.infer import Typed
from penstock.sql import library_logic, library_math, library_nested, library_temporal, library_text
from penstock.sql.entries import Entry
from penstock.sql.terms import MONTHS, Session, call, constant

FAMILIES = (library_logic, library_math, library_text, library_temporal, library_nested)
ENTRIES: tuple[Entry, ...] = tuple(entry for family in FAMILIES for entry in family.ENTRIES)

_CLOCK = "the engine's clock cannot be read in expressions yet; use the event time of the rows"
_CHANCE = "it gives another value whenever it is computed; expressions are computed anew at restore"

NOT_YET: dict[str, str] = {
    **dict.fromkeys(
        ("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "LOCALTIME", "LOCALTIMESTAMP", "NOW", "PROCTIME",
         "CURRENT_ROW_TIMESTAMP", "CURRENT_WATERMARK"), _CLOCK,
    ),
    **dict.fromkeys(("RAND", "RAND_INTEGER", "UUID"), _CHANCE),
    "SOURCE_WATERMARK": "declare WATERMARK FOR with an expression",
    "PRINTF": "build the text with || and CAST",
}  # fmt: skip
"""Functions of Flink that are not offered, and what to do instead."""


def cast(
    value: Typed, dtype: DType, session: Session, attempt: bool, length: int | None, fixed: bool, digits: int | None
) -> Typed:
    """See `functions.cast`."""
    if value.dtype == Null:
        return constant(None, dtype)
    if MONTHS not in (value.dtype, dtype):
        sql_cast.check(value.dtype, dtype)
    return call("sql.cast", [value], dtype=dtype, attempt=attempt, length=length, fixed=fixed, digits=digits)
