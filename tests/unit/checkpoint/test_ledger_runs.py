"""The epochs of a pipeline: who has taken over, and what was passed over."""

from __future__ import annotations

import pytest

from penstock.checkpoint.ledger import EPOCH, Ledger
from penstock.checkpoint.store import open_store
from penstock.connectors.base import Content
from penstock.core import failpoint
from penstock.core.errors import SupersededError


@pytest.fixture
def store(tmp_path):
    with_store = open_store(tmp_path)
    yield with_store
    with_store.close()


def begun(store, base=None):
    ledger = Ledger(store, "p")
    former = ledger.read(ledger.newest if base is None else base) if ledger.newest >= 0 else {}
    kept = former.get("ledger", {})
    ledger.take_over(ledger.newest if base is None else base, {"ledger": kept}, ["out"])
    return ledger


def end(ledger):
    return ledger.add(EPOCH, {}, {"out": Content({})}, {})["out"].token


def test_a_manifest_of_its_own_supersedes_nobody_while_it_is_made(store, monkeypatch):
    ledger, told = begun(store), []
    for point in ("checkpoint.manifest.before_link", "checkpoint.manifest.linked", "epoch.created", "epoch.true"):
        monkeypatch.setitem(failpoint.ACTIONS, point, lambda: told.append(ledger.superseded()))
    end(ledger)
    assert told == [False] * 4


def test_a_manifest_of_another_supersedes(store):
    ledger, other = begun(store), begun(store)
    assert ledger.superseded()
    assert not other.superseded()
    with pytest.raises(SupersededError):
        end(ledger)
    assert ledger.superseded()


def test_what_was_passed_over_stays_so_for_the_runs_after(store):
    ledger = begun(store)
    end(ledger)
    end(ledger)
    path = next((path for path in store._root.iterdir() if path.name.startswith("manifest-000000000002")), None)
    path.write_bytes(b"damaged")
    after = begun(store, base=1)
    assert [after.is_lost(epoch) for epoch in range(4)] == [False, False, True, False]
    again = begun(store)
    assert [again.is_lost(epoch) for epoch in range(5)] == [False, False, True, False, False]
    assert again.sealed("out", 2).token.incarnation > 2  # what stands in for it
