"""How the laws are tried: often enough to find what is wrong, the same way each time; more often in the slow tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]

LAW = settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=_SLOW)
SLOW_LAW = settings(LAW, max_examples=300)
