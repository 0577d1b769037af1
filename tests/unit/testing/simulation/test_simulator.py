"""The simulator as a program: reports that a campaign goes on from."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from penstock.testing import CheckFailed, Outcome, simulator


@pytest.fixture
def ran(monkeypatch):
    """The seeds that were run; every seventh has a violation."""
    seeds = []

    def simulate(seed, *, trace=False):
        seeds.append(seed)
        wrong = [] if seed % 7 else ["wrong"]
        return Outcome(seed, wrong, Counter(kill=1), 10, "digest", ["a line"])

    monkeypatch.setattr(simulator, "simulate", simulate)
    return seeds


def test_a_campaign_goes_on_where_it_was(tmp_path, ran, capsys):
    path = tmp_path / "report.json"
    assert simulator.main(["--seeds", "1..3", "--report", str(path)]) == 0
    assert simulator.main(["--seeds", "5..6", "--report", str(path)]) == 0
    assert json.loads(path.read_text())["seeds"] == [[1, 3], [5, 6]]
    assert simulator.main(["--seeds", "1..8", "--report", str(path)]) == 1
    assert ran == [1, 2, 3, 5, 6, 4, 7, 8]
    kept = json.loads(path.read_text())
    assert (kept["seeds"], kept["counts"], kept["points"]) == ([[1, 8]], {"kill": 8}, 80)
    assert kept["violations"] == {"7": ["wrong"]}
    assert "8 seeds, 1 with violations" in capsys.readouterr().out


def test_one_seed_with_its_trace(ran, capsys):
    assert simulator.main(["--seed", "7"]) == 1
    assert "a line" in capsys.readouterr().out
    assert simulator.main(["--seed", "8"]) == 0
    assert "a line" not in capsys.readouterr().out
    assert simulator.main(["--seed", "8", "--trace"]) == 0
    assert "a line" in capsys.readouterr().out


def test_an_outcome_says_how_to_get_it_again(ran):
    assert simulator.simulate(1).require().seed == 1
    with pytest.raises(CheckFailed, match=r"seed 7: 1 violations(.|\n)*--seed 7 --trace(.|\n)*a line"):
        simulator.simulate(7).require()
