from __future__ import annotations

import numpy as np
import pytest

from penstock.kernels.arrays import frozen


def test_frozen_does_not_copy_and_leaves_the_original_writable() -> None:
    array = np.arange(4)
    view = frozen(array)
    assert np.shares_memory(array, view)
    assert array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    assert frozen(view) is view


def test_frozen_makes_contiguous_arrays_of_the_type_asked_for() -> None:
    array = frozen(np.arange(10)[::2], np.int32)
    assert array.flags.c_contiguous
    assert array.dtype == np.int32
    assert array.tolist() == [0, 2, 4, 6, 8]
