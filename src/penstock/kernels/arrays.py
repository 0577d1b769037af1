"""Names for the arrays that kernels take, and the one form in which they take what they only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.core.lazy import np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    # A scalar in a kernel: an `int` or `float` of Python, or its NumPy form.
    Number = Any

    Array = NDArray[Any]
    Words = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Entries = NDArray[np.uint64]
    Rows = NDArray[np.int32]
    Bytes = NDArray[np.uint8]
    Flags = NDArray[np.bool_]


def frozen(array: Array, dtype: DTypeLike | None = None) -> Array:
    """The array in the form in which kernels take input: contiguous and read-only.

    Numba compiles a kernel once per combination of types, and a writable array is another type than
    a read-only one; Polars hands out read-only arrays, so that is the form all input is given.

    Args:
        array: any array; copied only if it is not contiguous or of another type.
        dtype: the element type to have, as it is if not given.

    Returns:
        A view (or copy) that cannot be written through; the given array stays as it is.
    """
    view = np.ascontiguousarray(array, dtype=dtype)
    if view.flags.writeable:
        view = view.view()
        view.flags.writeable = False
    return view
