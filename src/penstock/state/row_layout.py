"""What is kept of a row in a store of rows (`penstock.state.rows`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.dtypes import DType, Int32, Int64, List, Map, Struct
from penstock.core.errors import UnsupportedError
from penstock.core.schema import Schema
from penstock.state.keys import KeyCodec

BASE_WORDS = 3
TIME = BASE_WORDS
"""The word of a row that holds its instant, in a timed store."""


@dataclass(frozen=True)
class RowLayout:
    """What is kept of a row.

    Attributes:
        keys: The codec of the keys.
        rows: The codec of the rows: the slot of the key, the place (if ordered), the columns.
        names: The columns kept besides the key.
        ordered: Whether each row is an entry of its own, with its place.
        timed: Whether a row has an instant (word `TIME`), by which it can be taken out.
        words: The initial values of further words of each row, which are the operator's own.
        key_words: The initial values of further words of each key.
        by_time: Whether the rows of a key are in order of (instant, place), not of place: only if ordered and timed.
            The first of `key_words` is then used while rows are put, and by the operator in between.
    """

    keys: KeyCodec
    rows: KeyCodec
    names: tuple[str, ...]
    ordered: bool
    timed: bool
    words: tuple[int, ...] = ()
    key_words: tuple[int, ...] = ()
    by_time: bool = False

    @classmethod
    def of(
        cls,
        keys: KeyCodec,
        schema: Schema,
        names: Sequence[str],
        *,
        ordered: bool = False,
        timed: bool = False,
        words: Sequence[int] = (),
        key_words: Sequence[int] = (),
        by_time: bool = False,
    ) -> RowLayout:
        """The layout for columns of a schema.

        Args:
            keys: The codec of the keys.
            schema: Has the columns.
            names: Which of them are kept besides the key.
            ordered: Whether each row is an entry of its own, with its place.
            timed: Whether rows have an instant by which they go.
            words: The initial values of further words of each row.
            key_words: The initial values of further words of each key.
            by_time: Whether the rows of a key are in order of (instant, place), not of place.

        Raises:
            UnsupportedError: If rows with such a column cannot be kept.
        """
        fields = [schema[name] for name in names]
        for field in fields:
            _check_type(field.name, field.dtype)
        hidden = ["slot", "place"] if ordered else ["slot"]
        rows = KeyCodec(
            [*hidden, *(f"c{i}" for i in range(len(fields)))],
            [*[Int32, Int64][: len(hidden)], *(field.dtype for field in fields)],
            [*[False] * len(hidden), *(field.nullable for field in fields)],
        )
        return cls(keys, rows, tuple(names), ordered, timed, tuple(words), tuple(key_words), by_time)

    def word(self, number: int) -> int:
        """Which of the words of a row (`RowStore.word`) is the operator's own of a number."""
        return BASE_WORDS + self.timed + number

    def described(self) -> dict[str, Any]:
        """What must be equal for stored rows to be usable, as JSON."""
        columns = [
            {"name": name, "type": str(column.dtype), "nullable": column.null_bit >= 0}
            for name, column in zip(self.names, self.rows.columns[1 + self.ordered :], strict=True)
        ]
        keys = [{"name": c.name, "type": str(c.dtype), "nullable": c.null_bit >= 0} for c in self.keys.columns]
        shape = {"ordered": self.ordered, "timed": self.timed, "words": len(self.words)}
        return {"keys": keys, "columns": columns, **shape, "key_words": len(self.key_words)}


def _check_type(name: str, dtype: DType) -> None:
    if isinstance(dtype, (List, Struct, Map)):
        raise UnsupportedError(
            f'rows with a column of type {dtype} cannot be kept yet: "{name}"',
            hint="take a part of it, or drop it, before",
        )
