"""Heavy libraries, imported at first use: `import penstock` must stay light.

`from penstock.core.lazy import np, pa, pl` gives the modules themselves to a type checker and
stand-ins at run time that import the library when an attribute is first asked for.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import pyarrow as pa
else:

    class _LazyModule(ModuleType):
        """A module that imports itself when an attribute of it is first read."""

        def __getattr__(self, name: str) -> Any:
            module = importlib.import_module(self.__name__)
            names = module.__dict__.copy()  # in one go: other threads may load submodules meanwhile
            self.__dict__.update({k: v for k, v in names.items() if not k.startswith("__")})
            return getattr(module, name)

    np = _LazyModule("numpy")
    pa = _LazyModule("pyarrow")
    pl = _LazyModule("polars")

__all__ = ["load_polars", "np", "pa", "pl"]


def load_polars() -> None:
    """Import Polars now, with what it does to the process: it takes Ctrl-C for itself, in addition to Python."""
    importlib.import_module("polars")
