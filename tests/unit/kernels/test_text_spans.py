"""Lines, checks for UTF-8 and escapes, compiled and as plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.kernels import text_spans
from penstock.kernels.arrays import frozen
from penstock.kernels.text_spans import ESCAPED, FINE, NOT_UTF8, NULL, TEXT
from tests.unit.kernels.blocks import block, spans, state

pytestmark = pytest.mark.usefixtures("kernels")


def lines(text, last=1, longest=1000, room=10):
    data, where = block(text), state()
    starts, ends, numbers = (np.zeros(room, dtype=np.int64) for _ in range(3))
    count = text_spans.find_lines(data, len(data), last, longest, starts, ends, numbers, where)
    found = [bytes(data[a:b]) for a, b in zip(starts[:count], ends[:count], strict=True)]
    return found, numbers[:count].tolist(), where.tolist()


def test_lines_are_those_that_are_not_blank():
    found, numbers, where = lines("a\n\n \t\r\nbb\nccc")
    assert (found, numbers) == ([b"a", b"bb", b"ccc"], [1, 4, 5])
    assert where == [6, 0, 13]


def test_an_unfinished_line_waits_for_more():
    assert lines("a\nbb", last=0)[::2] == ([b"a"], [2, 0, 2])


def test_no_more_lines_than_there_is_room():
    assert lines("a\nb\nc\n", room=2)[::2] == ([b"a", b"b"], [3, 0, 4])


def test_of_a_line_that_is_too_long_only_the_beginning_is_given():
    found, numbers, where = lines("aaaaaaaa", last=0, longest=3)
    assert (found, numbers, where) == ([b"aaaa"], [1], [1, 1, 8])
    assert lines("aaaaaaaa\nb\n", longest=3)[:2] == ([b"aaaa", b"b"], [1, 2])


@pytest.mark.parametrize(
    "text",
    [
        b"", b"plain text of more than eight bytes", "é€😀".encode(), "12345678é".encode(), b"\x7f", b"\xef\xbf\xbf",
        b"\x80", b"\xc0\x80", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x80\x80\x80", b"\xff",
        b"12345678\xc3(", b"\xe0\x80\x80", b"\xf5\x80\x80\x80", b"\xc3\xa9\x80",
    ],
)  # fmt: skip
def test_utf8_is_what_python_says(text):
    faults = np.zeros(1, dtype=np.int64)
    ends = frozen(np.array([len(text)], dtype=np.int64))
    text_spans.check_utf8(block(text + b"\xff"), frozen(np.zeros(1, dtype=np.int64)), ends, faults)
    try:
        text.decode()
    except UnicodeDecodeError:
        assert faults[0] == NOT_UTF8
    else:
        assert faults[0] == FINE


@pytest.mark.parametrize(
    ("quote", "escaped", "plain"),
    [(34, b'a""b""', b'a"b"'), (-1, b"\\u00e9\\n\\ud83d\\ude00\\/", "é\n😀/".encode())],
)
def test_escapes_are_taken_out(quote, escaped, plain):
    data, starts, ends = spans(b"xy", escaped, b"zz", b"!")
    kinds = frozen(np.array([TEXT, ESCAPED, NULL, TEXT], dtype=np.uint8))
    offsets, out = np.zeros(5, dtype=np.int64), np.zeros(len(data), dtype=np.uint8)
    size = text_spans.copy_texts(data, starts, ends, kinds, quote, offsets, out)
    assert bytes(out[:size]) == b"xy" + plain + b"!"
    assert offsets.tolist() == [0, 2, 2 + len(plain), 2 + len(plain), size]
