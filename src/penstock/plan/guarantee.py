"""What holds end to end, computed from the parts of a pipeline: the one wording for runs and for `penstock check`."""

from __future__ import annotations

from typing import NamedTuple

from penstock.plan.pipeline import Pipeline, output_name

RESTART = "an interrupted run goes on from its last checkpoint"
"""What becomes of a run that did not come to its end."""

_EXACTLY_ONCE = "exactly once: each epoch is there whole and once, whatever is killed when"
_IN_PROCESS = "epochs become visible whole; they are gone with this process"
_BY_DELIVERY = {
    "upsert": "rows are written by key: what is written twice is there once",
    "at-least-once": "rows are written at once; after a failure they may be there twice",
}


class Guarantee(NamedTuple):
    """What an output promises.

    Attributes:
        output: The name of the output.
        delivery: The `delivery` of its sink.
        promise: What that means.
    """

    output: str
    delivery: str
    promise: str


def guarantees(pipeline: Pipeline) -> tuple[Guarantee, ...]:
    """What each output promises, in their order."""
    found = []
    for output in pipeline.outputs:
        delivery = str(output.sink.delivery)
        whole = _EXACTLY_ONCE if output.sink.remembers else _IN_PROCESS
        found.append(Guarantee(output_name(output), delivery, _BY_DELIVERY.get(delivery, whole)))
    return tuple(found)


def guarantee(pipeline: Pipeline) -> str:
    """What holds for the whole pipeline, on one line."""
    parts = [f"{one.output}: {one.promise}" for one in guarantees(pipeline)]
    return "; ".join([*parts, RESTART])
