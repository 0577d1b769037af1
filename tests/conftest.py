"""Guards are on in all tests, no test depends on speed, and real servers are fixtures.

Guards: every delta on every edge is what the plan says of it.
"""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("PENSTOCK_GUARDS", "1")

settings.register_profile("penstock", deadline=None)
settings.load_profile("penstock")

pytest_plugins = ["tests.services.fixtures"]
