"""The checks behind `test_tidy.py` and its neighbours: they read the source, and run none of it."""

from __future__ import annotations
