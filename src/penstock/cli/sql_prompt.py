"""The line editor of `penstock sql`: history, completion, statements of several lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock.cli import terminal
from penstock.cli.failure import Guard
from penstock.cli.sql import Session, complete
from penstock.core import files


def converse(guard: Guard, session: Session, **devices: Any) -> None:
    """Read statements from a terminal and answer them, until it ends.

    Args:
        guard: Reports what nobody expects; the session goes on.
        session: Runs them.
        **devices: Input and output, for tests; by default the terminal.
    """
    from prompt_toolkit import PromptSession
    from prompt_toolkit.application import get_app
    from prompt_toolkit.filters import Condition

    prompt: Any = PromptSession(
        message="sql> ",
        multiline=Condition(lambda: not complete(get_app().current_buffer.text)),
        prompt_continuation="   > ",
        history=_history(),
        completer=_completer(session),
        complete_while_typing=False,
        **devices,
    )
    terminal.tell("Flink's SQL; statements end with ;  help says more, quit leaves.")
    while True:
        typed = _typed(prompt)
        try:
            if typed is None or not session.answer(typed):
                return
        except Exception as failure:  # noqa: BLE001  (reported; the session goes on)
            guard.report(failure)


def _typed(prompt: Any) -> str | None:
    """What was typed: nothing if Ctrl-C drops it, None at the end."""
    try:
        found: str = prompt.prompt()
    except KeyboardInterrupt:
        return ""
    except EOFError:
        return None
    return found


def place_of_history() -> Path:
    """Where what was typed is kept: `sql_history` in the state directory of the user."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "penstock" / "sql_history"


def _history() -> Any:
    """What was typed before; only of this session if it cannot be kept."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    place = place_of_history()
    try:
        files.make_directory(place.parent)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(place))


def _completer(session: Session) -> Any:
    from prompt_toolkit.completion import Completer, Completion

    class Words(Completer):
        """Names that begin like the word before the cursor."""

        def get_completions(self, document: Any, event: Any) -> Iterator[Completion]:
            """Tables and columns first, then functions and keywords."""
            word = document.get_word_before_cursor(WORD=False)
            if not word.strip():
                return
            for name in session.words():
                if name.lower().startswith(word.lower()):
                    yield Completion(name, start_position=-len(word))

    return Words()
