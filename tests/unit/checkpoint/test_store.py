"""What every store promises."""

from __future__ import annotations

import threading

import pytest

from penstock.checkpoint.block import digest, read_block
from penstock.checkpoint.manifest import pack
from penstock.checkpoint.store import UNREADABLE, open_store
from penstock.core.errors import PlanError, StateError
from tests.unit.checkpoint import epochs


def test_what_is_written_is_read_by_others(store, reopen):
    store.write_segment("7-ab", [b"ab", memoryview(b"cd"), b""])
    assert store.create_manifest(7, b"seven")
    other = reopen()
    assert bytes(other.read_segment("7-ab", 0, 4)) == b"abcd"
    assert bytes(other.read_segment("7-ab", 1, 2)) == b"bc"
    assert bytes(other.read_segment("7-ab", 4, 0)) == b""
    assert memoryview(other.read_segment("7-ab", 1, 2)).readonly
    assert other.read_manifest(7) == b"seven"
    assert (other.manifests(), other.segments(), other.savepoints()) == ([7], ["7-ab"], {})


def test_a_new_store_is_empty(store):
    assert (store.manifests(), store.segments(), store.savepoints()) == ([], [], {})


def test_manifests_are_created_once_and_listed_ascending(store, reopen):
    other = reopen()
    for number in (10, 0, 9, 123456789012, 1234567890123):
        assert store.create_manifest(number, b"mine")
        assert not other.create_manifest(number, b"mine")
        assert not store.create_manifest(number, b"yours")
    assert other.manifests() == [0, 9, 10, 123456789012, 1234567890123]
    assert other.read_manifest(9) == b"mine"


def test_the_name_of_a_segment_is_used_once(store):
    store.write_segment("1-a", [b"first"])
    with pytest.raises(StateError, match=r'has a segment "1-a" already'):
        store.write_segment("1-a", [b"second"])
    assert bytes(store.read_segment("1-a", 0, 5)) == b"first"


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 6), (5, 1), (4, 2), (9, 1), (0, 1 << 62), (1 << 62, 1), (-1, 2), (0, -1)]
)
def test_what_is_not_there_is_not_read(store, offset, length):
    store.write_segment("1-a", [b"12345"])
    with pytest.raises(StateError):
        store.read_segment("1-a", offset, length)


def test_what_is_missing_is_said(store):
    with pytest.raises(StateError, match=r'the segment "1-a" is missing in'):
        store.read_segment("1-a", 0, 1)
    with pytest.raises(StateError, match="there is no manifest 3 in"):
        store.read_manifest(3)
    with pytest.raises(StateError, match='there is no savepoint "x" in'):
        store.read_savepoint("x")


def test_to_remove_twice_is_no_error(store):
    epochs.write(store, 1)
    store.create_savepoint("x", 1)
    for _ in range(2):
        store.remove_manifest(1)
        store.remove_segment("1-a")
        store.remove_savepoint("x")
    assert (store.manifests(), store.segments(), store.savepoints()) == ([], [], {})


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "é", "a" * 201, "a\0", "a\n", "/etc/passwd"])
def test_names_cannot_leave_the_store(store, name):
    with pytest.raises(StateError, match="cannot be the name of a segment"):
        store.read_segment(name, 0, 1)
    with pytest.raises(StateError, match="cannot be the name of a segment"):
        store.write_segment(name, [b""])
    with pytest.raises(StateError, match="cannot be the name of a segment"):
        store.remove_segment(name)
    with pytest.raises(PlanError, match="cannot be the name of a savepoint"):
        store.create_savepoint(name, 1)
    with pytest.raises(PlanError, match="cannot be the name of a savepoint"):
        store.remove_savepoint(name)


@pytest.mark.parametrize("number", [-1, 10**18])
def test_numbers_have_bounds(store, number):
    with pytest.raises(StateError, match="cannot be the number"):
        store.create_manifest(number, b"")


def test_a_savepoint_outlives_its_manifest(store, reopen):
    epochs.write(store, 5)
    data = store.read_manifest(5)
    store.create_savepoint("before-2.0", 5)
    store.create_savepoint("before-2.0", 5)
    store.remove_manifest(5)
    other = reopen()
    assert other.savepoints() == {"before-2.0": 5}
    assert other.read_savepoint("before-2.0") == data


