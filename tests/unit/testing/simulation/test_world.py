"""The world of the simulator: one thread at a time, in an order and a time of its own; processes that end or pause."""

from __future__ import annotations

import pytest

from penstock.core.clock import Signal, SystemClock
from penstock.core.failpoint import hit
from penstock.core.files import unique_name
from penstock.core.threads import Worker, lock, pool
from penstock.core.timespan import SECOND
from penstock.testing.simulation.seams import entered
from penstock.testing.simulation.shadow import Shadow
from penstock.testing.simulation.world import START, Stuck, World


def run(main, seed="t", watch=None):
    """Run a process to its end; its world."""
    world = World(seed, tracing=True)
    if watch is not None:
        world.watch = watch
    with entered(world, Shadow(world)):
        process = world.spawn("p", main)
        while not process.ended:
            world.go()
        world.kill(process)
    if process.failure is not None:
        raise process.failure
    return world


def counting(found, name, times):
    def work():
        for _ in range(times):
            hit(f"at.{name}")
            found.append(name)

    return work


def interleaved(seed):
    found = []

    def main():
        workers = [Worker(name, counting(found, name, 20)).start() for name in "ab"]
        for worker in workers:
            worker.join()

    return found, run(main, seed).digest()


def test_a_seed_gives_one_order_and_seeds_give_many():
    assert interleaved("1") == interleaved("1")
    orders = {tuple(interleaved(str(seed))[0]) for seed in range(20)}
    assert len(orders) > 5
    assert all(sorted(order) == ["a"] * 20 + ["b"] * 20 for order in orders)


def test_waiting_takes_no_time_and_moves_the_clock():
    told = []

    def main():
        clock = SystemClock()
        begun = clock.monotonic()
        told.append(clock.wait(Signal(), 3_600 * SECOND))
        told.append(clock.monotonic() - begun >= 3_600 * SECOND)
        told.append(clock.now() - START >= 3_600 * SECOND)

    run(main)
    assert told == [False, True, True]


def test_a_signal_wakes_who_waits():
    told = []

    def main():
        signal = Signal()
        waiting = Worker("w", lambda: told.append(signal.wait(None))).start()
        SystemClock().wait(Signal(), SECOND)
        signal.set()
        assert waiting.join(SECOND)

    run(main)
    assert told == [True]


@pytest.mark.parametrize("seed", range(10))
def test_a_lock_lets_one_in(seed):
    inside, most = 0, 0

    def work():
        nonlocal inside, most
        for _ in range(10):
            with guard:
                inside += 1
                most = max(most, inside)
                hit("inside")
                inside -= 1

    def main():
        nonlocal guard
        guard = lock()
        workers = [Worker(str(i), work).start() for i in range(3)]
        assert all(worker.join() for worker in workers)

    guard = None
    run(main, str(seed))
    assert most == 1


@pytest.mark.parametrize("size", [1, 3])
def test_a_pool_does_what_it_is_given(size):
    def fail():
        raise ValueError("broken")

    def main():
        threads = pool("x", size)
        futures = [threads.submit(pow, i, 2) for i in range(5)]
        assert [future.result() for future in futures] == [0, 1, 4, 9, 16]
        broken = threads.submit(fail)
        assert isinstance(broken.exception(), ValueError)
        assert broken.done()
        threads.shutdown(wait=True)
        with pytest.raises(RuntimeError):
            threads.submit(fail)

    run(main)


def test_a_failure_is_kept_by_its_worker():
    def fail():
        raise ValueError("broken")

    def main():
        worker = Worker("w", fail).start()
        assert worker.join()
        assert isinstance(worker.failure, ValueError)

    run(main)


def test_nothing_happens_in_a_process_that_was_killed():
    done, due = [], []
    world = World("t")
    world.watch = lambda process, name: name == "at.5" and not due.append(name)

    def main():
        try:
            for i in range(10):
                hit(f"at.{i}")
                done.append(i)
        finally:
            hit("cleaning")
            done.append("cleaned")

    with entered(world, Shadow(world)):
        process = world.spawn("p", main)
        world.go()
        assert (due, process.ended) == (["at.5"], False)
        world.kill(process)
    assert done == [0, 1, 2, 3, 4]
    assert process.dead
    assert not process.threads


def test_a_paused_process_stands_still():
    steps = {"a": 0, "b": 0}

    def steady(name):
        def work():
            for _ in range(30):
                hit("step")
                steps[name] += 1

        return work

    world = World("t")
    world.watch = lambda process, name: process.name == "a" and process.points == 10
    with entered(world, Shadow(world)):
        first, second = world.spawn("a", steady("a")), world.spawn("b", steady("b"))
        while first.points < 10:
            world.go()
        first.paused = True
        while not second.ended:
            world.go()
        assert (steps["a"], steps["b"]) == (9, 30)
        with pytest.raises(Stuck):
            world.go()
        first.paused = False
        world.go()
        assert steps["a"] == 30


def test_who_waits_for_ever_is_found():
    with pytest.raises(Stuck, match="main waiting"):
        run(lambda: Signal().wait(None))


def test_a_circle_is_found():
    def main():
        while True:
            hit("again")

    with pytest.raises(Stuck, match="points"):
        run(main)


def test_names_come_from_the_seed():
    names = []
    run(lambda: names.append(unique_name()), "1")
    run(lambda: names.append(unique_name()), "1")
    run(lambda: names.append(unique_name()), "2")
    assert names[0] == names[1] != names[2]


def test_the_seams_are_the_computers_again_afterwards():
    before = SystemClock().now()
    run(lambda: None)
    assert SystemClock().now() >= before
    assert unique_name() != unique_name()
