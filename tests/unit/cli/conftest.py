from __future__ import annotations

import sys

import pytest

from tests.unit.cli.command import Command


@pytest.fixture
def penstock(tmp_path, capsys, monkeypatch):
    """The command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("PENSTOCK_PROFILE", "PENSTOCK_STATE", "PENSTOCK_SHARDS"):
        monkeypatch.delenv(name, raising=False)
    before = set(sys.modules)
    yield Command(tmp_path, capsys, monkeypatch)
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
