"""Which partition a key belongs to: murmur2, as Kafka's own clients have it.

The hash is part of what is written: two records of a key must be in one partition whenever they were sent, by whatever
version of Penstock, and next to those that Java programs send. Any change of its values needs a new version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import lean_kernel

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Number, Rows, Words

PARTITION_VERSION = 1
"""1 = murmur2 with Kafka's seed; the lower 31 bits, modulo the number of partitions."""

_SEED = 0x9747B28C
_FACTOR = 0x5BD1E995
_LOW_32 = 0xFFFFFFFF


@lean_kernel
def partitions_of_keys(heap: Bytes, bounds: Words, count: Number, partitions: Rows) -> None:
    """Find the partition of each key.

    Args:
        heap: the bytes of all keys, next to each other.
        bounds: where each key starts, and where the last one ends [n + 1].
        count: how many partitions there are.
        partitions: out [n].
    """
    factor, low = np.uint64(_FACTOR), np.uint64(_LOW_32)
    for row in range(partitions.shape[0]):
        start, end = bounds[row], bounds[row + 1]
        value = np.uint64(_SEED) ^ np.uint64(end - start)
        place = start
        while place + 4 <= end:
            word = np.uint64(heap[place]) | (np.uint64(heap[place + 1]) << np.uint64(8))
            word |= (np.uint64(heap[place + 2]) << np.uint64(16)) | (np.uint64(heap[place + 3]) << np.uint64(24))
            # Arithmetic of 32 bits in words of 64.
            word = (word * factor) & low
            word = ((word ^ (word >> np.uint64(24))) * factor) & low
            value = ((value * factor) & low) ^ word
            place += 4
        if place < end:
            shift = np.uint64(0)
            for rest in range(place, end):
                value ^= np.uint64(heap[rest]) << shift
                shift += np.uint64(8)
            value = (value * factor) & low
        value = ((value ^ (value >> np.uint64(13))) * factor) & low
        value ^= value >> np.uint64(15)
        partitions[row] = np.int64(value & np.uint64(0x7FFFFFFF)) % count
