"""Real servers for tests, started as children of the test run: see CONTRIBUTING.md, "Tests against real servers"."""

from __future__ import annotations
