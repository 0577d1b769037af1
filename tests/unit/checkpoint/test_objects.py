"""A bucket of checkpoints: lost answers, repeated requests, services that promise less."""

from __future__ import annotations

import random
import sys
import threading

import pytest

from penstock.checkpoint import collect as collecting
from penstock.checkpoint import objects
from penstock.checkpoint.collect import collect
from penstock.checkpoint.store import open_store
from penstock.core import failpoint
from penstock.core.clock import SystemClock
from penstock.core.errors import PlanError, StartError, StateError
from tests.unit.checkpoint import epochs
from tests.unit.checkpoint.conftest import BUCKET, options_of
from tests.unit.checkpoint.faulty import FAULTS, Proxy

pytestmark = pytest.mark.slow


class Patient(SystemClock):
    """A clock for which waiting takes no time."""

    def __init__(self):
        self.waited = []

    def wait(self, signal, timeout_us):
        self.waited.append(timeout_us)
        return False


@pytest.fixture
def proxy(emulator):
    found = Proxy(emulator)
    yield found
    found.end()


@pytest.fixture
def place(tmp_path):
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def store(place, proxy):
    return open_store(place, options_of(proxy.address), clock=Patient())


@pytest.fixture
def other(place, emulator):
    """The same store, as another process has it, by a better way."""
    return open_store(place, options_of(emulator))


def puts(*faults):
    """Faults of the first puts, in order; all else goes well."""
    left = list(faults)
    return lambda method, path: left.pop(0) if method == "PUT" and left else None


def test_the_layout(store, other):
    epochs.write(store, 7)
    store.create_savepoint("x", 7)
    found = store._obstore.list(store._store).collect()
    assert sorted(one["path"] for one in found) == ["manifest-000000000007.json", "savepoints/x.json", "segments/7-a"]
    assert store.place.startswith(f"s3://{BUCKET}/")
    store.lock()
    other.lock()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("times", [1, 3])
def test_an_unknown_outcome_is_found_out(store, other, proxy, fault, times):
    proxy.fault = puts(*[fault] * times)
    assert store.create_manifest(1, b"mine")
    assert other.read_manifest(1) == b"mine"
    proxy.fault = puts(*[fault] * times)
    assert not store.create_manifest(1, b"mine")
    proxy.fault = puts(*[fault] * times)
    store.write_segment("1-a", [b"abc"])
    proxy.fault = lambda method, path: None
    assert bytes(store.read_segment("1-a", 0, 3)) == b"abc"


@pytest.mark.parametrize("fault", ["refuse", "lose request"])
def test_anothers_manifest_is_not_taken_for_ones_own(store, other, proxy, fault):
    def meanwhile(method, path):
        if method == "PUT" and not other.manifests():
            assert other.create_manifest(1, b"same")
            return fault
        return None

    proxy.fault = meanwhile
    assert not store.create_manifest(1, b"same")


def test_what_cannot_be_found_out_is_said(store, proxy):
    proxy.fault = lambda method, path: "lose answer" if method == "PUT" else "lose request"
    store._store = store._once  # reads are not tried for a minute
    with pytest.raises(StateError, match=r"did not say whether it took manifest-000000000001.json") as error:
        store.create_manifest(1, b"mine")
    assert "found out at the next start" in error.value.hint
    assert store._clock.waited == [200_000, 400_000, 800_000, 1_600_000]
    with pytest.raises(StateError, match="did not say whether it took segments/1-a"):
        store.write_segment("1-a", [b"x"])
    proxy.fault = lambda method, path: None
    assert not store.create_manifest(1, b"other")
    assert store.read_manifest(1) == b"mine"


def test_a_service_that_contradicts_itself_is_not_believed(store, proxy):
    assert store.create_manifest(1, b"mine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_whose", lambda key: None)
        with pytest.raises(StateError, match=r"neither takes nor has manifest-000000000001.json"):
            store.create_manifest(1, b"mine")


@pytest.mark.parametrize("fault", ["refuse", "lose request", "lose answer", "fail after"])
def test_what_can_be_repeated_is(store, proxy, fault):
    epochs.write(store, 1)
    calls = [
        lambda: epochs.verify_all(store),
        store.manifests,
        store.segments,
        lambda: store.read_manifest(1),
        lambda: store.read_segment("1-a", 0, 4),
        lambda: store.remove_segment("1-a"),
        lambda: store.remove_manifest(1),
    ]
    for call in calls:
        left = [fault]
        proxy.fault = lambda method, path, left=left: left.pop() if left else None
        call()
        assert not left


def test_large_segments_go_in_parts(store, other, monkeypatch):
    monkeypatch.setattr(objects, "WHOLE_BYTES", 5 << 20)
    parts = [bytes([number]) * (3 << 20) for number in range(4)]
    store.write_segment("1-a", iter(parts))
    data = b"".join(parts)
    assert bytes(other.read_segment("1-a", 0, len(data))) == data
    with pytest.raises(StateError, match="has a segment"):
        store.write_segment("1-a", iter(parts))
    store.write_segment("1-b", [memoryview(bytes(5 << 20))])
    assert len(other.read_segment("1-b", 0, 5 << 20)) == 5 << 20


