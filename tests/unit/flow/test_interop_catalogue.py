"""Every operator of the catalogue as a publisher, as a subscriber and as a processor: by the conformance kit."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from penstock import flow
from penstock.flow import Flow, Sink, Source
from penstock.flow.catalogue import OPERATORS
from penstock.testing.reactive import (
    Pace,
    ProcessorCase,
    PublisherCase,
    check_processor,
    check_publisher,
    check_subscriber,
)
from tests.laws.flow_law import Hurried
from tests.unit.flow.one_to_one import NOT_ONE_TO_ONE, ONE_TO_ONE
from tests.unit.flow.test_interop import subscriber_case

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PACE = Pace(turns=16, patience=10.0)
SAMPLES = {entry.name: entry.sample for entry in OPERATORS if entry.sample is not None}
ENDS_EARLY = {"find": 2}
"""What takes no more, after how many elements: 1 is the first odd number."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


@pytest.fixture(autouse=True, scope="module")
def light():
    """Rule 3.13 collects garbage in each check: not all that other tests have loaded as well."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_every_operator_is_here():
    names = {name.partition(",")[0] for name in ONE_TO_ONE}
    catalogue = {entry.name for entry in OPERATORS}
    assert catalogue == set(SAMPLES)
    assert catalogue - names == set(NOT_ONE_TO_ONE)
    assert not names & set(NOT_ONE_TO_ONE)


def gives(sample, n):
    """A source of `n` elements, of which the first come out of the operator, as many as it has."""
    return sample(Source.range(n)).concat(Source.constant(0)).take(n)


@pytest.mark.parametrize("name", SAMPLES)
async def test_as_a_publisher(name):
    sample = SAMPLES[name]
    case = PublisherCase(
        publisher=lambda n: flow.to_publisher(gives(sample, n), clock=Hurried()),
        failed=lambda: flow.to_publisher(sample(Source.failed(OSError("no"))).drain(), clock=Hurried()),
    )
    await check_publisher(case, pace=PACE)


@pytest.mark.parametrize("name", ONE_TO_ONE)
async def test_as_a_processor(name):
    make = ONE_TO_ONE[name]
    await check_processor(ProcessorCase(processor=lambda: flow.to_processor(make(), clock=Hurried())), pace=PACE)


@pytest.mark.parametrize("name", NOT_ONE_TO_ONE)
async def test_as_a_subscriber(name):
    sample = SAMPLES[name]
    case = subscriber_case(lambda found: sample(Flow().tap(found.append)).to(Sink.ignore()), 4, clock=Hurried())
    takes = ENDS_EARLY.get(name)
    await check_subscriber(case if takes is None else replace(case, takes=takes, cancel=None), pace=PACE)
