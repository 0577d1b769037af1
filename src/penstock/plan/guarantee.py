"""What holds end to end, computed from the parts of a pipeline: the one wording for runs and for `penstock check`."""

from __future__ import annotations

from typing import NamedTuple

from penstock.plan.pipeline import Pipeline, output_name

RESTART = "an interrupted run starts anew: state is not restored in this version"
"""What becomes of a run that did not come to its end."""

_BY_DELIVERY = {
    "transactional": "epochs become visible whole or not at all",
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
        found.append(Guarantee(output_name(output), delivery, _BY_DELIVERY.get(delivery, delivery)))
    return tuple(found)


def guarantee(pipeline: Pipeline) -> str:
    """What holds for the whole pipeline, on one line."""
    parts = [f"{one.output}: {one.promise}" for one in guarantees(pipeline)]
    return "; ".join([*parts, RESTART])
