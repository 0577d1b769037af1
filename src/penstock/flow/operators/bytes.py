"""Operators on bytes and text: frames, lines, JSON objects, compression."""

from __future__ import annotations

import json
import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Self

from penstock.core.errors import PlanError
from penstock.flow.errors import FramingError, LimitExceededError
from penstock.flow.operators.base import Elementwise, Step, Verbs, one_of, positive
from penstock.flow.stage import Context, Pull

PIECES = 16
"""How many pieces of input are taken at a time at most: they may be large."""


class _Frames(Elementwise):
    """Cuts a stream of bytes. Bytes of no frame yet are kept, up to `longest`."""

    def __init__(self, up: Pull, context: Context, longest: int) -> None:
        super().__init__(up, context)
        self.longest = longest
        self.kept = bytearray()

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> bool | None:
        while len(out) < most:
            frame = self.next()
            if frame is not None:
                out.append(frame)
                continue
            if len(self.kept) > self.longest:
                raise FramingError(f"a frame of more than {self.longest} bytes")
            data = next(items, None)
            if data is None:
                return None
            if not isinstance(data, bytes | bytearray | memoryview):
                raise FramingError(f"frames are cut from bytes, found {type(data).__name__}")
            self.kept += data
        return True

    @abstractmethod
    def next(self) -> Any:
        """The next whole frame, taken off; None if there is none."""

    def want(self, most: int) -> int:
        return min(most, PIECES)

    def buffered(self) -> int:
        return len(self._out)

    def finish(self, out: list[Any]) -> None:
        if self.kept:
            raise FramingError(f"the stream ended inside of a frame, after {len(self.kept)} bytes of it")


class _Lines(_Frames):
    def __init__(
        self, up: Pull, context: Context, delimiter: bytes, longest: int, open_end: bool, text: Callable[[bytes], Any]
    ) -> None:
        super().__init__(up, context, longest)
        self.delimiter, self.open_end, self.text = delimiter, open_end, text
        self.searched = 0

    def next(self) -> Any:
        at = self.kept.find(self.delimiter, self.searched)
        if at < 0:
            self.searched = max(0, len(self.kept) - len(self.delimiter) + 1)
            return None
        frame = bytes(self.kept[:at])
        del self.kept[: at + len(self.delimiter)]
        self.searched = 0
        if at > self.longest:
            raise FramingError(f"a frame of more than {self.longest} bytes")
        return self.text(frame)

    def finish(self, out: list[Any]) -> None:
        if self.kept and not self.open_end:
            super().finish(out)
        if self.kept:
            out.append(self.text(bytes(self.kept)))


class _Lengths(_Frames):
    def __init__(self, up: Pull, context: Context, size: int, order: Any, longest: int) -> None:
        super().__init__(up, context, longest + size)
        self.size, self.order = size, order

    def next(self) -> Any:
        if len(self.kept) < self.size:
            return None
        length = int.from_bytes(self.kept[: self.size], self.order)
        if length > self.longest - self.size:
            raise FramingError(f"a frame of {length} bytes, and {self.longest - self.size} are allowed")
        if len(self.kept) < self.size + length:
            return None
        frame = bytes(self.kept[self.size : self.size + length])
        del self.kept[: self.size + length]
        return frame


class _Objects(_Frames):
    """JSON objects one behind another, or in an array; each byte is looked at once."""

    def __init__(self, up: Pull, context: Context, longest: int) -> None:
        super().__init__(up, context, longest)
        self.at = self.depth = 0
        self.in_text = self.escaped = False

    def next(self) -> Any:
        kept = self.kept
        while self.at < len(kept):
            byte = kept[self.at]
            self.at += 1
            if self.escaped:
                self.escaped = False
            elif self.in_text:
                self.escaped, self.in_text = byte == 0x5C, byte != 0x22
            elif byte == 0x22 and self.depth:
                self.in_text = True
            elif byte == 0x7B:
                self.depth += 1
            elif byte == 0x7D and self.depth:
                self.depth -= 1
                if not self.depth:
                    return self._object()
            elif not self.depth:
                if byte not in b" \t\r\n,[]":
                    raise FramingError(f"a JSON object begins with {{, found {chr(byte)!r}")
                del kept[: self.at]
                self.at = 0
        return None

    def _object(self) -> Any:
        frame = bytes(self.kept[: self.at])
        del self.kept[: self.at]
        self.at = 0
        try:
            return json.loads(frame)
        except ValueError as wrong:
            raise FramingError(f"no JSON object: {wrong}") from None


class _Deflate(Elementwise):
    def __init__(self, up: Pull, context: Context, level: int, bits: int) -> None:
        super().__init__(up, context)
        self.machine = zlib.compressobj(level, zlib.DEFLATED, bits)

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        for data in items:
            packed = self.machine.compress(data) + self.machine.flush(zlib.Z_SYNC_FLUSH)
            if packed:
                out.append(packed)

    def finish(self, out: list[Any]) -> None:
        out.append(self.machine.flush())


class _Inflate(Elementwise):
    """Gives `size` bytes at a time, so that a small input cannot fill memory."""

    def __init__(self, up: Pull, context: Context, bits: int, size: int) -> None:
        super().__init__(up, context)
        self.bits, self.size = bits, size
        self.machine = zlib.decompressobj(bits)
        self.rest = b""
        self.began = False

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> bool | None:
        while len(out) < most:
            if not self.rest:
                data = next(items, None)
                if data is None:
                    return None
                self.rest = bytes(data)
                continue
            if self.machine.eof:
                self.machine = zlib.decompressobj(self.bits)  # several files one behind another
            try:
                plain = self.machine.decompress(self.rest, self.size)
            except zlib.error as wrong:
                raise FramingError(f"not compressed so: {wrong}") from None
            self.began = True
            self.rest = self.machine.unused_data if self.machine.eof else self.machine.unconsumed_tail
            if plain:
                out.append(plain)
        return True

    def finish(self, out: list[Any]) -> None:
        if self.began and not self.machine.eof:
            raise FramingError("the stream ended inside of compressed data")

    def want(self, most: int) -> int:
        return min(most, PIECES)


def _level(verb: str, level: Any) -> int:
    if positive(verb, "level", level, 0) > 9:
        raise PlanError(f"{verb} takes a level from 0 to 9, found {level}")
    return int(level)


def _decoded(frame: bytes) -> str:
    return frame.removesuffix(b"\r").decode("utf-8")


class Bytes(Verbs):
    """Operators on bytes and text. Elements are bytes, cut anyhow: where they are cut has no meaning."""

    def lines(self, *, longest: int = 1 << 20) -> Self:
        """Lines of UTF-8 text without their ends; the last one may have none. `FramingError` for longer ones."""
        n = positive("lines", "longest", longest)
        return self._then(Step("lines", lambda up, ctx: _Lines(up, ctx, b"\n", n, True, _decoded)))

    def frames(self, delimiter: bytes, *, longest: int = 1 << 20, open_end: bool = False) -> Self:
        """Bytes between delimiters; with `open_end` the last may lack its own, else that is a `FramingError`."""
        if not delimiter or type(delimiter) is not bytes:
            raise PlanError(f"frames takes bytes as delimiter, found {delimiter!r}")
        n = positive("frames", "longest", longest)
        return self._then(Step("frames", lambda up, ctx: _Lines(up, ctx, delimiter, n, open_end, bytes)))

    def length_frames(self, size: int = 4, *, order: str = "big", longest: int = 1 << 20) -> Self:
        """Frames behind their lengths, each a number of `size` bytes, `big` or `little` endian."""
        k, n = positive("length_frames", "size", size), positive("length_frames", "longest", longest)
        order = one_of("length_frames", "order", order, ("big", "little"))
        return self._then(Step("length_frames", lambda up, ctx: _Lengths(up, ctx, k, order, n)))

    def with_length(self, size: int = 4, *, order: str = "big") -> Self:
        """The way back of `length_frames`: each element behind its length.

        An element that is too long for the number is a `LimitExceededError`.
        """
        k, o = positive("with_length", "size", size), one_of("with_length", "order", order, ("big", "little"))

        def framed(data: bytes) -> bytes:
            if len(data) >= 1 << 8 * k:
                raise LimitExceededError(f"a frame of {len(data)} bytes has a length that {k} bytes cannot hold")
            return len(data).to_bytes(k, "big" if o == "big" else "little") + data

        return self._then(Step("with_length", lambda up, ctx: _mapped(up, ctx, framed)))

    def json_objects(self, *, longest: int = 1 << 20) -> Self:
        """JSON objects, as dicts: one behind another, by lines, or in an array."""
        n = positive("json_objects", "longest", longest)
        return self._then(Step("json_objects", lambda up, ctx: _Objects(up, ctx, n)))

    def gzip(self, level: int = 6) -> Self:
        """Compress; what has come can be decompressed at once, as each element is flushed."""
        level = _level("gzip", level)
        return self._then(Step("gzip", lambda up, ctx: _Deflate(up, ctx, level, 31)))

    def gunzip(self, *, size: int = 65_536) -> Self:
        """Decompress, `size` bytes at most to an element. A `FramingError` if it is not gzip, or cut off."""
        n = positive("gunzip", "size", size)
        return self._then(Step("gunzip", lambda up, ctx: _Inflate(up, ctx, 31, n)))

    def deflate(self, level: int = 6) -> Self:
        """Compress by zlib; see `gzip`."""
        level = _level("deflate", level)
        return self._then(Step("deflate", lambda up, ctx: _Deflate(up, ctx, level, 15)))

    def inflate(self, *, size: int = 65_536) -> Self:
        """Decompress by zlib; see `gunzip`."""
        n = positive("inflate", "size", size)
        return self._then(Step("inflate", lambda up, ctx: _Inflate(up, ctx, 15, n)))


def _mapped(up: Pull, context: Context, f: Callable[[Any], Any]) -> Pull:
    from penstock.flow.operators.simple import Map

    return Map(up, context, f)
