"""Records of delimited text, compiled and as plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.kernels import csv_records
from penstock.kernels.arrays import frozen
from penstock.kernels.text_spans import FINE, MISSING, TEXT
from tests.unit.kernels.blocks import block, spans, state

pytestmark = pytest.mark.usefixtures("kernels")


def records(text, fields, last=1, longest=1000, room=10, quote=34, blank=0):
    data, where = block(text), state()
    starts, ends = np.zeros((fields, room), dtype=np.int64), np.zeros((fields, room), dtype=np.int64)
    kinds, table = np.zeros((fields, room), dtype=np.uint8), np.zeros((room, 4), dtype=np.int64)
    faults = np.zeros(room, dtype=np.int64)
    marks = frozen(np.array([44, quote, blank], dtype=np.int64))
    count = csv_records.scan_records(
        data, len(data), last, longest, marks, frozen(np.arange(fields)), starts, ends, kinds, table, faults, where
    )
    cells = [
        [None if kinds[f, r] == MISSING else bytes(data[starts[f, r] : ends[f, r]]).decode() for f in range(fields)]
        for r in range(count)
    ]
    return cells, faults[:count].tolist(), table[:count, csv_records.RECORD_LINE].tolist(), where.tolist()


def test_fields_of_records():
    cells, faults, numbers, where = records('a,"b,\n""c""",\r\n,"",x', 3)
    assert cells == [["a", 'b,\n""c""', None], [None, "", "x"]]
    assert (faults, numbers, where) == ([FINE, FINE], [1, 3], [4, 0, 20])


def test_faults_of_records():
    cells, faults, numbers, _ = records('a\n1,2,3\n"x"y,2\n3,"z\n4,5\n', 2)
    assert cells == [[None, None], [None, None], [None, None], [None, None], ["4", "5"]]
    assert faults == [8, 9, 10, 11, FINE]
    assert numbers == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("text", ["a,b", 'a,"b', 'a,"b"', "a,", "", '"a""'])
def test_an_unfinished_record_waits_for_more(text):
    cells, _, _, where = records(f"1,2\n{text}", 2, last=0)
    assert cells == [["1", "2"]]
    assert where == [2, 0, 4]


def test_blank_lines_count_if_they_are_asked_for():
    assert records("a\n\nb\n", 1)[0] == [["a"], ["b"]]
    assert records("a\n\nb\n", 1, blank=1)[0] == [["a"], [None], ["b"]]


def test_without_a_quote_quotes_are_text():
    assert records('"a,b"\n', 2, quote=-1)[0] == [['"a', 'b"']]


def test_null_texts_count_without_quotes_only():
    data, starts, ends = spans(b",NA,", b'"', b"NA", b'",', b"NAN")
    kinds = np.array([TEXT] * 5, dtype=np.uint8)
    csv_records.note_nulls(
        data, starts + np.array([1, 0, 0, 0, 0]), ends - np.array([1, 0, 0, 0, 0]), kinds, 34, block("NA")
    )
    assert kinds.tolist() == [MISSING, TEXT, TEXT, TEXT, TEXT]
