from __future__ import annotations

import datetime as dt
import decimal
import enum
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from penstock.cli.arguments import arguments_of, converted
from penstock.core.errors import PlanError
from penstock.core.spec import Secret
from penstock.settings import Found, Settings


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (int, "30", 30),
        (int, 30, 30),
        (float, "0.5", 0.5),
        (float, 2, 2.0),
        (bool, "yes", True),
        (bool, "OFF", False),
        (bool, True, True),
        (str, "a", "a"),
        (str, 3, "3"),
        (str, True, "true"),
        (Path, "a/b", Path("a/b")),
        (dt.date, "2013-01-31", dt.date(2013, 1, 31)),
        (dt.datetime, "2013-01-31T10:00:00+00:00", dt.datetime(2013, 1, 31, 10, tzinfo=dt.UTC)),
        (dt.timedelta, "90 min", dt.timedelta(minutes=90)),
        (decimal.Decimal, "1.50", decimal.Decimal("1.50")),
        (Literal["a", 2], "2", 2),
        (Colour, "RED", Colour.RED),
        (Colour, "b", Colour.BLUE),
        (int | None, "none", None),
        (int | None, "7", 7),
        (int | str, "7", 7),
        (int | str, "x", "x"),
        (list[int], "1, 2,3", [1, 2, 3]),
        (list[int], [1, 2], [1, 2]),
        (tuple[str, ...], "a,b", ("a", "b")),
        (Sequence[int], "1", [1]),
        (Annotated[int, "days"], "4", 4),
        (Any, "x", "x"),
        (Secret, "secret:TOKEN", Secret("TOKEN")),
    ],
)
def test_settings_are_converted(hint, value, expected):
    made = converted("x", hint, Found(value, "--set x"))
    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (int, "3.5", '--set x is int, found "3.5"'),
        (int, True, "--set x is int"),
        (bool, "maybe", "--set x is bool"),
        (float, "much", "--set x is float"),
        (dt.date, "yesterday", "--set x is date"),
        (dt.timedelta, "5", "--set x is timedelta"),
        (Literal["a", "b"], "c", "--set x is Literal['a', 'b']"),
        (Colour, "green", "--set x is Colour"),
        (int | None, "x", "--set x is int | None"),
        (list[int], "1,b", "--set x is list[int]"),
        (object, "x", 'the setting "x" is object, which cannot be written as text'),
    ],
)
def test_wrong_settings_are_refused(hint, value, message):
    with pytest.raises(PlanError) as refused:
        converted("x", hint, Found(value, "--set x"))
    assert refused.value.message.startswith(message)


def test_a_secret_is_never_taken_or_shown_as_text():
    with pytest.raises(PlanError) as refused:
        converted("token", Secret, Found("hunter2-swordfish", "--set token"))
    assert "hunter2" not in str(refused.value)
    assert "secret:NAME" in str(refused.value)


def test_what_came_from_the_environment_is_not_shown():
    with pytest.raises(PlanError) as refused:
        arguments_of(lambda days=7: days, Settings({}, {"days": "hunter2"}))
    assert refused.value.message == 'the environment variable "days" is int'


def test_without_annotations_the_default_says_the_type():
    def pipeline(days=7, name=None, *, rate=0.5, **more): ...

    settings = Settings({"days": "3", "name": "5", "rate": "1", "extra": "x"})
    assert arguments_of(pipeline, settings) == {"days": 3, "name": "5", "rate": 1.0, "extra": "x"}


def test_an_annotation_that_means_nothing():
    def pipeline(days: Dayz = 7): ...  # noqa: F821  (that it is not there is the point)

    with pytest.raises(PlanError, match="an annotation of pipeline"):
        arguments_of(pipeline, Settings())


def test_a_setting_that_only_another_one_uses_is_used():
    def pipeline(path: str = ""): ...

    settings = Settings({"where": "data"}, {}, {"set": {"path": "${where}/x"}})
    assert arguments_of(pipeline, settings) == {"path": "data/x"}