def test_a_large_segment_that_fails_is_not_there(store, monkeypatch):
    monkeypatch.setattr(objects, "WHOLE_BYTES", 5 << 20)

    def parts():
        yield bytes(6 << 20)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write_segment("1-a", parts())
    assert store.segments() == []


def test_segments_of_many_are_all_listed(store):
    for number in range(1005):
        store._once.put(f"segments/{number}-a", b"x")
    assert len(store.segments()) == 1005
    assert store.manifests() == []


def work(store, random):
    for number in range(1, 7):
        keep = epochs.blocks(store, number - 1)[:1] if number > 1 else ()
        assert epochs.write(store, number, f"{random.random()}", keep)
        store.create_savepoint(f"s{number}", number)
        if number > 2:
            store.remove_savepoint(f"s{number - 1}")
        collect(store, 2, epochs.named, number)


@pytest.mark.parametrize("seed", range(3))
def test_with_a_tenth_of_all_requests_spoiled_nothing_is_lost_or_doubled(store, other, proxy, seed):
    chance = random.Random(seed)
    proxy.fault = lambda method, path: chance.choice(FAULTS) if chance.random() < 0.1 else None
    work(store, chance)
    assert {fault for _, _, fault in proxy.log} > {None}
    assert epochs.verify_all(other) == [5, 6]


def test_two_that_race_over_bad_lines_are_one(place, emulator, proxy):
    chance = random.Random(7)
    stores = [open_store(place, options_of(proxy.address), clock=Patient()) for _ in range(2)]
    proxy.fault = lambda method, path: chance.choice(FAULTS) if chance.random() < 0.15 else None
    won = [[], []]

    def race(me):
        for number in range(30):
            if stores[me].create_manifest(number, b"same"):
                won[me].append(number)

    threads = [threading.Thread(target=race, args=(me,), daemon=True) for me in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(won[0] + won[1]) == list(range(30))


@pytest.mark.parametrize("kind", ["enospc", "eio"])
@pytest.mark.parametrize("point", [*objects.POINTS, *collecting.POINTS])
def test_no_manifest_lies_when_a_step_fails(store, other, monkeypatch, point, kind):
    with monkeypatch.context() as patch:
        patch.setitem(failpoint.ACTIONS, point, failpoint.KINDS[kind])
        expected = (OSError, StateError)
        if point in ("checkpoint.object.put",):
            # An answer that is lost each time: what was put is found.
            work(store, random.Random(1))
        else:
            with pytest.raises(expected):
                work(store, random.Random(1))
    epochs.verify_all(other)


# -- opening -------------------------------------------------------------------


def test_a_service_that_ignores_conditions_is_refused(place, proxy):
    proxy.drop = ("if-none-match",)
    with pytest.raises(StartError, match=r"it ignores the condition of a put \(If-None-Match\)") as error:
        open_store(place, options_of(proxy.address))
    assert error.value.exit_code == 2


def test_a_service_that_loses_metadata_is_refused(place, proxy):
    proxy.drop = ("x-amz-meta-penstock-attempt",)
    with pytest.raises(StartError, match="it loses the metadata of objects"):
        open_store(place, options_of(proxy.address))


def test_trying_out_leaves_nothing(store):
    assert store._obstore.list(store._store).collect() == []


def test_a_bucket_that_is_missing_is_said_without_secrets(emulator):
    with pytest.raises(StartError, match="NoSuchBucket") as error:
        open_store("s3://another-bucket", options_of(emulator))
    assert "not-a-secret" not in str(error.value)
    assert "someone" not in str(error.value)


def test_options_that_make_no_sense_are_refused(place, emulator):
    with pytest.raises(PlanError, match=r"cannot be opened with the options .*nonsense"):
        open_store(place, {**options_of(emulator), "nonsense": "not-a-secret"})


def test_plain_http_must_be_allowed(place, emulator):
    options = {key: value for key, value in options_of(emulator).items() if key != "allow_http"}
    with pytest.raises(StartError, match="HTTP error") as error:
        open_store(place, options, clock=Patient())
    assert "allow_http" in error.value.hint


def test_the_environment_is_enough(place, emulator, monkeypatch):
    for name, value in options_of(emulator).items():
        monkeypatch.setenv(f"AWS_{name.upper()}", str(value).lower() if value is True else value)
    epochs.write(open_store(place), 1)
    assert epochs.verify_all(open_store(place, options_of(emulator))) == [1]


def test_the_package_that_is_missing_is_named(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(PlanError, match='need the package "obstore"') as error:
        open_store(place)
    assert error.value.hint == "pip install 'penstock[s3]'"
