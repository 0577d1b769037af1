"""Plans as texts that can be read back: Python, YAML and SQL."""

from __future__ import annotations
