"""Which partition a key belongs to: own hashes, the same in every process, version and library.

Their results are on disk. A change needs a new number in the settings of logs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.core.schema import Schema
from penstock.kernels.arrays import frozen
from penstock.kernels.hashing import hash_words
from penstock.state.keys import KeyCodec

if TYPE_CHECKING:
    import numpy.typing as npt
    import polars as pl


def partition_of_key(key: bytes, partitions: int) -> int:
    """The partition of the key of a record."""
    digest = hashlib.blake2b(key, digest_size=8, person=b"penstock.log.1").digest()
    return int.from_bytes(digest, "big") % partitions


class Partitioner:
    """Finds the partition of each row by key columns; equal keys have equal partitions.

    Args:
        schema: The columns.
        key: Those of the key.
        partitions: How many partitions there are.

    Raises:
        UnsupportedError: If a column cannot be a key.
    """

    def __init__(self, schema: Schema, key: Sequence[str], partitions: int) -> None:
        self._key, self._partitions = tuple(key), partitions
        self._codec = KeyCodec(self._key, [schema[name].dtype for name in self._key])

    def __call__(self, frame: pl.DataFrame) -> npt.NDArray[np.int64]:
        """The partition of each row."""
        keys = self._codec.encode([frame.get_column(name) for name in self._key])
        return (hash_words(frozen(keys.words)) % np.uint64(self._partitions)).astype(np.int64)
