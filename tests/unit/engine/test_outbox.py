"""What a publisher does with the token that it finds, and when the outcome of a call is lost."""

from __future__ import annotations

import pytest

from penstock.connectors.base import Content, Token, seal
from penstock.core.clock import Signal, SystemClock
from penstock.core.errors import SinkError, SinkLost, StateError, SupersededError
from penstock.engine import outbox
from penstock.engine.outbox import MOST_AT_ONCE, Publisher
from tests.unit.engine.models import ModelWriter, Table, wait_for

pytestmark = pytest.mark.timeout(60)

PIPELINE = "p"


class Clock(SystemClock):
    """Waits for no pause."""

    def wait(self, signal, timeout):
        return super().wait(signal, timeout if timeout is None else min(timeout, 1_000))


class Book:
    """Epochs from `lowest` to `newest`, of two rows each; the last known to be published is `known`."""

    def __init__(self, newest=10, known=7, lowest=0):
        self.newest, self.known, self.lowest = newest, known, lowest
        self.lost, self.gone, self.other, self.begun = set(), set(), False, []

    def admissible(self, output):
        return self.lowest, self.known

    def sealed(self, output, epoch):
        if epoch in self.gone:
            return None
        return seal(PIPELINE, epoch, Content({}) if epoch in self.lost else content(epoch))

    def begin(self, output):
        self.begun.append(output)
        self.lowest, self.known = self.newest, self.newest - 1

    def comes_again(self, output, token):
        return token.epoch in self.lost and token.rows > 0

    def superseded(self):
        return self.other


def content(epoch):
    return Content({"epoch": epoch}, f'["{epoch} a", "{epoch} b"]'.encode(), 2)


def token(epoch, pipeline=PIPELINE, digest=None):
    made = seal(pipeline, epoch, content(epoch)).token
    return made if digest is None else made._replace(digest=digest)


def publisher(book, table, **more):
    return Publisher(
        "out", ModelWriter(table), remembers=table.remembers, book=book, pipeline=PIPELINE, clock=Clock(),
        signal=Signal(), **more,
    )  # fmt: skip


def recovered(book, table, *, fresh=False, **more):
    made = publisher(book, table, **more)
    made.recover(fresh=fresh)
    assert table.rows == [], "nothing is published before all outputs were asked"
    made.catch_up()
    return made


def rows(*epochs):
    return [f"{epoch} {letter}" for epoch in epochs for letter in "ab"]


@pytest.fixture
def table():
    return Table()


@pytest.mark.parametrize("last", [7, 8, 9, 10])
def test_what_is_missing_is_published(table, last):
    table.tokens = [token(last)]
    made = recovered(Book(), table)
    assert table.rows == rows(*range(last + 1, 11))
    assert made.published == 10


def test_a_token_older_than_what_is_known_is_believed(table):
    table.tokens = [token(3)]  # a restored sink: what it lacks is still stored
    assert recovered(Book(), table).published == 10
    assert table.rows == rows(*range(4, 11))


def test_what_is_missing_there_and_here_stops(table):
    table.tokens = [token(3)]
    book = Book()
    book.gone = {4, 5}
    with pytest.raises(StateError, match="has no epoch 4, and neither has the state directory"):
        recovered(book, table)


def test_a_token_ahead_stops(table):
    table.tokens = [token(11)]
    with pytest.raises(StateError, match="has the epoch 11 of this pipeline; the state directory knows epochs 0 to 10"):
        recovered(Book(), table)


def test_a_token_ahead_while_another_has_taken_over_ends_the_run(table):
    table.tokens = [token(11)]
    book = Book()
    book.other = True
    with pytest.raises(SupersededError):
        recovered(book, table)


def test_a_token_below_the_first_epoch_of_the_output_stops(table):
    table.tokens = [token(3)]
    with pytest.raises(StateError, match="knows epochs 5 to 10"):
        recovered(Book(lowest=5), table)


def test_a_token_of_another_pipeline_stops(table):
    table.tokens = [token(9, "other")]
    with pytest.raises(StateError, match='belongs to the pipeline "other"'):
        recovered(Book(), table)


def test_another_digest_stops(table):
    table.tokens = [token(9, digest="0" * 32)]
    with pytest.raises(StateError, match='the epoch 9 of the output "out" is not the one that is stored'):
        recovered(Book(), table)


def test_a_sink_that_was_emptied_stops(table):
    with pytest.raises(StateError, match="remembers no epoch, but 7 was published to it"):
        recovered(Book(), table)


def test_a_sink_that_was_never_written_gets_all(table):
    assert recovered(Book(newest=2, known=-1), table).published == 2
    assert table.rows == rows(0, 1, 2)


def test_a_fresh_run_begins_with_its_own_epoch(table):
    book = Book()
    assert recovered(book, table, fresh=True).published == 10
    assert table.rows == rows(10)
    assert book.begun == ["out"]


