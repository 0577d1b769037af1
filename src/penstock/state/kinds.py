"""Which types can be keys and be kept in state: what a plan asks, apart from the tables that hold them."""

from __future__ import annotations

from penstock.core import dtypes
from penstock.core.dtypes import DType, String
from penstock.core.errors import UnsupportedError
from penstock.core.schema import Schema
from penstock.state.nested import is_nested, plain_type

WORD, FLOAT, TEXT, DECIMAL, NOTHING = "word", "float", "text", "decimal", "nothing"


def kind_of(dtype: DType) -> str:
    """How values of a type are laid out as words.

    Raises:
        UnsupportedError: If they have no canonical words (lists, structs, maps).
    """
    if dtype in dtypes.FLOATS:
        return FLOAT
    if dtype in (dtypes.String, dtypes.Binary, dtypes.Json):
        return TEXT
    if isinstance(dtype, dtypes.Decimal):
        return DECIMAL
    if dtype == dtypes.Null:
        return NOTHING
    simple = (*dtypes.INTEGERS, dtypes.Boolean, dtypes.Date, dtypes.Time)
    if dtype in simple or isinstance(dtype, dtypes.Datetime | dtypes.Duration):
        return WORD
    raise UnsupportedError(
        f"a column of type {dtype} cannot be a key", hint="keys are numbers, texts, booleans and times; take a part"
    )


def stored_type(dtype: DType) -> DType:
    """The type as which a value of a kept row is stored: what has parts is a text."""
    return String if is_nested(dtype) else dtype


def check_kept(schema: Schema) -> None:
    """Check that rows of a schema can be stored.

    Raises:
        UnsupportedError: If a column is a map, or has parts that are maps or bytes.
    """
    for field in schema:
        try:
            if is_nested(field.dtype):
                plain_type(field.dtype)
            kind_of(stored_type(field.dtype))
        except UnsupportedError:
            raise UnsupportedError(
                f'rows with the column "{field.name}" cannot be kept: {field.dtype}',
                hint="drop it before, or take its parts",
            ) from None
