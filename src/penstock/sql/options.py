"""SET: what Flink's options do here."""

from __future__ import annotations

import difflib
import zoneinfo
from dataclasses import dataclass, field

from penstock.core.errors import PlanError
from penstock.core.timespan import duration
from penstock.plan.ttl import ProcessingTime, TimeToLive
from penstock.sql.statements import (
    ResetOption,
    SetOption,
)
from penstock.sql.text import Text

ZONE = "table.local-time-zone"
NAME = "pipeline.name"
MODE = "execution.runtime-mode"
IDLE = "table.exec.source.idle-timeout"
TTL = "table.exec.state.ttl"
HONOURED = (ZONE, NAME, MODE, IDLE, TTL)
_PREFIXES = (
    "table.", "execution.", "pipeline.", "state.", "parallelism.", "sql-client.", "rest.", "restart-strategy",
    "taskmanager.", "jobmanager.", "taskmanager", "heartbeat.", "fs.", "s3.", "security.", "metrics.", "web.",
    "high-availability", "akka.", "pekko.", "blob.", "cluster.", "env.", "python.", "yarn.", "kubernetes.",
    "classloader.", "job.", "client.", "io.", "historyserver.",
)  # fmt: skip


@dataclass
class SessionOptions:
    """What SET has said.

    Attributes:
        given: The options and their values.
        notes: What is without effect, for people.
    """

    given: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def zone(self) -> str:
        """The session's zone."""
        return self.given.get(ZONE, "UTC")

    @property
    def idle(self) -> int | None:
        """The timeout of silent sources, in microseconds; None = none."""
        return duration(self.given[IDLE]) or None if IDLE in self.given else None

    @property
    def ttl(self) -> TimeToLive | None:
        """How long groups and keys of duplicates are kept, by the clock; None = for ever."""
        return TimeToLive.of(ProcessingTime(self.given[TTL])) if duration(self.given.get(TTL, "0 s")) else None

    def set(self, statement: SetOption, text: Text) -> None:
        """Honour, map or note an option.

        Raises:
            PlanError: If it is none of Flink's, or the value does not fit.
        """
        key, value = statement.key, statement.value
        if key is None:
            return
        at, end = statement.value_at, statement.end
        if key == ZONE:
            try:
                zoneinfo.ZoneInfo(value)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError):
                raise text.error(
                    f"no time zone '{value}'", at, end, hint="a name such as 'America/New_York' or 'UTC'"
                ) from None
        elif key == MODE:
            if value.lower() not in ("streaming", "automatic"):
                raise text.unsupported(
                    f"'{MODE}' = '{value}' is not offered", at, end, hint="streaming: bounded input ends by itself"
                )
        elif key == IDLE:
            self._check_duration(value, text, at, end)
        elif key == TTL:
            self._check_duration(value, text, at, end)
            self.notes.append(
                f"SET '{key}' holds for GROUP BY, DISTINCT and first rows of keys; joins and other ranks keep all"
            )
        elif key != NAME:
            self._other(key, statement, text)
        self.given[key] = value

    def _check_duration(self, value: str, text: Text, at: int, end: int) -> None:
        try:
            duration(value)
        except PlanError as refused:
            raise text.error(refused.message, at, end, hint="such as '30 s' or '1 h'") from None

    def _other(self, key: str, statement: SetOption, text: Text) -> None:
        close = difflib.get_close_matches(key, HONOURED, n=1, cutoff=0.85)
        if close:
            raise text.unknown("option", key, list(HONOURED), statement.at + 5)
        if not key.startswith(_PREFIXES):
            raise text.error(
                f"no option '{key}' in Flink", statement.at, statement.end, hint=f"honoured: {', '.join(HONOURED)}"
            )
        self.notes.append(f"SET '{key}' is without effect here")

    def reset(self, statement: ResetOption) -> None:
        """Forget an option, or all."""
        if statement.key is None:
            self.given.clear()
        else:
            self.given.pop(statement.key, None)
