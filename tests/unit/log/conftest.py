"""Logs in tests do not wait for the disk: what a process wrote is there for others whether it was synced or not."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="package", autouse=True)
def quick_syncs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield
