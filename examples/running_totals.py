"""A Table: totals per customer that change with every order, written as a changelog."""

from __future__ import annotations

import penstock as ps
from penstock import col
from penstock.connectors.generate import GenerateSource
from penstock.connectors.stdout import StdoutSink

orders = ps.read(
    GenerateSource(
        {"customer": {"kind": "choice", "of": ["ada", "bo", "cy"]}, "amount": {"kind": "int", "least": 1, "most": 50}},
        rows=12,
        seed=7,
    ),
    name="orders",
)
totals = orders.group_by("customer").agg(orders=ps.count(), total=col("amount").sum())
pipeline = ps.Pipeline("totals", totals.write(StdoutSink(style="changes")))

if __name__ == "__main__":
    ps.run(pipeline)