def test_a_savepoint_is_not_replaced(store):
    epochs.write(store, 5)
    epochs.write(store, 6)
    store.create_savepoint("x", 5)
    with pytest.raises(StateError, match='there is another savepoint "x"'):
        store.create_savepoint("x", 6)
    assert store.savepoints() == {"x": 5}


def test_a_savepoint_is_made_of_a_manifest_that_verifies(store):
    with pytest.raises(StateError, match="there is no manifest 4"):
        store.create_savepoint("x", 4)
    store.create_manifest(4, b"nonsense")
    with pytest.raises(StateError, match="cut short or damaged"):
        store.create_savepoint("x", 4)
    store.create_manifest(5, pack({"number": 4}))
    with pytest.raises(StateError, match="does not say that this is its number"):
        store.create_savepoint("x", 5)
    assert store.savepoints() == {}


def test_a_savepoint_of_a_manifest_that_is_being_collected_is_not_made(store, monkeypatch):
    epochs.write(store, 4)
    monkeypatch.setattr(store, "manifests", list)
    with pytest.raises(StateError, match='was removed while the savepoint "x" was made'):
        store.create_savepoint("x", 4)
    assert store.savepoints() == {}


def test_a_damaged_savepoint_is_listed(store):
    store._create("savepoint", "savepoints/x.json", b"nonsense")
    assert store.savepoints() == {"x": UNREADABLE}


def test_a_manifest_has_a_limit(store, monkeypatch):
    monkeypatch.setattr("penstock.checkpoint.store.MANIFEST_BYTES", 10)
    with pytest.raises(StateError, match="has 11 bytes, more than 10"):
        store.create_manifest(1, b"x" * 11)
    assert store.create_manifest(1, b"x" * 10)
    for module in ("local", "objects"):
        monkeypatch.setattr(f"penstock.checkpoint.{module}.MANIFEST_BYTES", 9)
    with pytest.raises(StateError, match="it is damaged"):
        store.read_manifest(1)


def test_of_many_threads_one_creates_a_manifest(reopen):
    stores = [reopen() for _ in range(4)]
    won = []

    def race(me):
        for number in range(5):
            # The same bytes for all: nobody may take another's for its own.
            if stores[me % 4].create_manifest(number, b"same"):
                won.append(number)

    threads = [threading.Thread(target=race, args=(me,), daemon=True) for me in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(won) == list(range(5))


def test_a_block_is_verified(store):
    store.write_segment("1-a", [b"0123456789"])
    reference = {"segment": "1-a", "offset": 2, "length": 3, "digest": digest([b"234"])}
    assert bytes(read_block(store, reference)) == b"234"
    with pytest.raises(StateError, match=r'the segment "1-a" in .* is damaged: 3 bytes at 1'):
        read_block(store, reference | {"offset": 1})
    with pytest.raises(StateError, match="cut short"):
        read_block(store, reference | {"length": 9})
    for wrong in ({"offset": "2"}, {"length": True}, {"segment": None}, {"digest": 3}):
        with pytest.raises(StateError, match="a reference to a block needs"):
            read_block(store, reference | wrong)
    with pytest.raises(StateError, match="a reference to a block needs"):
        read_block(store, {})


@pytest.mark.parametrize(
    ("place", "options", "message"),
    [
        ("", None, "is empty"),
        ("gs://bucket/x", None, 'cannot live in "gs://..."'),
        ("file:///x", None, 'cannot live in "file://..."'),
        ("s3://", None, "no bucket with a plain prefix"),
        ("s3://key:secret@bucket/x", None, "no bucket with a plain prefix"),
        ("s3://bucket/a/../b", None, "no bucket with a plain prefix"),
        ("s3://bucket/a//b", None, "no bucket with a plain prefix"),
        ("s3://bucket/a?secret=1", None, "no bucket with a plain prefix"),
        ("somewhere", {"endpoint": "x"}, "takes no options, found endpoint"),
    ],
)
def test_places_that_make_no_sense_are_refused(place, options, message):
    with pytest.raises(PlanError, match=message) as error:
        open_store(place, options)
    assert "secret" not in str(error.value).replace("keys and endpoints", "")
