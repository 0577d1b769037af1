"""Mistakes in YAML and what is said of them, word for word: `tests/unit/yaml/mistakes.txt`.

Each case is a text, a line `----`, and the message; cases are separated by a line `====`. `UPDATE_MISTAKES=1` writes
the messages anew: read the difference.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from penstock.core.errors import PlanError
from penstock.yaml import tree
from penstock.yaml.document import pipeline_of

FILE = Path(__file__).with_name("mistakes.txt")
CASES = [case.split("\n----\n") for case in FILE.read_text().split("\n====\n")]


@pytest.fixture(autouse=True)
def flights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    row = {"origin": "JFK", "dep_delay": 4, "at": "2020-01-01T00:00:00Z"}
    Path("flights.json").write_text(json.dumps(row) + "\n")


def said(text: str) -> str:
    with pytest.raises(PlanError) as refused:
        pipeline_of(text, "p.yaml")
    return str(refused.value)


@pytest.mark.parametrize("place", range(len(CASES)))
def test_a_mistake(place: int) -> None:
    text, message = CASES[place]
    found = said(text)
    if os.environ.get("UPDATE_MISTAKES"):
        CASES[place][1] = found
        FILE.write_text("\n====\n".join("\n----\n".join(case) for case in CASES))
    assert found == message.rstrip("\n") or os.environ.get("UPDATE_MISTAKES")
    assert found.startswith(("p.yaml:", '"p.yaml"')), "a place"


def test_there_are_enough() -> None:
    assert len(CASES) >= 40


# -- limits ----------------------------------------------------------------------


def test_a_billion_laughs() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert "more than 20,000 values" in said("\n".join(lines))


def test_limits() -> None:
    assert "more than 30 deep" in said("a: " + "[" * 5000)
    assert "more than 30 deep" in said("a: " + "{a: " * 200)
    assert "1,048,576 are the most" in said("#" * (tree.LARGEST + 1))
    assert "more than 100 aliases" in said("a: &a x\nb: [" + "*a, " * 101 + "*a]")
    assert "no value is named &a before" in said("a: &a [*a]")


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [ls]", "!secret x", "!!binary aGk=", "!!timestamp x"])
def test_tags_make_nothing(tag: str) -> None:
    assert "tags have no meaning here" in said(f"pipeline: {tag}")


@pytest.mark.parametrize(
    ("raw", "value"),
    [("on", "on"), ("no", "no"), ("1:30", "1:30"), ("017", 17), ("0x1f", 31), ("1e3", 1000.0), ("true", True),
     ("~", None), ("'5'", "5"), ('"x: y"', "x: y"), ("2020-01-01", "2020-01-01"), (".inf", ".inf")],
)  # fmt: skip
def test_values_are_those_of_yaml_1_2(raw: str, value: object) -> None:
    node = tree.read(raw, "p.yaml")
    assert isinstance(node, tree.Scalar)
    assert node.value == value
    assert type(node.value) is type(value)


def test_no_text_ends_in_a_traceback() -> None:
    chance = random.Random(7)
    texts = [text for text, _ in CASES]
    pieces = [*":{}[],-'\"&*!|>%@`#\n\t $\x00", "${A}", "null", "  ", "- ", "!!str "]
    refused = 0
    for _ in range(200):
        letters = list(chance.choice(texts))
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(letters) + 1)
            if chance.random() < 0.5:
                del letters[place : place + chance.randint(1, 6)]
            else:
                letters.insert(place, chance.choice(pieces))
        try:
            pipeline_of("".join(letters), "p.yaml")
        except PlanError as told:
            refused += bool(str(told))
    assert refused > 150
