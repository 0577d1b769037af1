"""The ledger: which epochs there are, who may make one, and what each output has of them."""

from __future__ import annotations

import pytest

from penstock.checkpoint.block import digest
from penstock.checkpoint.ledger import CLOSED, EPOCH, KEPT, TAKEOVER, Ledger, segments_of
from penstock.checkpoint.store import open_store
from penstock.connectors.base import Content
from penstock.core.errors import StateError, SupersededError


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def opened(folder):
    """Opens the ledger of a directory, each time as another process would."""
    stores = []

    def again(pipeline="p"):
        stores.append(open_store(folder))
        return Ledger(stores[-1], pipeline)

    yield again
    for store in stores:
        store.close()


BODY = {"engine": {}, "states": {}, "sources": []}


def begun(ledger, base=None, outputs=("a", "b"), content=BODY):
    """Take over as a run does: it knows the newest whole manifest."""
    base = ledger.newest if base is None else base
    former = ledger.read(base)["ledger"] if base >= 0 else {}
    ledger.take_over(base, {**content, "ledger": former}, outputs)
    return ledger


def epoch(ledger, text="rows", kind=EPOCH):
    number = ledger.newest + 1
    name, data = f"{number:012d}-x", text.encode()
    ledger.store.write_segment(name, [data])
    payload = {"segment": name, "offset": 0, "length": len(data), "digest": digest([data])}
    contents = {name: Content({"n": number}, data, 2) for name in ("a", "b")}
    return ledger.add(kind, BODY, contents, {"a": payload, "b": payload})


def test_epochs_are_numbered_and_each_output_gets_its_token(opened):
    ledger = begun(opened())
    sealed = epoch(ledger)
    assert (ledger.incarnation, ledger.newest) == (0, 1)
    assert [(one.token.incarnation, one.token.epoch, one.token.rows) for one in sealed.values()] == [(0, 1, 2)] * 2
    again = opened()
    begun(again)
    found = again.sealed("a", 1)
    assert (found.token, found.payload, found.value) == (sealed["a"].token, b"rows", {"n": 1})
    assert again.sealed("a", 0).token.rows == 0
    assert again.sealed("other", 1) is None
    assert again.sealed("a", 99) is None


def test_of_two_that_take_over_one_does(opened):
    first, second = opened(), opened()
    begun(first)
    with pytest.raises(SupersededError, match="another process has made the epoch 0"):
        begun(second)


def test_who_was_taken_over_can_make_no_epoch(opened):
    first = begun(opened())
    second = begun(opened())
    assert first.superseded()
    with pytest.raises(SupersededError):
        epoch(first)
    epoch(second)


def test_a_number_that_is_free_because_it_was_collected_is_no_epoch(opened):
    first = begun(opened())
    second = begun(opened())
    for _ in range(KEPT + 3):
        epoch(second)
        for output in "ab":
            second.was_published(output, second.newest)
        second.collect()
    assert 1 not in second.store.manifests()
    with pytest.raises(SupersededError, match="has taken over"):
        epoch(first)
    assert second.store.manifests()[-1] == second.newest


def test_what_is_not_published_is_kept(opened):
    ledger = begun(opened())
    for _ in range(12):
        epoch(ledger)
        ledger.was_published("a", ledger.newest)
        ledger.collect()
    ledger.was_published("b", 6)
    epoch(ledger)
    ledger.collect()
    assert ledger.store.manifests()[0] == 6
    again = begun(opened())
    assert again.admissible("a") == (0, 12)
    assert again.admissible("b") == (0, 6)


def test_what_is_published_never_goes_back(opened):
    ledger = begun(opened())
    ledger.was_published("a", 5)
    ledger.was_published("a", 3)
    assert ledger.admissible("a") == (0, 5)


def test_an_output_that_is_new_begins_with_the_takeover(opened):
    epoch(begun(opened(), outputs=["a", "b"]))
    again = begun(opened(), outputs=["a", "c"])
    assert again.admissible("c") == (2, 1)
    assert again.admissible("a") == (0, -1)
    again.begin("a")
    assert again.admissible("a") == (2, 1)


def test_lost_epochs_stay_lost_until_all_outputs_are_beyond(opened, folder):
    ledger = begun(opened())
    epoch(ledger)
    epoch(ledger)
    (folder / "checkpoints" / "manifest-000000000002.json").write_bytes(b"")
    second = begun(opened(), base=1)
    assert second.is_lost(2)
    assert not second.is_lost(1)
    assert not second.is_lost(3)
    assert second.sealed("a", 2).token.rows == 0
    third = begun(opened())
    assert third.is_lost(2), "another start does not make it whole"
    for output in "ab":
        third.was_published(output, third.newest)
    epoch(third)
    assert not begun(opened()).is_lost(2)


def test_a_takeover_can_be_withdrawn_by_who_made_it(opened):
    epoch(begun(opened()))
    second = begun(opened())
    second.withdraw()
    assert second.store.manifests() == [0, 1]
    third, fourth = opened(), None
    begun(third)
    fourth = begun(opened())
    third.withdraw()
    assert fourth.store.manifests() == [0, 1, 2, 3], "another has gone on from it"
    epoch(fourth)
    fourth.withdraw()
    assert 3 in fourth.store.manifests(), "it has made epochs"


def test_candidates_say_what_is_damaged(opened, folder):
    ledger = begun(opened())
    epoch(ledger)
    epoch(ledger)
    path = folder / "checkpoints" / "manifest-000000000001.json"
    path.write_bytes(path.read_bytes()[:-5])
    found = list(opened().candidates())
    assert [number for number, _, _ in found] == [2, 1, 0]
    assert found[1][1] is None
    assert "the manifest 1 cannot be used" in found[1][2]


def test_a_manifest_under_another_number_is_damaged(opened, folder):
    epoch(begun(opened()))
    checkpoints = folder / "checkpoints"
    (checkpoints / "manifest-000000000001.json").rename(checkpoints / "manifest-000000000007.json")
    with pytest.raises(StateError, match="the manifest 7 says that it is 1") as wrong:
        opened().read(7)
    assert wrong.value.damaged


def test_what_is_damaged_is_not_taken_for_gone(opened, folder):
    ledger = begun(opened())
    epoch(ledger)
    epoch(ledger)
    path = folder / "checkpoints" / "manifest-000000000001.json"
    path.write_bytes(path.read_bytes()[:-5])
    again = begun(opened())
    with pytest.raises(StateError, match="the manifest 1 cannot be used"):
        again.sealed("a", 1)
    path.unlink()
    again = begun(opened())
    assert again.sealed("a", 1) is None


def test_the_manifest_of_another_pipeline_is_refused(opened):
    begun(opened())
    with pytest.raises(StateError, match='of the pipeline "p", not of "q"'):
        list(opened("q").candidates())


def test_many_epochs_are_not_all_kept_in_memory(opened, monkeypatch):
    from penstock.checkpoint import ledger as module

    monkeypatch.setattr(module, "MOST_CACHED", 3)
    ledger = begun(opened())
    for _ in range(6):
        epoch(ledger)
    assert len(ledger._cache) <= 3
    assert ledger.read(1)["number"] == 1


def test_segments_are_found_wherever_they_are_named():
    value = {"a": [{"segment": "x", "n": {"segment": "y"}}], "b": {"segment": 3}, "segment": "z"}
    assert segments_of(value) == {"x", "y", "z"}
    assert (TAKEOVER, CLOSED) == ("takeover", "closed")
