"""Where text goes: stderr for people, stdout for answers; secrets never reach either."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from penstock.core.errors import StartError
from penstock.core.spec import Secret, options_of
from penstock.plan.pipeline import Pipeline

if TYPE_CHECKING:
    from rich.console import Console

_SHORTEST_SECRET = 4
_CONNECTORS = ("source", "sink")


class Redaction:
    """Replaces the values of secrets by references to them, in whatever is printed."""

    def __init__(self) -> None:
        self._secrets: dict[str, Secret] = {}

    def learn(self, pipeline: Pipeline) -> None:
        """Note the secrets that the connectors of a pipeline refer to."""
        for node in pipeline.nodes():
            for name in _CONNECTORS:
                for secret in _secrets_of(getattr(node, name, None)):
                    self._secrets[secret.name] = secret

    def __call__(self, text: str) -> str:
        """The text without the values of secrets."""
        for secret in self._secrets.values():
            with contextlib.suppress(StartError, OSError):  # what is not there cannot be told
                value = secret.reveal()
                if len(value) >= _SHORTEST_SECRET:
                    text = text.replace(value, str(secret))
        return text


def _secrets_of(connector: Any) -> Iterable[Secret]:
    if connector is None:
        return
    for one in options_of(type(connector)):
        value = getattr(connector, one.name, None)
        for candidate in value.values() if isinstance(value, dict) else [value]:
            if isinstance(candidate, Secret):
                yield candidate


redaction = Redaction()
"""The secrets of this run of the command line."""


def out(text: str) -> None:
    """An answer, to stdout."""
    _write(sys.stdout, redaction(text))


def tell(text: str) -> None:
    """A line for people, to stderr."""
    _write(sys.stderr, redaction(text))


def error(text: str) -> None:
    """An error, to stderr: its first word in red where there are colours."""
    rest = redaction(text)
    if sys.stderr.isatty():
        shown = console()
        shown.print("error:", style="bold red", end=" ")
        shown.print(rest, markup=False, highlight=False, soft_wrap=True)
    else:
        _write(sys.stderr, f"error: {rest}")


@contextlib.contextmanager
def busy(text: str) -> Iterator[None]:
    """Say what takes a while; in a terminal the line goes when it is done. Without a text nothing is said."""
    if text and sys.stderr.isatty():
        with console().status(text):
            yield
        return
    if text:
        tell(text)
    yield


def _write(stream: TextIO, text: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # whoever read it has seen enough
        stream.write(f"{text}\n")  # in one go: other threads print too
        stream.flush()


def console() -> Console:
    """A Rich console on stderr; it respects NO_COLOR, TERM=dumb and whether there is a terminal."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)
