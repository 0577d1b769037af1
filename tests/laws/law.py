"""How the laws are tried: often enough to find what is wrong, the same way each time; more often in the slow tests."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

from penstock.testing.check import reference

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]

# Without shrinking, which takes minutes: a failure already shows the input up to the first step that differs.
LAW = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=_SLOW,
)
SLOW_LAW = settings(LAW, max_examples=100, phases=(Phase.explicit, Phase.generate, Phase.shrink))


def told(case):
    """What the reference makes of a case."""
    return reference(case)
