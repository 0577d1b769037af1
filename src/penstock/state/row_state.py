"""One text of state per key: what functions of users keep, behind a contract of four calls.

What keeps it may be memory, as here, or anything else that can find, replace and list texts by key. A step asks
for the keys it touches together, and gives back those that changed: a checkpoint takes no more than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from penstock.core.dtypes import String
from penstock.core.lazy import pl
from penstock.core.schema import Field, Schema
from penstock.state.aggregates import Loader, Saver
from penstock.state.kept import KeptRows

if TYPE_CHECKING:
    import polars as pl

Identity = tuple[Any, ...]
"""What tells a key from others: hashable, and equal for equal keys."""

TEXT = "state"


class RowState(Protocol):
    """Texts by key."""

    def load(self, keys: Sequence[Identity]) -> dict[Identity, str]:
        """The texts of those of some keys that have one."""
        ...

    def store(self, changes: Sequence[tuple[Identity, Sequence[Any], str | None]]) -> None:
        """Replace texts.

        Args:
            changes: Each key once: its identity, the values of its columns, and its text; None = none any more.
        """
        ...

    def snapshot(self, saver: Saver) -> dict[str, Any]:
        """Give what has changed to a checkpoint; what it gives back `restore` needs."""
        ...

    def restore(self, state: dict[str, Any], loader: Loader) -> Iterable[tuple[int, Sequence[Any], str]]:
        """Become what was saved; the slot, the columns and the text of each key."""
        ...


class MemoryRows:
    """Texts by key in memory.

    Args:
        keys: The key columns; none: one text.
        seed: Seeds the index; results do not depend on it.
        name: Under which a checkpoint has them.
    """

    def __init__(self, keys: Sequence[Field], seed: int = 0, name: str = "rows") -> None:
        self.name = name
        self.fields = tuple(keys)
        free = TEXT + "_" * max((len(field.name) for field in self.fields), default=0)  # no key is called so
        self.rows = KeptRows(Schema((*self.fields, Field(free, String, False))), seed=seed)
        self.slots: dict[Identity, int] = {}
        self.turn = 0

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def nbytes(self) -> int:
        """Bytes of texts and keys."""
        return self.rows.nbytes

    def load(self, keys: Sequence[Identity]) -> dict[Identity, str]:
        """See `RowState.load`."""
        known = [key for key in keys if key in self.slots]
        if not known:
            return {}
        texts = self.rows.take([self.slots[key] for key in known])[-1].to_list()
        return dict(zip(known, texts, strict=True))

    def store(self, changes: Sequence[tuple[Identity, Sequence[Any], str | None]]) -> None:
        """See `RowState.store`."""
        gone = [self.slots.pop(key) for key, _, _ in changes if key in self.slots]
        if gone:
            self.rows.drop(gone, self.turn)
        kept = [(key, [*values, text]) for key, values, text in changes if text is not None]
        if kept:
            types = self.rows.schema.to_polars()
            columns = [
                pl.Series(name, [values[i] for _, values in kept], dtype=dtype)
                for i, (name, dtype) in enumerate(types.items())
            ]
            slots = self.rows.add(columns, [], self.turn).tolist()
            self.slots.update(zip((key for key, _ in kept), slots, strict=True))
        self.turn += 1

    def snapshot(self, saver: Saver) -> dict[str, Any]:
        """See `RowState.snapshot`."""
        saver.table(self.name, self.rows.entries, self.turn)
        return {"turn": self.turn, "added": self.rows.added}

    def restore(self, state: dict[str, Any], loader: Loader) -> list[tuple[int, Sequence[Any], str]]:
        """Become what was saved.

        Returns:
            The slot, the columns and the text of each key; who knows their identities puts them into `slots`.
        """
        self.turn, self.rows.added = state["turn"], state["added"]
        loader.table(self.name, self.rows.entries)
        slots = self.rows.live()
        if not len(slots):
            return []
        rows = zip(*(series.to_list() for series in self.rows.take(slots)), strict=True)
        return [(slot, values[:-1], values[-1]) for slot, values in zip(slots.tolist(), rows, strict=True)]

    def contents(self, limit: int) -> pl.DataFrame:
        """Some keys with their texts."""
        slots = self.rows.entries.live()[:limit]
        names = [field.name for field in self.fields]
        return pl.DataFrame(
            [series.alias(name) for name, series in zip([*names, TEXT], self.rows.take(slots), strict=True)]
        )
