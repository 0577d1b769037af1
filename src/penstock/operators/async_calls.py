"""Calls of one asynchronous function of the user: made in the event loop, awaited by a thread that asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.expr.function import RowFault
from penstock.expr.user_functions import UserFunction, reason_of
from penstock.expr.user_values import Record, conform, conform_row

if TYPE_CHECKING:
    from penstock.operators.map_async import MapAsync


class AsyncFunction:
    """A function with what its `setup` gave; `setup` runs once, in the event loop, and may be async too.

    Args:
        declared: The function.
        timeout_us: How long a call may take.
    """

    def __init__(self, declared: UserFunction, timeout_us: int) -> None:
        self.declared, self.timeout_us = declared, timeout_us
        self._first: Any = None

    def called(self, row: Mapping[str, Any], arguments: tuple[Any, ...] | None) -> Any:
        """What the function gives for a row, or for arguments.

        Raises:
            RowFault: If it fails, or takes too long.
        """
        if arguments is not None and self.skips(arguments):
            return None
        # The event loop takes long to import: only who waits for a function needs it.
        from penstock.core.coroutines import event_loop

        given = (Record(row),) if arguments is None else arguments
        try:
            return event_loop().call(lambda: self._call(given), self.timeout_us)
        except TimeoutError as failed:
            late = "" if str(failed) else f": no answer within {self.timeout_us / 1e6:g} s"
            raise RowFault(reason_of(self.declared.name, failed) + late) from None
        except Exception as failed:  # noqa: BLE001  (user code may raise anything)
            raise RowFault(reason_of(self.declared.name, failed)) from None

    def skips(self, arguments: tuple[Any, ...]) -> bool:
        """Whether an argument is null where the annotation does not take that: then there is no call."""
        declared = zip(arguments, self.declared.parameters, strict=True)
        return any(value is None and not null for value, (_, _, null) in declared)

    async def _call(self, arguments: tuple[Any, ...]) -> Any:
        if self.declared.setup is None:
            return await self.declared.function(*arguments)
        return await self.declared.function(await self._prepared(), *arguments)

    async def _prepared(self) -> Any:
        if self._first is None:
            from penstock.core.coroutines import to_be

            made = self.declared.setup() if self.declared.setup is not None else None
            # The calls of all rows wait for the one that was first.
            self._first = to_be(made)
        return await self._first


def conformed(node: MapAsync, given: Any, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a call gave as a row of the output; None = no row.

    Raises:
        RowFault: If it is not what was declared.
    """
    name = node.function.name
    try:
        if node.column is not None:
            return {**row, node.column: conform(given, node.function.gives)}
        if given is None:
            return None
        made = conform_row(given, node.columns)
    except RowFault as fault:
        raise RowFault(reason_of(name, fault)) from None
    time = node.facts.time
    if time and made[time] != row[time]:
        raise RowFault(f'{name} changed the event time "{time}"')
    return made
