"""Kernels: leaves that numba compiles. Arrays in, arrays out."""

from __future__ import annotations
