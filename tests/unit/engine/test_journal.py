"""The journal: what it is given comes back; what is damaged is refused."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import StateError
from penstock.engine.journal import Command, Journal, Step, pack, unpack
from penstock.operators.base import SplitState

PAIRS = st.tuples(st.integers(0, 3), st.integers(0, 9))
STATES = st.builds(SplitState, st.booleans(), st.none() | st.integers(0, 2**60))
STEPS = st.lists(
    st.tuples(
        st.integers(0, 2**60),
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 2**60)), max_size=4),
        st.dictionaries(PAIRS, STATES, max_size=3),
    ),
    max_size=20,
)


@given(STEPS)
def test_what_was_noted_comes_back(steps):
    journal = Journal()
    for now, taken, splits in steps:
        journal.note(now, taken, splits)
    sealed = journal.seal()
    assert list(unpack(pack(sealed))) == sealed
    current = None
    for step, (now, taken, splits) in zip(sealed, steps, strict=True):
        current = current if step.splits is None else step.splits
        assert (step.now, list(step.taken), dict(current)) == (now, taken, splits)


def test_an_epoch_begins_with_all_that_was_decided():
    journal = Journal()
    splits = {(0, 0): SplitState(False, None)}
    journal.note(1, [], splits)
    journal.note(2, [], splits)
    assert [step.splits for step in journal.seal()] == [splits, None]
    journal.note(3, [], splits)
    assert [step.splits for step in journal.seal()] == [splits]
    assert journal.seal() == []


def test_what_the_run_was_told_stands_between_the_steps():
    journal = Journal()
    journal.note(1, [], {})
    journal.tell(2, "savepoint", "before")
    journal.note(3, [], {})
    journal.tell(4, "stop")
    sealed = journal.seal()
    assert [type(entry) for entry in sealed] == [Step, Command, Step, Command]
    assert list(unpack(pack(sealed))) == sealed
    assert sealed[1] == Command(2, "savepoint", "before")


def test_journals_without_commands_are_read():
    assert list(unpack(zlib.compress(b'{"journal":1}\n[5,[[0,0,9]],null]'))) == [Step(5, ((0, 0, 9),), None)]


@pytest.mark.parametrize(
    "data", [b"", b"no journal", zlib.compress(b"[]"), zlib.compress(b"{}"), zlib.compress(b"\xff")]
)
def test_what_is_no_journal_is_damaged(data):
    with pytest.raises(StateError, match="cannot be read") as wrong:
        unpack(data)
    assert wrong.value.damaged


def test_a_step_that_is_none_is_damaged():
    for line in ("[1, 2]", "nothing", "[1, [[1]], null]", "[1, [], [[1]]]", '{"now": 1}'):
        data = zlib.compress(f'{{"journal": 1}}\n{line}'.encode())
        with pytest.raises(StateError, match="cannot be read"):
            list(unpack(data))


def test_a_newer_version_is_named():
    with pytest.raises(StateError, match="a journal of version 9 cannot be read; this program reads up to 2"):
        unpack(zlib.compress(json.dumps({"journal": 9}).encode()))
