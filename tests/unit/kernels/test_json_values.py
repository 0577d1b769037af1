"""JSON to spans, compiled and as plain Python."""

from __future__ import annotations

import json

import numpy as np
import pytest

from penstock.kernels import json_tokens, json_values
from penstock.kernels.arrays import frozen
from penstock.kernels.text_spans import FINE, OBJECT
from tests.unit.kernels.blocks import block

pytestmark = pytest.mark.usefixtures("kernels")


def scanned(text, mode, names=(), forbid=0, room=20, depth=512):
    data = block(text)
    offsets = np.concatenate(([0], np.cumsum([len(name.encode()) for name in names]))).astype(np.int64)
    width = max(2, len(names))
    starts, ends = np.zeros((width, room), dtype=np.int64), np.zeros((width, room), dtype=np.int64)
    kinds = np.zeros((width, room), dtype=np.uint8)
    counts, faults = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    kind = frozen(np.array([OBJECT], dtype=np.uint8))
    total = json_values.scan_json(
        data, frozen(np.zeros(1, dtype=np.int64)), frozen(np.array([len(data)])), kind, OBJECT, mode, forbid,
        block("".join(names)), frozen(offsets), starts, ends, kinds, counts, faults,
        np.zeros(depth, np.uint8), np.zeros(json_values.MEMO_SIZE, np.int64), np.zeros(100, np.uint8),
    )  # fmt: skip
    found = [
        [bytes(data[starts[f, r] : ends[f, r]]).decode() if kinds[f, r] else None for f in range(width)]
        for r in range(room)
    ]
    return found[: total if mode in (json_values.ELEMENTS, json_values.ENTRIES) else 1], -int(faults[0]) % 32


def test_fields_elements_and_entries_of_json():
    text = ' {"b" : [1, {"a": 2}], "a":"x\\"y", "\\u0063": -1.5e3, "d": null} '
    assert scanned(text, json_values.FIELDS, ("a", "b", "c", "zz")) == (
        [['x\\"y', '[1, {"a": 2}]', "-1.5e3", None]],
        FINE,
    )
    assert scanned('[1, "a", [], {}, null]', json_values.ELEMENTS)[0] == [
        ["1", None], ["a", None], ["[]", None], ["{}", None], ["null", None],
    ]  # fmt: skip
    assert scanned('{"a": 1, "b": {"c": 2}}', json_values.ENTRIES)[0] == [["1", "a"], ['{"c": 2}', "b"]]
    assert scanned(' "a" ', json_values.WHOLE)[0] == [["a", None]]


GOOD = ["0", "-0", "1.5E+10", '""', '"\\u00E9\\ud83d\\ude00"', "[]", "{}", '{"a":[{"b":[]}]}', " [ 1 , 2 ] ", "true"]
BAD = [
    "", " ", "01", "-", "1.", ".5", "1e", "+1", "nul", "True", "NaN", '"', '"\\x"', '"\\u12"', '"\t"', "[1,]", "[,1]",
    '{"a"}', '{"a":}', '{a:1}', '{"a":1,}', "[1}", "1 2", "[1] x", '"\\ud800"', '"\\udc00"', "{1:2}",
    '"\\ud800\\u0041"',
]  # fmt: skip


@pytest.mark.parametrize("text", [*GOOD, *BAD])
def test_the_grammar_of_json(text):
    fault = scanned(text, json_values.WHOLE)[1]
    assert (fault == FINE) == (text in GOOD)
    if text in GOOD:
        json.loads(text)


@pytest.mark.parametrize(
    ("text", "mode", "fault"),
    [
        ("[1]", json_values.FIELDS, json_tokens.NOT_OBJECT),
        ("null", json_values.FIELDS, json_tokens.NOT_OBJECT),
        ("{}", json_values.ELEMENTS, json_tokens.NOT_OBJECT),
        ('{"a":1,"a":2}', json_values.FIELDS, json_tokens.TWICE),
        ('{"b":1}', json_values.FIELDS, json_tokens.UNKNOWN),
        ("[[[1]]]", json_values.WHOLE, json_tokens.TOO_DEEP),
    ],
)
def test_faults_of_json(text, mode, fault):
    assert scanned(text, mode, ("a",), forbid=1, depth=2)[1] == fault
