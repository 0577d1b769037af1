"""Machine instructions for kernels: prefetch a cache line, load and store eight bytes at any position."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from penstock.core.lazy import np
from penstock.kernels._jit import Intrinsic

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Bytes, Number


def _prefetch(array: Array, position: Number) -> None:
    """Ask for the cache line of an element; it changes nothing but time.

    Args:
        array: a contiguous array.
        position: counts elements in memory order, also for two dimensions; it is not checked.
    """


def _load_eight(heap: Bytes, position: Number) -> Number:
    """The eight bytes from `position` on as a little-endian number; the caller keeps inside the array."""
    return np.uint64(int.from_bytes(heap[position : position + 8].tobytes(), "little"))


def _store_eight(heap: Bytes, position: Number, word: Number) -> None:
    """Write a number as eight little-endian bytes from `position` on; the caller keeps inside the array."""
    heap[position : position + 8] = np.frombuffer(int(word).to_bytes(8, "little"), np.uint8)


def _build_prefetch() -> Any:
    extending: Any = importlib.import_module("numba.extending")
    types: Any = importlib.import_module("numba.core.types")
    ir: Any = importlib.import_module("llvmlite.ir")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        line = builder.bitcast(builder.gep(view.data, [arguments[1]]), ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [line.type, word, word, word])
        call = builder.module.declare_intrinsic("llvm.prefetch", [line.type], kind)
        # For reading (0), to stay in all caches (3), in the data cache (1).
        builder.call(call, [line, word(0), word(3), word(1)])
        return context.get_dummy_value()

    def prefetch(typing_context: Any, array: Any, position: Any) -> Any:
        return types.none(array, types.intp), generate

    return extending.intrinsic(prefetch)


def _build_load_eight() -> Any:
    extending: Any = importlib.import_module("numba.extending")
    types: Any = importlib.import_module("numba.core.types")
    ir: Any = importlib.import_module("llvmlite.ir")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(view.data, [arguments[1]])
        word = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    def load_eight(typing_context: Any, heap: Any, position: Any) -> Any:
        return types.uint64(heap, types.intp), generate

    return extending.intrinsic(load_eight)


def _build_store_eight() -> Any:
    extending: Any = importlib.import_module("numba.extending")
    types: Any = importlib.import_module("numba.core.types")
    ir: Any = importlib.import_module("llvmlite.ir")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(view.data, [arguments[1]])
        builder.store(arguments[2], builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)
        return context.get_dummy_value()

    def store_eight(typing_context: Any, heap: Any, position: Any, word: Any) -> Any:
        return types.none(heap, types.intp, types.uint64), generate

    return extending.intrinsic(store_eight)


prefetch = Intrinsic(_prefetch, _build_prefetch)
load_eight = Intrinsic(_load_eight, _build_load_eight)
store_eight = Intrinsic(_store_eight, _build_store_eight)
