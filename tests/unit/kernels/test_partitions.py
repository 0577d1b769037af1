from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.kernels.partitions import PARTITION_VERSION, partitions_of_keys

# From the tests of Kafka's own client (UtilsTest.testMurmur2).
KNOWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


def murmur2(key: bytes) -> int:
    """As the Java client has it, in plain Python."""
    factor, low = 0x5BD1E995, 0xFFFFFFFF
    value = 0x9747B28C ^ len(key)
    for place in range(0, len(key) - len(key) % 4, 4):
        word = int.from_bytes(key[place : place + 4], "little") * factor & low
        word = (word ^ word >> 24) * factor & low
        value = value * factor & low ^ word
    if len(key) % 4:
        value = (value ^ int.from_bytes(key[len(key) - len(key) % 4 :], "little")) * factor & low
    value = (value ^ value >> 13) * factor & low
    return value ^ value >> 15


def partitions(keys: list[bytes], count: int) -> list[int]:
    bounds = np.cumsum([0, *map(len, keys)])
    found = np.zeros(len(keys), np.int32)
    partitions_of_keys(np.frombuffer(b"".join(keys), np.uint8), bounds, count, found)
    return found.tolist()


def test_values_never_change(kernels: str) -> None:
    assert PARTITION_VERSION == 1
    for key, value in KNOWN.items():
        assert murmur2(key) == value & 0xFFFFFFFF
    wanted = [(value & 0x7FFFFFFF) % 1_000_003 for value in KNOWN.values()]
    assert partitions(list(KNOWN), 1_000_003) == wanted


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6), st.integers(1, 50))
def test_as_in_the_model(kernels: str, keys: list[bytes], count: int) -> None:
    assert partitions(keys, count) == [(murmur2(key) & 0x7FFFFFFF) % count for key in keys]
