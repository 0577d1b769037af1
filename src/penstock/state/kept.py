"""Whole rows in memory, each in a slot of its own until it is dropped.

A row is the key of an arrangement, behind a number that no other row has: so it is stored exactly, nulls and
long texts included, and a checkpoint takes what was added and dropped since the last one. Lists and structs are texts
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import Int64
from penstock.core.lazy import np
from penstock.core.schema import Schema
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec
from penstock.state.kinds import check_kept, stored_type
from penstock.state.nested import as_texts, from_texts, is_nested

if TYPE_CHECKING:
    import polars as pl

    from penstock.kernels.arrays import Rows

ID = 0
"""The word of a slot that holds the row's number: rows are numbered as they are added."""


class KeptRows:
    """Rows of a schema, by slot.

    Args:
        schema: The columns.
        words: How many words of an operator's own each row has.
        seed: Seeds the index; results do not depend on it.

    Attributes:
        entries: The arrangement; `saver.table` takes it.
        added: How many rows were ever added: the number of the next one.

    Raises:
        UnsupportedError: If a column is of a type that cannot be stored so.
    """

    def __init__(self, schema: Schema, words: int = 0, seed: int = 0) -> None:
        self.schema = schema
        self.codec = codec_of(schema)
        self.entries = Arrangement(self.codec.layout, [0] * words, seed=seed)
        self.added = 0

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return self.entries.nbytes

    def add(self, columns: Sequence[pl.Series], words: Sequence[Any], step: int) -> Rows:
        """Add rows.

        Args:
            columns: The columns of the schema, in its order.
            words: By word, an int64 array.
            step: The number of the step.

        Returns:
            The slot of each row.
        """
        count = len(columns[0])
        ids = np.arange(self.added, self.added + count, dtype=np.int64)
        self.added += count
        given = [
            as_texts(series, field.dtype) if is_nested(field.dtype) else series
            for field, series in zip(self.schema, columns, strict=True)
        ]
        slots = self.entries.upsert(self.codec.encode([ids, *given]), None, step).slots
        for place, values in enumerate(words):
            self.entries.table[slots, self.entries.first + place] = values
        return slots

    def take(self, slots: Any) -> list[pl.Series]:
        """The columns of some rows, in the order of the slots given."""
        rows, heap = self.entries.key_rows(slots)
        return [
            from_texts(series, field.dtype) if is_nested(field.dtype) else series
            for field, series in zip(self.schema, self.codec.decode(rows, heap)[1:], strict=True)
        ]

    def word(self, place: int, slots: Any) -> Any:
        """A word of some rows."""
        return self.entries.table[slots, self.entries.first + place]

    def ids(self, slots: Any) -> Any:
        """The numbers of some rows."""
        return self.entries.table[slots, ID]

    def drop(self, slots: Any, step: int) -> None:
        """Forget rows, each once."""
        self.entries.delete(slots, step)

    def live(self) -> Any:
        """The slots of all rows, in the order in which they were added."""
        slots = self.entries.live()
        return slots[np.argsort(self.ids(slots), kind="stable")]


def codec_of(schema: Schema) -> KeyCodec:
    """How rows of a schema are laid out: the number of the row, then its columns.

    Raises:
        UnsupportedError: If a column is of a type that cannot be stored so.
    """
    check_kept(schema)
    return KeyCodec(
        ["", *schema.names], [Int64, *(stored_type(f.dtype) for f in schema)], [False, *(f.nullable for f in schema)]
    )