def test_what_may_vanish_begins_anew(table):
    book = Book()
    recovered(book, table, may_vanish=True)
    assert book.begun == ["out"]


def test_an_epoch_whose_checkpoint_is_lost(table):
    table.tokens = [token(6)]
    book = Book(known=5)
    book.lost = {7, 8}
    recovered(book, table)
    assert table.rows == rows(9, 10), "their rows come again in later epochs"
    table.tokens, table.rows = [token(8)], []
    with pytest.raises(StateError, match="has the epoch 8, whose checkpoint is damaged"):
        recovered(book, table)
    table.tokens = [seal(PIPELINE, 8, Content({})).token]
    recovered(book, table)  # published by a run that went on, and was ended again
    assert table.rows == rows(9, 10)


def test_without_tokens_what_is_known_counts():
    table = Table(remembers=False)
    recovered(Book(), table)
    assert table.rows == rows(8, 9, 10)


# -- while it runs


class Faults:
    """Raises at some calls, by what they are."""

    def __init__(self, **turns):
        self.turns = {name: list(found) for name, found in turns.items()}

    def __call__(self, what, epochs):
        left = self.turns.get(what)
        failure = left.pop(0) if left else None
        if failure is not None:
            raise failure


LOST = SinkLost("the connection is lost")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("asks", [[], [LOST, LOST]])
def test_a_lost_outcome_is_asked_for(table, when, asks):
    table.tokens = [token(7)]
    table.fault = Faults(**{when: [LOST], "ask": [None, *asks]})
    made = recovered(Book(), table)
    assert table.rows == rows(8, 9, 10)
    assert made.published == 10


def test_without_tokens_a_lost_outcome_is_published_again():
    table = Table(remembers=False)
    table.fault = Faults(after=[LOST])
    recovered(Book(), table)
    assert table.rows == rows(8, 9, 10) * 2


@pytest.mark.parametrize("found", [6, 12])
def test_an_answer_that_cannot_be_true_stops(table, found):
    table.tokens = [token(7)]

    def fault(what, epochs):
        if what == "before":
            table.tokens = [token(found)]
            raise LOST

    table.fault = fault
    with pytest.raises(StateError, match=f"has the epoch {found}; it must have one of 7 to 10"):
        recovered(Book(), table)


def test_patience_ends(table, monkeypatch):
    monkeypatch.setattr(outbox, "PATIENCE", 1_000_000)
    table.tokens = [token(7)]
    table.fault = Faults(ask=[LOST] * 100)
    with pytest.raises(SinkLost):
        recovered(Book(), table)
    assert 3 < table.asked < 50


def test_what_the_system_says_is_an_error_of_the_sink(table):
    table.tokens = [token(7)]
    table.fault = Faults(before=[OSError(28, "No space left on device")])
    with pytest.raises(SinkError, match=r'cannot write "out": .*No space left'):
        recovered(Book(), table)


@pytest.fixture
def running(table):
    """A publisher that has published epoch 10, and puts later ones."""
    table.tokens = [token(9)]
    book = Book()
    made = recovered(book, table)
    table.rows.clear()
    made.start()
    yield made
    table.fault = lambda what, epochs: None
    made.close()
    assert made.join(5_000_000)


def put(made, *epochs):
    for epoch in epochs:
        made.put(seal(PIPELINE, epoch, content(epoch)))


def test_epochs_are_published_in_order_and_counted(running, table):
    put(running, *range(11, 200))
    wait_for(lambda: running.published == 199)
    wait_for(lambda: not running.waiting)
    assert table.rows == rows(*range(11, 200))
    assert running.waiting_bytes == 0


def test_an_output_that_lags_carries_many_epochs_at_once(running, table):
    sizes, held = [], Signal()

    def fault(what, epochs):
        if what == "before":
            sizes.append(len(epochs))
            Clock().wait(held, 20) if len(sizes) > 1 else wait_for(lambda: running.waiting == 151)

    table.fault = fault
    put(running, 11)
    wait_for(lambda: sizes)
    put(running, *range(12, 162))
    assert running.waiting_bytes > 0
    wait_for(lambda: running.published == 161)
    assert max(sizes) == MOST_AT_ONCE
    assert table.rows == rows(*range(11, 162))


def test_a_failure_is_kept_for_the_loop(running, table):
    table.fault = Faults(before=[SinkError("no")])
    put(running, 11)
    wait_for(lambda: running.failure is not None)
    assert str(running.failure) == "no"


def test_closing_publishes_what_waits(table):
    table.tokens = [token(10)]
    made = recovered(Book(), table)
    put(made, 11, 12)
    made.start()
    made.close()
    assert made.join(5_000_000)
    assert made.published == 12


def test_tokens_are_tokens():
    assert token(3) == Token(PIPELINE, 0, 0, 3, 2, token(3).digest)
