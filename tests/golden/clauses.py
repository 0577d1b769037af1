"""The clauses of JSON functions and the types, for the reader of expressions."""

from __future__ import annotations

from typing import Any

from penstock.core.dtypes import (
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    List,
    Map,
    String,
    Struct,
    Time,
)
from penstock.expr.infer import Typed
from penstock.sql.functions import Session
from penstock.sql.terms import MONTHS

_SIMPLE = {
    "TINYINT": Int8, "SMALLINT": Int16, "INT": Int32, "INTEGER": Int32, "BIGINT": Int64, "FLOAT": Float32,
    "DOUBLE": Float64, "BOOLEAN": Boolean, "STRING": String, "BYTES": Binary, "DATE": Date, "CHAR": String,
    "VARCHAR": String, "BINARY": Binary, "VARBINARY": Binary, "TIME": Time, "TIME_WITHOUT_TIME_ZONE": Time,
}  # fmt: skip


class Clauses:
    """What `Reader` inherits: words are its own."""

    session: Session
    peek: Any
    take: Any
    need: Any
    next: Any
    call: Any
    expression: Any
    sum: Any

    # -- JSON -------------------------------------------------------------------

    def read_json_value(self) -> Typed:
        """JSON_VALUE and its clauses."""
        name = self.next()
        self.need("(")
        args, options = list[Typed](), dict[str, Any]()
        while not self.take(")"):
            if self.take(",") or not args:
                args.append(self.expression())
            elif self.take("RETURNING"):
                options["returning"] = self.type()[0]
            elif self.take("DEFAULT"):
                value = self.expression()
                self.need("ON")
                options[f"default_{self.next().lower()}"] = value
            elif self.peek() in ("WITH", "WITHOUT"):
                words = []
                while not words or words[-1] != "WRAPPER":
                    words.append(self.next().upper())
                options["wrapper"] = " ".join(words)
            else:
                words = []
                while not self.take("ON"):
                    words.append(self.next().upper())
                options[f"on_{self.next().lower()}"] = " ".join(words)
        return self.call(name, *args, **options)

    read_json_query = read_json_exists = read_json_array = read_json_value

    def read_json_object(self) -> Typed:
        """JSON_OBJECT([KEY] k VALUE v ... [ABSENT ON NULL])."""
        name = self.next()
        self.need("(")
        args, options = list[Typed](), dict[str, Any]()
        while not self.take(")"):
            if self.take(","):
                continue
            if self.peek() in ("NULL", "ABSENT") and self.peek(1) == "ON":
                options["on_null"] = self.next().upper()
                self.need("ON", "NULL")
                continue
            self.take("KEY")
            args.append(self.sum())
            self.need("VALUE")
            args.append(self.expression())
        return self.call(name, *args, **options)

    # -- Types ------------------------------------------------------------------

    def type(self) -> tuple[DType, dict[str, Any]]:
        """A type, and what of it the plan's types do not hold."""
        name = self.next().upper()
        if name in ("ARRAY", "MAP", "MULTISET", "ROW"):
            return self.nested(name), {}
        numbers = [int(one) for one in self.numbers()]
        found: DType
        shape: dict[str, Any] = {}
        if name == "DECIMAL":
            found = Decimal(*(numbers or [10, 0]))
        elif name.startswith("TIMESTAMP"):
            digits = numbers[0] if numbers else 6
            zone = self.session.zone if "LTZ" in name or "LOCAL" in name else None
            found, shape = Datetime("ms" if digits <= 3 else "us", zone), {"digits": digits}
        elif name.startswith("INTERVAL_"):
            found = MONTHS if "YEAR" in name else Duration("ms")
        else:
            found = _SIMPLE[name]
            if name in ("CHAR", "VARCHAR", "BINARY", "VARBINARY"):
                shape = {"length": numbers[0], "fixed": "VAR" not in name}
        if self.take("NOT", "NULL"):
            shape["required"] = True
        return found, shape

    def numbers(self) -> list[str]:
        """Numbers in brackets, if they follow."""
        if not self.take("("):
            return []
        found = []
        while not self.take(")"):
            found.append(self.next())
            self.take(",")
        return found

    def nested(self, name: str) -> DType:
        """ARRAY<...> and the like."""
        self.need("<")
        parts: list[tuple[str, DType]] = []
        while not self.take(">"):
            field = self.next().strip("`") if name == "ROW" else ""
            parts.append((field, self.type()[0]))
            self.take(",")
        self.take("NOT", "NULL")
        if name == "ROW":
            return Struct(tuple(parts))
        return List(parts[0][1]) if name == "ARRAY" else Map(parts[0][1], parts[1][1] if len(parts) > 1 else Int32)
