"""Texts as blocks of bytes, for tests of kernels of text."""

from __future__ import annotations

import numpy as np

from penstock.kernels.arrays import frozen


def block(text):
    return np.frombuffer(text if isinstance(text, bytes) else text.encode(), dtype=np.uint8)


def state():
    return np.array([1, 0, 0], dtype=np.int64)


def spans(*parts):
    """A block of texts laid end to end, and their spans."""
    data = block(b"".join(parts))
    bounds = np.concatenate(([0], np.cumsum([len(part) for part in parts]))).astype(np.int64)
    return data, frozen(bounds[:-1]), frozen(bounds[1:])
