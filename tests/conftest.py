"""Guards are on in all tests, no test depends on speed, and real servers are fixtures.

Guards: every delta on every edge is what the plan says of it. Generated examples are the same in every run, so that a
red run tells of the change and not of chance; `HYPOTHESIS_PROFILE=explore` draws others each time.
"""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("PENSTOCK_GUARDS", "1")

settings.register_profile("penstock", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "penstock"))

pytest_plugins = ["tests.services.fixtures"]
