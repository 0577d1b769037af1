"""Types as they are written."""

from __future__ import annotations

from dataclasses import replace

from penstock.core.errors import nearest
from penstock.sql.cursor import Cursor
from penstock.sql.lexer import END, QUOTED, WORD
from penstock.sql.types import ALIASES, ELSEWHERE, NAMES, SqlType

_LENGTHS = ("CHAR", "VARCHAR", "BINARY", "VARBINARY")
_PRECISIONS = {"TIMESTAMP": 9, "TIMESTAMP_LTZ": 9, "TIME": 9}


class TypeParser(Cursor):
    """Reads types."""

    def type(self) -> SqlType:
        """A type, perhaps `NOT NULL` or `ARRAY` behind it.

        Raises:
            PlanError: If it is none.
        """
        self.deeper()
        found = self._type()
        while self.token.upper in ("ARRAY", "MULTISET"):
            found = SqlType(self.advance().upper, inner=(found,))
        if self.take("NOT", "NULL"):
            found = replace(found, nullable=False)
        elif self.sees("NULL"):
            self.advance()
        self.depth -= 1
        return found

    def _type(self) -> SqlType:
        start = self.token
        if start.kind != WORD:
            raise self.unexpected("expected a type", hint="such as BIGINT, STRING, DECIMAL(10, 2) or TIMESTAMP(3)")
        self.advance()
        name = start.upper
        if name == "DOUBLE":
            self.take("PRECISION")
        params = self._params(name)
        if name == "TIMESTAMP" and self.take("WITH", "LOCAL", "TIME", "ZONE"):
            name = "TIMESTAMP_LTZ"
        elif name in ("TIMESTAMP", "TIME") and self.take("WITHOUT", "TIME", "ZONE"):
            pass
        elif name == "TIMESTAMP" and self.take("WITH", "TIME", "ZONE"):
            raise self.unsupported(
                "TIMESTAMP WITH TIME ZONE is no type of a column in Flink", start.start,
                hint="TIMESTAMP_LTZ(3): an instant, shown in the session's time zone",
            )  # fmt: skip
        name = ALIASES.get(name, name)
        if name not in NAMES:
            raise self._unknown(start.text, start.start, start.end)
        if name == "INTERVAL":
            return self._interval_type()
        if name in ("ARRAY", "MULTISET", "MAP"):
            return self._nested(name)
        if name == "ROW":
            return self._row_type()
        self._check(name, params, start.start)
        return SqlType(name, params)

    def _unknown(self, name: str, start: int, end: int) -> Exception:
        other = ELSEWHERE.get(name.upper())
        if other is not None:
            return self.text.error(f'no type "{name}" in Flink SQL', start, end, hint=f"write {other}")
        known = [*NAMES, *ALIASES]
        hint = None if nearest(name, known) else f"known: {', '.join(NAMES)}"
        return self.text.error(f'no type "{name}"{nearest(name, known)}', start, end, hint=hint)

    def _params(self, name: str) -> tuple[int, ...]:
        if name == "ROW" or not self.take("("):
            return ()
        if name == "STRING":
            raise self.unexpected("STRING has no length", hint="VARCHAR(n)")
        if self.take("MAX"):
            self.expect(")", "after the length")
            return ()
        found = self.several(lambda: self.number("a length or precision"))
        self.expect(")", "after the length or precision")
        return found

    def _check(self, name: str, params: tuple[int, ...], at: int) -> None:
        most = 2 if name == "DECIMAL" else 1 if name in _LENGTHS or name in _PRECISIONS else 0
        if len(params) > most:
            raise self.text.error(f"{name} takes at most {most} numbers, found {len(params)}", at, self.last_end)
        if name == "DECIMAL" and params:
            precision, scale = (*params, 0)[:2]
            if not 1 <= precision <= 38 or scale > precision:
                raise self.text.error(
                    f"DECIMAL has a precision from 1 to 38 and a scale up to it, found {params}", at, self.last_end
                )
        if name in _PRECISIONS and params and params[0] > 9:
            raise self.text.error(f"{name} has a precision from 0 to 9, found {params[0]}", at, self.last_end)

    def _interval_type(self) -> SqlType:
        first = self.ident("a unit", any_word=True).name.upper()
        params = self._params("INTERVAL")
        if self.take("TO"):
            self.ident("a unit", any_word=True)
            params = self._params("INTERVAL") or params
        if first in ("YEAR", "MONTH"):
            raise self.unsupported("columns of intervals of months are not offered", self.last_end)
        return SqlType("INTERVAL", params)

    def _nested(self, name: str) -> SqlType:
        self.expect("<", f"after {name}", hint=f"{name}<BIGINT>" if name != "MAP" else "MAP<STRING, BIGINT>")
        inner = [self.type()]
        if name == "MAP":
            self.expect(",", "between the types of a map's keys and values")
            inner.append(self.type())
        self.close_angle(name)
        return SqlType(name, inner=tuple(inner))

    def close_angle(self, name: str) -> None:
        """Take the `>` that closes a type."""
        self.expect(">", f"after the types inside of {name}")

    def _row_type(self) -> SqlType:
        closing = ">" if self.take("<") else ")"
        if closing == ")":
            self.expect("(", "after ROW", hint="ROW<a BIGINT, b STRING>")
        names: list[str] = []
        inner: list[SqlType] = []
        while not self.take(closing):
            if self.token.kind == END:
                raise self.unexpected(f'expected "{closing}" after the fields of ROW')
            if self.token.kind == QUOTED or self.peek().kind == WORD:
                names.append(self.ident("the name of a field", any_word=True).name)
            else:
                names.append(f"f{len(names)}")
            inner.append(self.type())
            if self.token.kind == "string":
                self.advance()
            if not self.sees(closing):
                self.expect(",", "between the fields of ROW")
        if len(set(names)) < len(names):
            raise self.text.error("two fields of a ROW have one name", self.last_end - 1)
        return SqlType("ROW", inner=tuple(inner), fields=tuple(names))
