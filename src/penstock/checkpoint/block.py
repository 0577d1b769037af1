"""The encoding of one block of a segment: a JSON header and arrays, as they are in memory.

    magic and version   8 bytes
    length              8 bytes: of the whole block
    head                8 bytes: its length; then JSON [header, [[name, dtype, shape], ...]]
    arrays              one after the other, each at a multiple of 16 bytes from the start of the block

Numbers are little-endian. A block does not hold its own digest: that is in the manifest, which names the block.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from penstock.core.errors import StateError
from penstock.core.lazy import np

if TYPE_CHECKING:
    from penstock.checkpoint.store import Store

MAGIC = b"PENBLK\x00\x01"
"""What a block begins with; the last two bytes are the version."""

ALIGNMENT = 16
_PROLOGUE = struct.Struct("<8sQQ")
_DTYPE = re.compile(r"\|b1|\|[iu]1|<[iu][248]|<f[248]")
_DIMENSIONS = 32
_BYTES = "bytes"


def encode(header: dict[str, Any], arrays: Mapping[str, np.ndarray | bytes]) -> list[bytes | memoryview]:
    """The parts of a block, in order; contiguous arrays are not copied and must not change until they are written.

    Args:
        header: A JSON object.
        arrays: Arrays of booleans, integers and floats of any shape, and bytes, by name.

    Raises:
        TypeError: If an array is of another type, or the header is not JSON.
        ValueError: If a number of the header is not finite.
    """
    described: list[list[Any]] = []
    data: list[memoryview] = []
    for name, value in arrays.items():
        if isinstance(value, bytes):
            described.append([name, _BYTES, [len(value)]])
            data.append(memoryview(value))
            continue
        array = np.ascontiguousarray(value).reshape(value.shape)  # the former makes a row of a scalar
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if not _DTYPE.fullmatch(array.dtype.str):
            raise TypeError(f'the array "{name}" has the type {array.dtype}, which no block can hold')
        described.append([name, array.dtype.str, list(array.shape)])
        data.append(array.reshape(-1).view(np.uint8).data)
    head = json.dumps([header, described], allow_nan=False, separators=(",", ":")).encode()
    parts: list[bytes | memoryview] = [head]
    size = _PROLOGUE.size + len(head)
    for one in data:
        if gap := -size % ALIGNMENT:
            parts.append(bytes(gap))
        parts.append(one)
        size += gap + len(one)
    return [_PROLOGUE.pack(MAGIC, size, len(head)), *parts]


def decode(data: bytes | memoryview) -> tuple[dict[str, Any], dict[str, np.ndarray | bytes]]:
    """The header and the arrays of a block; arrays are read-only views of `data` where its alignment allows.

    Nothing in the block is believed that its length does not bear out: a damaged block is refused, or has other
    values in its arrays (which its digest would tell); it cannot make the program read beyond it.

    Raises:
        StateError: If it is no block, is cut short or too long, or is of a newer version.
    """
    view = memoryview(data).toreadonly().cast("B")
    header, described, position = _head(view)
    arrays: dict[str, np.ndarray | bytes] = {}
    for name, dtype, shape in described:
        position += -position % ALIGNMENT
        length = math.prod(shape) * (1 if dtype == _BYTES else int(dtype[2:]))
        if position + length > len(view):
            raise _damaged(f'the array "{name}" reaches beyond its end')
        arrays[name] = _array(view[position : position + length], dtype, shape)
        position += length
    if position != len(view):
        raise _damaged(f"{len(view) - position} bytes are left over")
    return header, arrays


def _head(view: memoryview) -> tuple[dict[str, Any], list[tuple[str, str, list[int]]], int]:
    """The header, the description of the arrays, and where the head ends."""
    if len(view) < _PROLOGUE.size:
        raise _damaged(f"{len(view)} bytes are too few")
    magic, size, head = _PROLOGUE.unpack_from(view)
    if magic[:6] != MAGIC[:6]:
        raise _damaged(f"it begins with {bytes(magic)!r}")
    if magic != MAGIC:
        version = int.from_bytes(magic[6:], "big")
        raise StateError(f"a block of version {version} cannot be read by this program, which knows version 1")
    if size != len(view):
        raise _damaged(f"it should have {size} bytes, and has {len(view)}")
    end = _PROLOGUE.size + head
    if end > size:
        raise _damaged("its header reaches beyond its end")
    try:
        header, described = json.loads(bytes(view[_PROLOGUE.size : end]))
        found = [(name, dtype, shape) for name, dtype, shape in described if _is_sound(name, dtype, shape)]
    except (ValueError, TypeError, RecursionError) as failure:
        raise _damaged("its header is no JSON of a header") from failure
    names = {name for name, _, _ in found}
    if not isinstance(header, dict) or len(found) != len(described) or len(names) != len(found):
        raise _damaged("its header describes no arrays")
    return header, found, end


def _is_sound(name: object, dtype: object, shape: object) -> bool:
    """Whether the description of one array can be one, whatever the block's length."""
    if not isinstance(name, str) or not isinstance(dtype, str) or not isinstance(shape, list):
        return False
    dimensions = 1 if dtype == _BYTES else _DIMENSIONS
    return (
        (dtype == _BYTES or _DTYPE.fullmatch(dtype) is not None)
        and len(shape) <= dimensions
        and (dtype != _BYTES or len(shape) == 1)
        and all(type(one) is int and 0 <= one < 1 << 48 for one in shape)
    )


def _array(view: memoryview, dtype: str, shape: list[int]) -> np.ndarray | bytes:
    if dtype == _BYTES:
        return bytes(view)
    try:
        array = np.frombuffer(view, dtype=np.dtype(dtype)).reshape(shape)
    except ValueError as failure:
        # Zero times a great many: too large a shape for NumPy, though not for the block.
        raise _damaged(f"an array has the shape {shape}") from failure
    if array.flags.aligned and array.dtype.isnative:
        return array
    array = array.astype(array.dtype.newbyteorder("="))
    array.flags.writeable = False
    return array


def _damaged(what: str) -> StateError:
    return StateError(f"a block is damaged: {what}", damaged=True)


def digest(parts: Iterable[bytes | memoryview]) -> str:
    """The digest of bytes in their order, however they are cut: BLAKE2b of 16 bytes, in hexadecimal."""
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.hexdigest()


def read_block(store: Store, reference: Mapping[str, Any]) -> bytes | memoryview:
    """The bytes of the block that a manifest refers to, verified.

    Args:
        store: Where the segments are.
        reference: `{"segment": name, "offset": bytes, "length": bytes, "digest": of the block}`.

    Raises:
        StateError: If the reference is none, the segment is missing or too short, or the digest differs.
    """
    segment, offset, length, wanted = (reference.get(key) for key in ("segment", "offset", "length", "digest"))
    if not (isinstance(segment, str) and isinstance(wanted, str) and type(offset) is int and type(length) is int):
        raise StateError(f"a reference to a block needs a segment, an offset, a length and a digest, found {reference}")
    data = store.read_segment(segment, offset, length)
    if digest([data]) != wanted:
        raise StateError(
            f'the segment "{segment}" in "{store.place}" is damaged: {length} bytes at {offset} have another digest',
            hint="restore the file from a copy, or resume from a checkpoint or savepoint that does not need it",
            damaged=True,
        )
    return data
