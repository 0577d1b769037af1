"""Guards are on in all tests: every delta on every edge is what the plan says of it. Fixtures of real servers."""

from __future__ import annotations

import os

os.environ.setdefault("PENSTOCK_GUARDS", "1")

pytest_plugins = ["tests.services.fixtures"]
