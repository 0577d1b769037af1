"""Changes of a Table: what kind each one is, and what they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.core.errors import InvariantError
from penstock.core.lazy import np, pl

if TYPE_CHECKING:
    import numpy.typing as npt

INSERT, UPDATE_BEFORE, UPDATE_AFTER, DELETE = "+I", "-U", "+U", "-D"


def operations(frame: pl.DataFrame, diff: npt.NDArray[np.int8], key: Sequence[str]) -> pl.Series:
    """The kind of each change: an update if a row goes and the next one of its key comes.

    Args:
        frame: The rows.
        diff: +1 or -1 per row.
        key: The columns of the key; without any, rows only come and go.

    Returns:
        A column `op` of `+I`, `-U`, `+U` or `-D`.
    """
    comes = pl.col("__comes")
    kept = [pl.Series("__comes", np.asarray(diff) > 0)]
    after, before = pl.lit(value=False), pl.lit(value=False)
    if key:
        kept += [frame.get_column(name).alias(f"__{place}") for place, name in enumerate(key)]
        names = [f"__{place}" for place in range(len(key))]
        after = (~comes.shift(1).over(names)).fill_null(value=False)
        before = comes.shift(-1).over(names).fill_null(value=False)
    op = (
        pl.when(comes)
        .then(pl.when(after).then(pl.lit(UPDATE_AFTER)).otherwise(pl.lit(INSERT)))
        .otherwise(pl.when(before).then(pl.lit(UPDATE_BEFORE)).otherwise(pl.lit(DELETE)))
    )
    return pl.DataFrame(kept).select(op.alias("op")).get_column("op")


def net(frame: pl.DataFrame, diff: npt.NDArray[np.int8]) -> pl.DataFrame:
    """The rows that are left when all changes are applied, in the order in which they came last.

    Args:
        frame: All rows that came and went.
        diff: +1 or -1 per row.

    Raises:
        InvariantError: If a row went more often than it came.
    """
    weight = pl.Series("__weight", np.asarray(diff).astype(np.int64))
    if not frame.width:
        return frame.head(max(0, int(weight.sum())))
    place = pl.Series("__place", np.arange(frame.height, dtype=np.int64))
    sums = (
        frame.with_columns(weight, place)
        .group_by(frame.columns)
        .agg(pl.col("__weight").sum(), pl.col("__place").filter(pl.col("__weight") > 0).max())
    )
    negative = sums.filter(pl.col("__weight") < 0)
    if negative.height:
        raise InvariantError(f"a row went more often than it came: {negative.select(frame.columns).row(0, named=True)}")
    left = sums.filter(pl.col("__weight") > 0).sort("__place")
    times = left.get_column("__weight").to_numpy()
    rows = left.select(frame.columns)
    return rows[np.repeat(np.arange(rows.height), times)] if times.size and times.max() > 1 else rows
