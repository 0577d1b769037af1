"""Compile a kernel with numba at its first call, or run it as plain Python.

A kernel is a flat function of arrays and scalars. Numba takes most of a second to import, so a
decorated function holds only its Python form until somebody calls it; kernels that it calls are
compiled with it. `PENSTOCK_JIT=0` runs the Python form instead: the slow twin of every kernel is
the kernel itself, and tests run both.

Compiled kernels are kept on disk by numba, which notices a change of the kernel's own file only. What
a kernel takes from elsewhere (kernels it calls, constants) is compiled into it, so a digest of
all that is part of the name under which it is kept.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import threading
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType, ModuleType
from typing import Any, Generic, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

_lock = threading.RLock()


def interpreted() -> bool:
    """Whether kernels run as plain Python (`PENSTOCK_JIT=0`)."""
    return os.environ.get("PENSTOCK_JIT", "1") == "0"


class Kernel(Generic[P, R]):
    """A function that is compiled when it is first called.

    Attributes:
        python: the function as written; runs without numba, one element at a time.
        lean: whether it makes no arrays, so that references to arrays need not be counted.
    """

    def __init__(self, function: Callable[P, R], inline: bool, lean: bool = False) -> None:
        self.python = function
        self.inline = inline
        self.lean = lean
        self._compiled: Callable[P, R] | None = None
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        compiled = self._compiled
        if compiled is None:
            compiled = self.compile()
        return compiled(*args, **kwargs)

    def compile(self) -> Callable[P, R]:
        """The compiled form; the Python form if kernels are interpreted."""
        with _lock:
            if self._compiled is None:
                self._compiled = self.interpret if interpreted() else self._by_numba()
            return self._compiled

    def interpret(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the Python form with the arithmetic of compiled code: x / 0.0 is inf, nothing warns.

        Unsigned integers wrap around in both forms. Compiled signed arithmetic must not overflow: the compiler
        reckons that it does not, and what it then leaves out is seen far away.
        """
        numpy: Any = importlib.import_module("numpy")
        with numpy.errstate(all="ignore"):
            return self.python(*args, **kwargs)

    def digest(self) -> str:
        """A digest of the code and of all that is compiled into it: kernels it calls and constants."""
        function = cast(FunctionType, self.python)
        hasher = hashlib.sha256(function.__code__.co_code)
        hasher.update(b"lean" if self.lean else b"")
        for part in _constants(function.__code__):
            hasher.update(part.encode())
        for name in function.__code__.co_names:
            value = function.__globals__.get(name)
            if isinstance(value, Kernel):
                hasher.update(value.digest().encode())
            elif isinstance(value, int | float | bool | str | tuple):
                hasher.update(f"{name}={value!r};".encode())
        return hasher.hexdigest()[:16]

    def _by_numba(self) -> Callable[P, R]:
        numba: Any = importlib.import_module("numba")
        function = cast(FunctionType, self.python)
        scope = dict(function.__globals__)
        for name in function.__code__.co_names:
            value = scope.get(name)
            if isinstance(value, Kernel):
                scope[name] = value.compile()
            elif isinstance(value, ModuleType):
                # A stand-in of `penstock.core.lazy`: numba knows the module itself only.
                scope[name] = importlib.import_module(value.__name__)
        # The same code under the same file, so that numba's cache on disk finds it again.
        bound = FunctionType(function.__code__, scope, function.__name__, function.__defaults__)
        bound.__module__ = function.__module__
        bound.__qualname__ = f"{function.__qualname__}_{self.digest()}"
        bound.__annotations__ = {}
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        if self.lean:
            options["_nrt"] = False
        if self.inline:
            return cast("Callable[P, R]", numba.njit(forceinline=True, **options)(bound))
        try:
            return cast("Callable[P, R]", numba.njit(cache=True, **options)(bound))
        except RuntimeError:
            # No directory is writable (a read-only image without a home): compile anew in each process.
            return cast("Callable[P, R]", numba.njit(**options)(bound))


class Intrinsic(Kernel[P, R]):
    """A kernel whose compiled form is not its Python form: a machine instruction that NumPy has no word for."""

    def __init__(self, function: Callable[P, R], build: Callable[[], Any]) -> None:
        super().__init__(function, inline=True)
        self._build = build

    def _by_numba(self) -> Callable[P, R]:
        return cast("Callable[P, R]", self._build())


def _constants(code: CodeType) -> Iterable[str]:
    for constant in code.co_consts:
        if not isinstance(constant, CodeType):
            yield repr(constant)
    yield from code.co_names


def kernel(function: Callable[P, R]) -> Kernel[P, R]:
    """Mark a function of arrays as a kernel: compiled at first call, cached on disk, without the GIL."""
    return Kernel(function, inline=False)


def scalar(function: Callable[P, R]) -> Kernel[P, R]:
    """Mark a small function of scalars that kernels call; it is compiled into its caller."""
    return Kernel(function, inline=True)


def lean_kernel(function: Callable[P, R]) -> Kernel[P, R]:
    """Mark a kernel that makes no arrays and calls `lean_scalar` helpers only.

    Numba counts references to an array wherever it is handed to a helper, inlined or not: some 5 ns each,
    more than most helpers do. Without the counting no array can be made.
    """
    return Kernel(function, inline=False, lean=True)


def lean_scalar(function: Callable[P, R]) -> Kernel[P, R]:
    """Mark a small function that takes arrays or scalars and that lean kernels call; it makes no arrays."""
    return Kernel(function, inline=True, lean=True)
