"""Manifests: JSON that says its version and its digest."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.checkpoint import manifest
from penstock.checkpoint.manifest import KEY, pack, unpack
from penstock.core.errors import StateError

VALUE = {"number": 12, "blocks": [{"segment": "12-a", "digest": "00"}], "ü": None, "a": 1.5}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text().filter(lambda key: key != KEY), JSON, max_size=4))
def test_what_goes_in_comes_out(value):
    assert unpack(pack(value)) == value


def test_the_form_is_lines_of_sorted_json():
    body, seal = pack({"b": 1, "a": 2}).decode().splitlines()
    assert body == '{"a":2,"b":1,"penstock":1}'
    assert list(json.loads(seal)) == ["digest"]
    assert pack({"b": 1, "a": 2}) == pack({"a": 2, "b": 1})


def test_every_flip_and_every_truncation_is_detected():
    data = pack(VALUE)
    for position in range(len(data)):
        with pytest.raises(StateError):
            unpack(data[:position])
        for bit in range(8):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            with pytest.raises(StateError, match="damaged"):
                unpack(bytes(damaged))
    with pytest.raises(StateError):
        unpack(data + b"\n")


@given(st.binary(max_size=100))
def test_anything_else_is_refused(data):
    with pytest.raises(StateError, match="cut short or damaged"):
        unpack(data)


def test_it_says_what_is_wrong(monkeypatch):
    data = pack(VALUE)
    with pytest.raises(StateError, match="cut short or damaged: 20 bytes without a line of their digest"):
        unpack(data[:20])
    with pytest.raises(StateError, match="its digest is not that of its bytes"):
        unpack(data.replace(b"12-a", b"13-a"))
    monkeypatch.setattr(manifest, "VERSION", 2)
    newer = pack(VALUE)
    monkeypatch.undo()
    with pytest.raises(StateError, match="a manifest of version 2 cannot be read by this program") as error:
        unpack(newer)
    assert "or a newer one" in error.value.hint
    assert error.value.exit_code == 3


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense\n",
        b"[1]\n",
        b"{}\n",
        b'{"penstock":true}\n',
        b'{"penstock":0}\n',
        b"[" * 100_000 + b"\n",
        b"\xff\n",
        b"\n",
    ],
)
def test_what_is_sealed_and_no_manifest_is_refused(body):
    with pytest.raises(StateError, match="has the right digest, and"):
        unpack(body + manifest._seal(body))


def test_what_is_no_json_is_not_packed():
    for value, error in (({"a": object()}, TypeError), ({"a": float("inf")}, ValueError), ({KEY: 3}, ValueError)):
        with pytest.raises(error):
            pack(value)
