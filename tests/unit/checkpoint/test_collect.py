"""What is collected, and above all what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.checkpoint.collect import collect
from penstock.checkpoint.manifest import pack
from penstock.checkpoint.store import open_store
from penstock.core.errors import StateError
from tests.unit.checkpoint import epochs
from tests.unit.checkpoint.epochs import named

NONE = 10**9
"""A floor above everything: all is published."""


def fill(store, *numbers, base=None):
    for number in numbers:
        epochs.write(store, number, keep=epochs.blocks(store, base)[:1] if base else ())


def damage(store, number):
    path = Path(store.place) / "checkpoints" / f"manifest-{number:012d}.json"
    path.write_bytes(path.read_bytes().replace(b'"number"', b'"numbar"'))


@pytest.fixture
def local(tmp_path):
    return open_store(tmp_path)


def test_the_newest_are_kept(store):
    fill(store, 1, 2, 3, 4)
    collect(store, 2, named, NONE)
    assert epochs.verify_all(store) == [3, 4]
    assert store.segments() == ["3-a", "4-a"]
    collect(store, 1, named, NONE)
    assert (epochs.verify_all(store), store.segments()) == ([4], ["4-a"])


def test_an_empty_store_has_nothing_to_collect(store):
    store.write_segment("1-a", [b"x"])
    collect(store, 1, named, NONE)
    assert store.segments() == ["1-a"]


def test_what_is_not_published_is_kept(store):
    fill(store, 1, 2, 3, 4)
    collect(store, 1, named, 2)
    assert epochs.verify_all(store) == [2, 3, 4]


def test_segments_of_earlier_epochs_are_kept_while_they_are_named(store):
    fill(store, 1)
    fill(store, 2, 3, base=1)
    fill(store, 4)
    collect(store, 2, named, NONE)
    assert store.segments() == ["1-a", "3-a", "4-a"]
    fill(store, 5)
    collect(store, 2, named, NONE)
    assert store.segments() == ["4-a", "5-a"]
    epochs.verify_all(store)


def test_savepoints_are_kept(store):
    fill(store, 1, 2, 3)
    store.create_savepoint("x", 1)
    collect(store, 1, named, NONE)
    assert (epochs.verify_all(store), store.segments()) == ([3], ["1-a", "3-a"])
    store.remove_savepoint("x")
    collect(store, 1, named, NONE)
    assert store.segments() == ["3-a"]


def test_attempts_that_came_to_nothing_are_collected_once_a_later_epoch_is_there(store):
    fill(store, 1, 2)
    for name in ("1-dead", "2-dead", "3-living", "no-number"):
        store.write_segment(name, [b"x"])
    collect(store, 5, named, NONE)
    assert store.segments() == ["1-a", "2-a", "2-dead", "3-living", "no-number"]


def test_what_is_damaged_does_not_count_and_is_kept_and_reported(local):
    fill(local, 1, 2, 3, 4)
    damage(local, 4)
    damage(local, 2)
    told = []
    collect(local, 1, named, NONE, report=told.append)
    assert local.manifests() == [2, 3, 4]
    # A manifest may name whatever was written before it.
    assert local.segments() == ["1-a", "2-a", "3-a", "4-a"]
    assert [text[:42] for text in told] == [
        "manifest 2 cannot be read, so nothing is r",
        "manifest 4 cannot be read, so nothing is r",
    ]
    fill(local, 5, 6)
    local.remove_manifest(4)
    collect(local, 1, named, NONE)
    assert (local.manifests(), local.segments()) == ([2, 6], ["1-a", "2-a", "6-a"])


def test_a_manifest_that_cannot_tell_what_it_needs_is_kept(local):
    local.create_manifest(1, pack({"number": 1}))
    fill(local, 2, 3)

    def careful(value):
        if "blocks" not in value:
            raise StateError("no blocks")
        return named(value)

    told = []
    collect(local, 1, careful, NONE, report=told.append)
    assert local.manifests() == [1, 3]
    assert told == ["manifest 1 cannot be read, so nothing is removed that it may name: no blocks"]


def test_a_damaged_savepoint_keeps_everything(local):
    fill(local, 1, 2, 3)
    local.create_savepoint("x", 1)
    (Path(local.place) / "checkpoints" / "savepoints" / "x.json").write_text("nonsense")
    told = []
    collect(local, 1, named, NONE, report=told.append)
    assert (local.manifests(), local.segments()) == ([3], ["1-a", "2-a", "3-a"])
    assert told[0].startswith('savepoint "x" cannot be read')


def test_a_manifest_without_its_segments_does_not_count(local):
    fill(local, 1, 2, 3, 4)
    local.remove_segment("3-a")
    told = []
    collect(local, 2, named, NONE, report=told.append)
    assert local.manifests() == [2, 3, 4]
    assert told == ["manifest 3 names the segment 3-a, which is missing"]


def test_too_few_that_verify_keep_all(local):
    fill(local, 1, 2, 3)
    damage(local, 3)
    collect(local, 3, named, NONE)
    assert (local.manifests(), local.segments()) == ([1, 2, 3], ["1-a", "2-a", "3-a"])


def test_at_least_one_is_kept(local):
    with pytest.raises(ValueError, match="keep=0"):
        collect(local, 0, named, NONE)


def test_a_cache_spares_reading_and_forgets_what_is_gone(local, monkeypatch):
    read, reader = [], local.read_manifest
    monkeypatch.setattr(local, "read_manifest", lambda number: read.append(number) or reader(number))
    cache = {}
    for number in range(1, 6):
        fill(local, number)
        collect(local, 2, named, NONE, cache=cache)
    assert read == [1, 2, 3, 4, 5]
    assert sorted(cache) == [4, 5]
    assert epochs.verify_all(local) == [4, 5]


def test_a_savepoint_made_while_manifests_are_collected_is_seen(local, monkeypatch):
    fill(local, 1, 2, 3)
    remove = local.remove_manifest

    def meanwhile(number):
        if number == 1:
            local.create_savepoint("x", 1)
        remove(number)

    monkeypatch.setattr(local, "remove_manifest", meanwhile)
    collect(local, 1, named, NONE)
    assert (local.manifests(), local.segments()) == ([3], ["1-a", "3-a"])
    epochs.verify_all(local)


ACTS = st.one_of(
    st.tuples(st.just("write"), st.lists(st.integers(0, 3), max_size=2)),
    st.tuples(st.just("attempt"), st.integers(0, 2)),
    st.tuples(st.just("savepoint"), st.integers(0, 3)),
    st.tuples(st.just("forget"), st.integers(0, 3)),
    st.tuples(st.just("collect"), st.tuples(st.integers(1, 3), st.integers(0, 3))),
)


@pytest.mark.slow
@given(st.lists(ACTS, min_size=3, max_size=25))
@settings(max_examples=60, deadline=None)
def test_whatever_is_kept_verifies(tmp_path_factory, acts):
    store = open_store(tmp_path_factory.mktemp("state"))
    number, floor, attempts = 0, 0, 0
    for act, value in acts:
        numbers = store.manifests()
        if act == "write":
            number += 1
            keep = [
                block for back in value if back < len(numbers) for block in epochs.blocks(store, numbers[-1 - back])
            ]
            epochs.write(store, number, keep=keep)
        elif act == "attempt":
            attempts += 1
            store.write_segment(f"{max(0, number + 1 - value)}-dead{attempts}", [b"x"])
        elif act == "savepoint" and value < len(numbers):
            store.create_savepoint(f"s{numbers[value]}", numbers[value])
        elif act == "forget":
            for name in list(store.savepoints())[:value]:
                store.remove_savepoint(name)
        elif act == "collect":
            keep, behind = value
            before, floor = numbers, max(floor, number - behind)
            collect(store, keep, named, floor)
            after = store.manifests()
            assert after == [one for one in before if one in before[-keep:] or one >= floor]
            needed = set().union(*(named({"blocks": epochs.blocks(store, one)}) for one in after))
            saved = store.savepoints()
            if after and not saved:
                rest = [one for one in store.segments() if int(one.partition("-")[0]) < after[-1]]
                assert set(rest) <= needed
        epochs.verify_all(store)
    store.close()
