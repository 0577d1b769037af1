"""The kit passes what keeps the rules and finds what does not; every rule has its check, or its reason."""

from __future__ import annotations

import anyio
import pytest

from penstock.testing import CheckFailed
from penstock.testing.reactive import (
    RULES,
    Pace,
    ProcessorCase,
    PublisherCase,
    SubscriberCase,
    check_processor,
    check_publisher,
    check_subscriber,
    verify_processor,
    verify_publisher,
    verify_subscriber,
)
from tests.unit.testing.reactive.reference import Collector, Doubled, Failed, Numbers, Threaded
from tests.unit.testing.reactive.violations import FAILED, PROCESSORS, PUBLISHERS, SUBSCRIBERS

FAST = Pace(turns=3, patience=0.0)
"""For what signals within the call, as the reference does."""

NUMBERS = [*(f"1.{i}" for i in range(1, 12)), *(f"2.{i}" for i in range(1, 14)), *(f"3.{i}" for i in range(1, 18))]


def publishers(publisher=Numbers, failed=Failed, **options):
    return PublisherCase(publisher=publisher, failed=failed, **options)


def subscribers(subscriber=Collector, **options):
    return SubscriberCase(
        subscriber=subscriber,
        cancel=lambda one: one.stop(),
        received=lambda one: one.elements,
        ended=lambda one: one.ended,
        **options,
    )


def processors(processor=Doubled, **options):
    return ProcessorCase(processor=processor, gives=lambda element: element * 2, buffer=0, **options)


def run(check, case, pace=FAST, backend="asyncio"):
    async def checked():
        return await check(case, pace=pace)

    return anyio.run(checked, backend=backend)


def outcomes(verdicts):
    return {verdict.rule.number: verdict.outcome for verdict in verdicts}


def broken(verdicts):
    return {number for number, outcome in outcomes(verdicts).items() if outcome == "broken"}


def name(case):
    return case if isinstance(case, str) else case.__name__


def test_the_rules_are_those_of_the_specification():
    assert [rule.number for rule in RULES] == [*NUMBERS, "4.1", "4.2"]
    assert [rule.number for rule in RULES if rule.untested] == ["2.2", "3.1", "3.4"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_keeps_the_rules_passes(backend):
    found = outcomes(run(check_publisher, publishers(), backend=backend))
    found = {**outcomes(run(check_subscriber, subscribers(), backend=backend)), **found}
    assert {number for number, outcome in found.items() if outcome != "kept"} == {"2.2", "3.1", "3.4", "3.10", "3.11"}
    assert set(found) == set(NUMBERS)
    found = outcomes(run(check_processor, processors(), backend=backend))
    assert set(found) == {*NUMBERS, "4.1", "4.2"}
    assert {number for number, outcome in found.items() if outcome != "kept"} == {"2.2", "3.1", "3.4"}


@pytest.mark.slow
def test_a_publisher_with_a_thread_of_its_own_passes():
    case = publishers(type("InThreads", (Numbers,), {"line": Threaded}))
    found = outcomes(run(check_publisher, case, Pace(turns=10, patience=20.0, quiet=0.01)))
    assert found["1.3"] == found["3.5"] == found["3.12"] == "kept"


@pytest.mark.parametrize(("rule", "publisher"), PUBLISHERS, ids=name)
def test_broken_publishers_are_found(rule, publisher):
    verdicts = run(verify_publisher, publishers(publisher))
    assert rule in broken(verdicts), "\n".join(map(str, verdicts))


@pytest.mark.parametrize(("rule", "failed"), FAILED, ids=name)
def test_publishers_that_fail_wrongly_are_found(rule, failed):
    assert rule in broken(run(verify_publisher, publishers(failed=failed)))


@pytest.mark.parametrize(("rule", "subscriber"), SUBSCRIBERS, ids=name)
def test_broken_subscribers_are_found(rule, subscriber):
    verdicts = run(verify_subscriber, subscribers(subscriber))
    assert rule in broken(verdicts), "\n".join(map(str, verdicts))


@pytest.mark.parametrize(("rule", "processor"), PROCESSORS, ids=name)
def test_broken_processors_are_found(rule, processor):
    verdicts = run(verify_processor, processors(processor))
    assert {rule, "4.1"} & broken(verdicts) >= {rule}, "\n".join(map(str, verdicts))


def test_there_are_violations_enough():
    rules = {rule for rule, _ in [*PUBLISHERS, *FAILED, *SUBSCRIBERS, *PROCESSORS]}
    assert len(rules) >= 30
    permissions = {"1.2", "1.11", "2.2", "3.1", "3.4", "3.14"}  # nothing to break, or nobody can tell
    assert {rule.number for rule in RULES} - rules == permissions


def test_what_is_broken_is_told_by_number():
    with pytest.raises(CheckFailed, match=r"(?s)the publisher breaks .*1\.1 broken: never more on_next"):
        run(check_publisher, publishers(PUBLISHERS[0][1]))
    with pytest.raises(CheckFailed, match=r"(?s)the subscriber breaks .*2\.1 broken"):
        run(check_subscriber, subscribers(SUBSCRIBERS[0][1]))
    with pytest.raises(CheckFailed, match=r"(?s)the processor breaks .*4\.1 broken: a processor keeps"):
        run(check_processor, processors(PROCESSORS[0][1]))


def test_what_a_case_does_not_offer_is_skipped_with_the_reason():
    verdicts = run(check_publisher, PublisherCase(publisher=Numbers, most=1, least=1))
    skipped = {verdict.rule.number: verdict.why for verdict in verdicts if verdict.outcome == "skipped"}
    assert skipped["1.4"] == "no failing publisher was given"
    assert skipped["3.12"] == "needs 5000 elements, and there are 1 at most"
    assert outcomes(verdicts)["1.5"] == outcomes(verdicts)["3.9"] == "kept"
    endless = PublisherCase(publisher=lambda n: Numbers(10**9), completes=False)
    skipped = {one.rule.number for one in run(check_publisher, endless) if one.outcome == "skipped"}
    assert skipped == {"1.2", "1.4", "1.5", "1.6", "1.7", "3.10", "3.11"}
    verdicts = run(check_subscriber, SubscriberCase(subscriber=Collector))
    skipped = {verdict.rule.number for verdict in verdicts if verdict.outcome == "skipped"}
    assert skipped == {"2.6", "2.8", "2.11"}


def test_one_that_takes_few_elements():
    class First(Collector):
        few = 1

        def on_next(self, element):
            if not self.ended:
                self.elements.append(element)
                self.stop()

    verdicts = run(check_subscriber, SubscriberCase(subscriber=First, takes=1, ended=lambda one: one.ended))
    assert outcomes(verdicts)["2.6"] == outcomes(verdicts)["2.8"] == "kept"
