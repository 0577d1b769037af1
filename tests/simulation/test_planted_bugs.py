"""The simulator finds mistakes: each of these is made on purpose in the engine, and a fixed seed must see it."""

from __future__ import annotations

import pytest

from penstock.checkpoint.ledger import Ledger
from penstock.checkpoint.local import LocalStore
from penstock.connectors.base import seal
from penstock.core import files
from penstock.core.failpoint import hit
from penstock.core.timespan import NEVER
from penstock.engine.epochs import Epochs
from penstock.engine.outbox import Publisher
from penstock.operators.watermark import WatermarkExecutor
from penstock.testing import CheckFailed, simulate
from tests.simulation.test_seeds import FIXED

pytestmark = pytest.mark.slow


def found(words=""):
    """The first violation that a fixed seed finds and that says so."""
    for seed in range(FIXED):
        outcome = simulate(seed)
        if any(words in line for line in outcome.violations):
            with pytest.raises(CheckFailed, match=f"--seed {seed} --trace"):
                outcome.require()
            return outcome
    pytest.fail("no seed has found it")


def test_an_epoch_is_published_before_its_manifest_is_made(monkeypatch):
    write = Epochs._write

    def early(self, gathered, begun):
        add, hand_out = self.ledger.add, self._hand_out

        def late(kind, content, contents, payloads):
            number, incarnation = self.ledger.newest + 1, self.ledger.incarnation
            hand_out({n: seal(self.ledger.pipeline, number, c, incarnation=incarnation) for n, c in contents.items()})
            hit("planted")
            return add(kind, content, contents, payloads)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.ledger, "add", late)
            patch.setattr(self, "_hand_out", lambda sealed: None)
            write(self, gathered, begun)

    monkeypatch.setattr(Epochs, "_write", early)
    assert found("before its manifest is durable")


def test_the_name_of_a_manifest_is_not_synced(monkeypatch):
    sync = files.sync_directory
    monkeypatch.setattr(files, "sync_directory", lambda path: None if path.name == "checkpoints" else sync(path))
    assert found("before its manifest is durable")


def test_what_was_published_is_published_again(monkeypatch):
    monkeypatch.setattr(Publisher, "_check", lambda self, token, lowest, known, *, fresh: max(known, lowest - 1))
    assert found("is committed after")


def test_the_token_is_not_asked_after_a_lost_answer(monkeypatch):
    monkeypatch.setattr(Publisher, "_between", lambda self, token, low, high: low)
    assert found("is committed after")


def test_the_watermark_begins_anew(monkeypatch):
    restore = WatermarkExecutor.restore

    def forget(self, state, loader):
        restore(self, state, loader)
        self.seen = dict.fromkeys(self.seen, NEVER)

    monkeypatch.setattr(WatermarkExecutor, "restore", forget)
    assert found("the output")


def test_positions_are_those_of_the_end_of_writing(monkeypatch):
    stored = Epochs._stored

    def later(self, gathered, segment, **options):
        return {**stored(self, gathered, segment, **options), "sources": self._feeds.stored()}

    monkeypatch.setattr(Epochs, "_stored", later)
    assert found("missing")


def test_a_manifest_is_made_whoever_was_first(monkeypatch):
    def create(self, number, data):
        self._create("manifest", f"manifest-{number:012d}.json", data)
        return True

    monkeypatch.setattr(LocalStore, "create_manifest", create)
    monkeypatch.setattr(Ledger, "superseded", lambda self: False)
    assert found()
