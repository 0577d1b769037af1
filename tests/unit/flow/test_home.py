"""Calls come to the event loop in order, from any thread, and to one that has ended not at all."""

from __future__ import annotations

import threading

import anyio
import pytest

from penstock.flow.home import Home


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_calls_keep_their_order(backend):
    found = []

    async def main():
        home = Home()
        thread = threading.Thread(target=lambda: [home.call(found.append, i) for i in range(100)])
        thread.start()
        thread.join()
        assert not found
        home.call(found.append, 100)  # at once, behind the others
        assert found == list(range(101))

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_loop_that_has_ended_runs_nothing(backend):
    found = []

    async def main():
        return Home()

    home = anyio.run(main, backend=backend)
    home.call(found.append, 1)

    async def another():  # the same thread, another loop
        home.call(found.append, 2)

    anyio.run(another, backend=backend)
    assert found == []


def test_the_number_of_a_thread_may_be_given_again():
    homes, found = [], []

    async def main():
        homes.append(Home())

    for work in (lambda: anyio.run(main), lambda: homes[0].call(found.append, 1)):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found == []
