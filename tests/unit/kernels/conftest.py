"""Run a test twice: with kernels compiled, and with the kernels as plain Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from penstock.kernels._jit import Kernel, interpreted


@pytest.fixture(scope="module", params=["compiled", "interpreted"])
def kernels(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "interpreted":
            patch.setattr(Kernel, "__call__", Kernel.interpret)
        yield "interpreted" if interpreted() else request.param
