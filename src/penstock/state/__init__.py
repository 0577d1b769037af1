"""State: the thick machinery under thin operators."""

from __future__ import annotations
