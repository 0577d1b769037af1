"""A lookup join: orders with the names that a function knows, which is asked in threads; answers are kept."""

from __future__ import annotations

import penstock as ps
from penstock.connectors.generate import GenerateSource
from penstock.connectors.stdout import StdoutSink

NAMES = {1: "ada", 2: "bo", 3: "cy"}


def customer(number: int) -> dict[str, str] | None:
    """What a service would say of a customer; None if it knows none of that number."""
    return {"name": NAMES[number]} if number in NAMES else None


orders = ps.read(
    GenerateSource(
        {"order": "sequence", "customer": {"kind": "int", "least": 1, "most": 4}},
        rows=12,
        seed=7,
    ),
    name="orders",
)
named = orders.lookup(
    customer, left_on="customer", right_on="id", schema={"name": ps.String}, how="left", cache="10 min"
)
pipeline = ps.Pipeline("named", named.write(StdoutSink()))

if __name__ == "__main__":
    ps.run(pipeline)
