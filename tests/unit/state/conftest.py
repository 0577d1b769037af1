"""The state is tested with kernels compiled and interpreted."""

from __future__ import annotations

from tests.unit.kernels.conftest import kernels

__all__ = ["kernels"]
