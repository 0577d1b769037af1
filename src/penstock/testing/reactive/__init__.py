"""A conformance kit for Reactive Streams: one check per numbered rule, for any implementation in Python.

It follows the specification's own kit: a rule that can be tested is, one that cannot is listed with the reason.

    async def test_my_publisher():
        await check_publisher(PublisherCase(publisher=lambda n: MyPublisher(range(n))))

The checks are coroutines, so that implementations on an event loop can run beside them; for others write
`anyio.run(check_publisher, case)`. Nothing here needs pytest.
"""

from __future__ import annotations

from penstock.testing.reactive.processor import ProcessorCase, check_processor, verify_processor
from penstock.testing.reactive.publisher import PublisherCase, check_publisher, verify_publisher
from penstock.testing.reactive.rules import RULES, Rule, Verdict
from penstock.testing.reactive.stage import Feed, Pace, Recorder
from penstock.testing.reactive.subscriber import SubscriberCase, check_subscriber, verify_subscriber

__all__ = [
    "RULES",
    "Feed",
    "Pace",
    "ProcessorCase",
    "PublisherCase",
    "Recorder",
    "Rule",
    "SubscriberCase",
    "Verdict",
    "check_processor",
    "check_publisher",
    "check_subscriber",
    "verify_processor",
    "verify_publisher",
    "verify_subscriber",
]
