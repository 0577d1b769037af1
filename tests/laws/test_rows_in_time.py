"""Verbs that choose among whole rows, order them or look back: in chains, restored at any step."""

from __future__ import annotations

from hypothesis import given

from penstock.testing.check import agree
from penstock.testing.plans import cases, chosen, grouped, stateless, windowed
from penstock.testing.scene import at_once, one_by_one
from penstock.testing.trial import Mode, try_out
from tests.laws.law import LAW, told


def behind(verb):
    """Plans of a chosen verb, with another one behind it."""

    def build(rows):
        return chosen(rows).flatmap(verb)

    return build


@LAW
@given(cases(chosen))
def test_restored_after_every_step(case):
    events, found = case.scene.events(), told(case)
    for shards in (1, 3):
        pauses = {number: number % 3 + 1 for number in range(len(events))}
        try_out(case, found, Mode("restored after every step", one_by_one(events), shards, 7, pauses))
    try_out(case, found, Mode("at once", at_once(events), 2, 3))


@LAW
@given(cases(behind(stateless)))
def test_stateless_verbs_behind_them(case):
    agree(case, told(case))


@LAW
@given(cases(behind(grouped)))
def test_groups_behind_them(case):
    agree(case, told(case))


@LAW
@given(cases(behind(lambda rows: windowed(rows) if _streams(rows) else stateless(rows))))
def test_windows_behind_them(case):
    agree(case, told(case))


def _streams(rows):
    return rows.node.facts.watermarked and rows.node.facts.mode == "append"
