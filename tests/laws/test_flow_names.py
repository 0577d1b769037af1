"""Every name of Pekko and FS2 works as the table says, or the table says why there is nothing."""

from __future__ import annotations

import re
from typing import Any

import anyio
import pytest

from penstock.flow import Graph, Source
from penstock.flow.theirs import NOT_OFFERED
from penstock.testing import VirtualTime
from tests.laws.flow_law import BACKENDS, SAMPLES
from tests.laws.flow_names import ELSEWHERE, RUNS
from tests.unit.flow.test_catalogue import FS2, PEKKO, names


def ours(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: "_" + found[1].lower(), name).lower()


def test_every_name_is_run_or_refused_with_a_reason() -> None:
    law = {entry.name for entry in SAMPLES}  # of that very name
    made = {name for name in vars(Source) | {} if not name.startswith("_")} | set(dir(Source))
    run = names(RUNS) | names(ELSEWHERE)
    theirs = set(PEKKO.split()) | set(FS2.split())
    missing = {one for one in theirs if ours(one) not in law | made} - run - names(NOT_OFFERED)
    assert not sorted(missing)


@pytest.mark.parametrize("theirs", RUNS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_said_for_a_name_works(theirs: str, backend: str) -> None:
    make, expected = RUNS[theirs]

    async def main() -> Any:
        stream = make()
        if isinstance(stream, Source):
            return await VirtualTime().run(stream)
        async with stream.start() as running:
            await running.wait()
        return running.result

    found = anyio.run(main, backend=backend)
    if isinstance(expected, dict) and isinstance(found, dict) and "into" in expected:
        expected = {**expected, "into": found["into"]}
    assert found == expected
    assert isinstance(make(), Graph) == isinstance(expected, dict)
