"""Columns as directories, in the way of Hive: `country=DE/part-...`, with signs that names must not have as `%2F`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from penstock.connectors.base import ReadRequest
from penstock.connectors.formats._from_text import from_texts, guess, spans_of
from penstock.connectors.formats._to_text import plain_text
from penstock.connectors.formats.base import Chunk
from penstock.core.dtypes import INTEGERS, Boolean, Date, Datetime, Decimal, DType, String, from_json
from penstock.core.errors import PlanError, SourceError
from penstock.core.lazy import pl
from penstock.core.schema import Field, Schema

if TYPE_CHECKING:
    import polars as pl

NULL = "__HIVE_DEFAULT_PARTITION__"
"""The directory of rows whose value is null."""

_SIGNS = [*map(chr, range(32)), *"\"#%'*/:=?\\\x7f{}[]^<>|"]
_ESCAPED = {sign: f"%{ord(sign):02X}" for sign in _SIGNS}


def check_columns(columns: tuple[str, ...], schema: Schema) -> None:
    """Refuse columns that cannot be directories.

    Raises:
        PlanError: If there is one.
    """
    for name in columns:
        dtype = schema[name].dtype
        if not (dtype in INTEGERS or dtype in (String, Boolean, Date) or isinstance(dtype, (Datetime, Decimal))):
            raise PlanError(
                f'partition_by: "{name}" is {dtype}',
                hint="directories are texts, whole numbers, decimals, truth values, dates and times",
            )
    if len(columns) == len(schema):
        raise PlanError("partition_by names all columns: nothing is left to write into the files")


def directory_of(columns: tuple[str, ...], schema: Schema) -> pl.Expr:
    """The directory of each row, with slashes."""
    parts = []
    for name in columns:
        text = plain_text(pl.col(name), schema[name].dtype)
        # A text that reads as the word for null is told from it by an escape.
        value = pl.when(text == NULL).then(pl.lit("%5F" + NULL[1:])).otherwise(text.str.replace_many(_ESCAPED))
        parts += [pl.lit(f"{_escaped(name)}="), value.fill_null(NULL), pl.lit("/")]
    return pl.concat_str(parts[:-1])


def _escaped(name: str) -> str:
    return "".join(_ESCAPED.get(sign, sign) for sign in name)


def values_of(name: str) -> dict[str, str | None]:
    """The columns that the directories of a path name, and their values as texts."""
    found: dict[str, str | None] = {}
    for directory in name.split("/")[:-1]:
        column, is_one, value = directory.partition("=")
        if is_one and column:
            found[unquote(column)] = None if value == NULL else unquote(value)
    return found


def columns_of(names: list[str], types: Mapping[str, Any]) -> Schema:
    """The columns that the directories of files name.

    Args:
        names: The paths of the files.
        types: Types that are known; others are guessed from the texts.
    """
    found: dict[str, list[str | None]] = {}
    for name in names:
        for column, value in values_of(name).items():
            found.setdefault(column, []).append(value)
    fields = []
    for column, values in found.items():
        known = types.get(column)
        dtype = from_json(known) if known is not None else guess(pl.Series(column, values, dtype=pl.String).unique())
        fields.append(Field(column, dtype))
    return Schema(tuple(fields))


class Partition:
    """The columns of one file that its directories name.

    Attributes:
        request: What is left to read of the file itself.

    Args:
        name: The path of the file.
        request: What is wanted.

    Raises:
        SourceError: If a value is not of the declared type.
    """

    def __init__(self, name: str, request: ReadRequest) -> None:
        self._wanted = request.columns
        self._values: dict[str, pl.Series] = {}
        named = {column: value for column, value in values_of(name).items() if column in request.schema}
        for column, value in named.items():
            if column in request.columns:
                self._values[column] = _value(name, request.schema[column], value)
        left = tuple(column for column in request.columns if column not in named)
        self.request = ReadRequest(request.schema.without(named), left, request.extra, request.keep_raw)

    def complete(self, chunk: Chunk) -> Chunk:
        """A chunk of the file with these columns, in the order that was asked for."""
        if not self._values:
            return chunk
        height = chunk.frame.height
        columns = [
            self._values[name].new_from_index(0, height) if name in self._values else chunk.frame.get_column(name)
            for name in self._wanted
        ]
        return chunk._replace(frame=pl.DataFrame(columns))


def _value(name: str, field: Field, text: str | None) -> pl.Series:
    dtype: DType = field.dtype
    found = from_texts(spans_of(pl.Series(field.name, [text], dtype=pl.String)), dtype).alias(field.name)
    if text is not None and found.null_count():
        raise SourceError(f'the directory of "{name}" says {field.name}={text}, which is not {dtype}')
    if text is None and not field.nullable:
        raise SourceError(f'the directory of "{name}" says that "{field.name}" is null, and it must not be')
    return found
