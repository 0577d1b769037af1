from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest

from penstock.testing.compare import (
    EXACT,
    CheckFailed,
    Tolerance,
    canonical,
    check_key,
    check_step,
    close,
    difference,
    fold,
    net,
    table,
    unmatched,
    with_ops,
)  # fmt: skip

NAN = float("nan")
INF = float("inf")


def test_equal_values_are_one():
    noon = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
    assert canonical(NAN) == canonical(float("-nan"))
    assert canonical(-0.0) == canonical(0.0)
    assert canonical(noon) == canonical(noon.astimezone(zoneinfo.ZoneInfo("Asia/Tokyo")))
    assert canonical({"a": [1, {"b": NAN}]}) == canonical({"a": (1, {"b": NAN})})
    assert hash(canonical([{"a": []}]))


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1.0, 1.0 + 1e-13, True), (1.0, 1.0 + 1e-11, False), (0.0, 1e-13, False), (NAN, NAN, True), (NAN, 1.0, False),
        (INF, INF, True), (INF, -INF, False), (INF, 1e300, False), (1.0, 1, True), (1, 2, False), (1, True, False),
        (1, 1.0, False), (None, None, True), (None, 0, False), ("a", "a", True), ([1.0, NAN], [1.0 + 1e-14, NAN], True),
        ([1.0], [1.0, 2.0], False), ({"a": 1.0}, {"a": 1.0 + 1e-14}, True), ({"a": 1}, {"b": 1}, False),
    ],
)  # fmt: skip
def test_close(a, b, equal):
    assert close(a, b, Tolerance()) is equal


def test_what_was_added_up_is_compared_by_its_magnitude():
    assert close(0.0, 1e-7, Tolerance.of_sum(1e6))
    assert not close(0.0, 1e-5, Tolerance.of_sum(1e6))
    assert not close(1.0, 1.0 + 1e-15, EXACT)


def test_rows_without_a_partner():
    left = [{"k": "a", "v": 1.0}, {"k": "a", "v": 1.0}, {"k": "b", "v": NAN}, {"k": "c", "v": 2.0}]
    right = [{"k": "c", "v": 2.0 + 1e-14}, {"k": "b", "v": NAN}, {"k": "a", "v": 1.0}, {"k": "d", "v": None}]
    assert unmatched(left, right, Tolerance()) == ([{"k": "a", "v": 1.0}], [{"k": "d", "v": None}])


def test_an_exact_partner_goes_first():
    left = [{"v": 1.0}, {"v": 1.0 + 1e-13}]
    assert unmatched(left, [{"v": 1.0 + 1e-13}, {"v": 1.0}], Tolerance()) == ([], [])


def test_changes_add_up_to_a_table():
    changes = [({"k": 1, "f": NAN}, 1), ({"k": 2, "f": 0.0}, 1), ({"k": 1, "f": NAN}, -1), ({"k": 2, "f": 0.0}, 1)]
    assert fold(changes) == [{"k": 2, "f": 0.0}, {"k": 2, "f": 0.0}]


@pytest.mark.parametrize("gone", [{"k": 2}, {"k": 1, "v": 0}])
def test_a_row_that_is_not_there_cannot_go(gone):
    with pytest.raises(CheckFailed, match="change 2 takes back"):
        fold([({"k": 1}, 1), (gone, -1)])


def test_net_changes():
    a, b = {"k": "a"}, {"k": "b"}
    assert net([(a, 1), (b, 1), (a, -1)]) == [(b, 1)]
    assert net([(b, 1), (a, -1)]) == [(a, -1), (b, 1)]


@pytest.mark.parametrize(
    "changes",
    [
        [({"k": 1, "n": 1}, 1), ({"k": 1, "n": 2}, 1)],
        [({"k": 1, "n": 2}, 1), ({"k": 1, "n": 1}, -1)],
        [({"k": 1, "n": 1}, -1), ({"k": 1, "n": 1}, 1)],
    ],
)
def test_a_step_that_is_not_consolidated(changes):
    with pytest.raises(CheckFailed):
        check_step(changes, ("k",), "output")


def test_a_step_that_is():
    check_step([({"k": 1, "n": 1}, -1), ({"k": 2, "n": 1}, 1), ({"k": 1, "n": 2}, 1)], ("k",), "output")
    check_step([({"n": 1}, 1), ({"n": 1}, 1)], None, "output")


def test_a_key_is_there_once():
    rows = [{"k": 1, "n": 1}, {"k": 2, "n": 1}, {"k": None, "n": 1}]
    check_key(rows, ("k",), "output")
    check_key([*rows, {"k": 1, "n": 1}], None, "output")
    for key, more in ((("k",), {"k": None, "n": 2}), ((), {"k": 3, "n": 1})):
        with pytest.raises(CheckFailed, match="another row has the same key"):
            check_key([*rows, more], key, "output")


def test_operations():
    changes = [({"k": "a", "n": 1}, -1), ({"k": "a", "n": 2}, 1), ({"k": "b", "n": 1}, 1), ({"k": "c", "n": 1}, -1)]
    assert sorted((row["op"], row["k"]) for row in with_ops(changes, ("k",))) == [
        ("+I", "b"), ("+U", "a"), ("-D", "c"), ("-U", "a")
    ]  # fmt: skip


def test_a_difference_is_drawn():
    shown = difference([{"k": "a b", "v": None}], [{"k": "", "v": 1.5}], EXACT, ("one", "two"))
    assert shown is not None
    assert shown.splitlines() == [
        "only in one: 1 row(s)", "    k   | v", "  - a b | null", "only in two: 1 row(s)", "    k  | v", '  + "" | 1.5'
    ]  # fmt: skip
    assert difference([{"k": 1}], [{"k": 1}], EXACT, ("one", "two")) is None
    assert "and 3 more" in str(difference([{"k": i} for i in range(23)], [], EXACT, ("one", "two")))


def test_a_table_of_nothing():
    assert table([]) == "  (no rows)"
