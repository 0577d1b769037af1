"""Connectors by the names and options that Flink gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.connectors import sink_class, source_class
from penstock.connectors.base import Sink, Source
from penstock.core.dtypes import INTEGERS, Boolean, Date, Datetime, Decimal, DType, Float32, Float64, String
from penstock.core.errors import PlanError, nearest
from penstock.core.schema import Schema
from penstock.core.spec import configure
from penstock.sql.lookups import OPTIONS as LOOKUP_OPTIONS
from penstock.sql.lookups import asked_table, jdbc_sink
from penstock.sql.own_options import OF_ALL, own_connector
from penstock.sql.statements import (
    CreateTable,
    Option,
)
from penstock.sql.text import Text

IGNORED = ""
"""An option that has no effect here, and does no harm."""


@dataclass(frozen=True)
class Connector:
    """One of Flink's connectors.

    Attributes:
        ours: Its name here.
        options: Flink's options: ours, `IGNORED`, or a text that begins with `!` and says why it is refused.
        formats: The formats that it may have.
        prefixes: Beginnings of options that are handled as a group.
        source: Builds the source's options; None if it cannot be read from.
        sink: Builds the sink's options; None if it cannot be written to.
        later: Why it is not offered at all.
        asked: Builds a table that is asked by key, and not read.
    """

    ours: str
    options: Mapping[str, str]
    formats: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    source: Callable[[dict[str, str], Schema], dict[str, Any]] | None = None
    sink: Callable[[dict[str, str], Schema, tuple[str, ...]], dict[str, Any]] | None = None
    later: str | None = None
    asked: Callable[[dict[str, str], Schema], Source] | None = None


_JSON = {
    "json.ignore-parse-errors": IGNORED,
    "json.fail-on-missing-field": IGNORED,
    "json.timestamp-format.standard": IGNORED,
    "json.map-null-key.mode": IGNORED,
    "json.encode.decimal-as-plain-number": IGNORED,
    "json.encode.ignore-null-fields": IGNORED,
}
_CSV = {
    "csv.field-delimiter": "delimiter",
    "csv.quote-character": "quote",
    "csv.null-literal": "null",
    "csv.ignore-parse-errors": IGNORED,
    "csv.allow-comments": "!comments in CSV are not read",
    "csv.disable-quote-character": "quote",
    "csv.array-element-delimiter": "!arrays in CSV are not offered",
    "csv.escape-character": "!escape characters in CSV are not offered: quotes are doubled",
}


CHANGES = "debezium-json"
"""The format of changes: JSON in an envelope."""
_CHANGES = {
    f"{CHANGES}.ignore-parse-errors": IGNORED,
    f"{CHANGES}.timestamp-format.standard": IGNORED,
    f"{CHANGES}.schema-include": "!an envelope with its schema is not offered: leave it out at the source",
}


def _decoded(name: str) -> str:
    return "json" if name == CHANGES else name


def _path(given: dict[str, str]) -> str:
    path = given.get("path", "")
    return path.removeprefix("file://")


def _file_format(given: dict[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {"format": _decoded(given["format"])}
    if given["format"] == "csv":
        made["header"] = given.get("csv.header", "false").lower() == "true"
        for key, ours in _CSV.items():
            if key in given and ours and not ours.startswith("!"):
                made[ours] = given[key]
        if given.get("csv.disable-quote-character", "").lower() == "true":
            made["quote"] = ""
        if "delimiter" in made:
            made["delimiter"] = made["delimiter"].replace("\\t", "\t")
    return made


def _file_source(given: dict[str, str], schema: Schema) -> dict[str, Any]:
    made = {"path": _path(given), **_file_format(given)}
    if "source.monitor-interval" in given:
        made["watch"] = given["source.monitor-interval"]
    return made


def _file_sink(given: dict[str, str], schema: Schema, partitioned: tuple[str, ...]) -> dict[str, Any]:
    made = {"path": _path(given), **_file_format(given), "partition_by": partitioned}
    if "sink.mode" in given:
        made["mode"] = given["sink.mode"]
    if "sink.rolling-policy.file-size" in given:
        made["roll_size"] = given["sink.rolling-policy.file-size"]
    return made


_STARTUP = {"earliest-offset": "earliest", "latest-offset": "latest", "group-offsets": "committed"}


def _kafka_settings(given: dict[str, str]) -> dict[str, Any]:
    own = ("properties.bootstrap.servers", "properties.group.id")
    return {
        key.removeprefix("properties."): v
        for key, v in given.items()
        if key.startswith("properties.") and key not in own
    }


def _kafka_source(given: dict[str, str], schema: Schema) -> dict[str, Any]:
    made: dict[str, Any] = {
        "topic": given["topic"].split(";") if ";" in given["topic"] else given["topic"],
        "servers": given["properties.bootstrap.servers"],
        "format": _decoded(given.get("format", given.get("value.format", "json"))),
        "settings": _kafka_settings(given),
    }
    mode = given.get("scan.startup.mode", "group-offsets")
    if mode not in _STARTUP:
        raise PlanError(f"'scan.startup.mode' is not offered as '{mode}'", hint=f"{', '.join(_STARTUP)}")
    made["start"] = "earliest" if mode == "group-offsets" else _STARTUP[mode]
    if given.get("scan.bounded.mode") == "latest-offset":
        made["stop"] = "latest"
    if "properties.group.id" in given:
        made["group"] = given["properties.group.id"]
    return made


def _kafka_sink(given: dict[str, str], schema: Schema, partitioned: tuple[str, ...]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "topic": given["topic"],
        "servers": given["properties.bootstrap.servers"],
        "format": given.get("format", given.get("value.format", "json")),
        "settings": _kafka_settings(given),
    }
    promise = given.get("sink.delivery-guarantee")
    if promise is not None:
        made["guarantee"] = {"exactly-once": "exactly_once", "at-least-once": "at_least_once"}.get(promise, promise)
    if "key.fields" in given:
        made["key"] = [one.strip() for one in given["key.fields"].split(";")]
    return made


_KAFKA = {
    "topic": "topic", "properties.bootstrap.servers": "servers", "properties.group.id": "group",
    "format": "format", "value.format": "format", "key.format": IGNORED, "key.fields": "key",
    "scan.startup.mode": "start", "scan.bounded.mode": "stop", "sink.delivery-guarantee": "guarantee",
    "sink.transactional-id-prefix": IGNORED, "sink.parallelism": IGNORED, "scan.parallelism": IGNORED,
    "sink.partitioner": IGNORED, "scan.topic-partition-discovery.interval": IGNORED, "value.fields-include": IGNORED,
    "topic-pattern": "!topics by a pattern are not offered: name them, with ; between",
    "scan.startup.timestamp-millis": "!a start by time is not offered yet",
    "scan.startup.specific-offsets": "!a start by offsets is not offered in SQL yet", **_JSON, **_CHANGES,
}  # fmt: skip

_KINDS: dict[DType, str] = {String: "string", Boolean: "bool", Float32: "float", Float64: "float"}


def _datagen(given: dict[str, str], schema: Schema) -> dict[str, Any]:
    fields = {one.name: _generated(one.name, one.dtype, given) for one in schema}
    made: dict[str, Any] = {"fields": fields, "rate": float(given.get("rows-per-second", "10000"))}
    if "number-of-rows" in given:
        made["rows"] = int(given["number-of-rows"])
    ends = [
        int(given[f"fields.{n}.end"]) - int(given.get(f"fields.{n}.start", "0")) + 1
        for n in schema.names
        if f"fields.{n}.end" in given
    ]
    if ends:
        made["rows"] = min([*ends, *([made["rows"]] if "rows" in made else [])])
    return made


def _generated(name: str, dtype: DType, given: dict[str, str]) -> dict[str, Any]:
    option = {
        key.removeprefix(f"fields.{name}."): value for key, value in given.items() if key.startswith(f"fields.{name}.")
    }
    if option.get("kind", "random") == "sequence":
        return {"kind": "sequence", "start": int(option.get("start", "0"))}
    if dtype in INTEGERS:
        return {"kind": "int", "least": int(option.get("min", "0")), "most": int(option.get("max", "2147483647"))}
    if dtype in _KINDS:
        made: dict[str, Any] = {"kind": _KINDS[dtype]}
        if dtype == String:
            made["least"] = int(option.get("length", "100"))
        elif dtype != Boolean:
            made |= {"least": float(option.get("min", "0")), "most": float(option.get("max", "1"))}
        return made
    if isinstance(dtype, Datetime):
        return {"kind": "time", "start": "2020-01-01T00:00:00Z", "local": dtype.zone is None}
    kind = "DECIMAL" if isinstance(dtype, Decimal) else "DATE" if dtype == Date else str(dtype)
    raise PlanError(f'datagen makes no column "{name}" of {kind}', hint="a number, STRING, BOOLEAN or TIMESTAMP column")


CONNECTORS: dict[str, Connector] = {
    "filesystem": Connector(
        "files",
        {
            "path": "path", "format": "format", "source.monitor-interval": "watch", "csv.header": "header",
            "sink.mode": "mode", "sink.rolling-policy.file-size": "roll_size", "sink.parallelism": IGNORED,
            "sink.rolling-policy.rollover-interval": IGNORED, "sink.rolling-policy.check-interval": IGNORED,
            "sink.partition-commit.trigger": IGNORED, "sink.partition-commit.delay": IGNORED,
            "sink.partition-commit.policy.kind": IGNORED, "partition.default-name": IGNORED,
            "partition.time-extractor.timestamp-pattern": IGNORED, "auto-compaction": IGNORED,
            "sink.partition-commit.success-file.name": IGNORED, "parquet.compression": IGNORED, **_JSON, **_CSV,
            **_CHANGES,
        },
        formats=("csv", "json", "parquet", CHANGES), source=_file_source, sink=_file_sink,
    ),
    "kafka": Connector(
        "kafka", _KAFKA, formats=("json", CHANGES), prefixes=("properties.",), source=_kafka_source, sink=_kafka_sink
    ),
    "upsert-kafka": Connector("kafka", _KAFKA, later="its tombstones come with the Kafka work"),
    "jdbc": Connector(
        "postgres",
        {
            "url": "url", "table-name": "table", "username": "url", "password": "url", "driver": IGNORED,
            "sink.buffer-flush.max-rows": IGNORED, "sink.buffer-flush.interval": IGNORED, "sink.max-retries": IGNORED,
            "sink.parallelism": IGNORED, "connection.max-retry-timeout": IGNORED,
        },
        prefixes=("scan.", "lookup."), sink=jdbc_sink, asked=asked_table,
    ),
    "datagen": Connector(
        "generate", {"rows-per-second": "rate", "number-of-rows": "rows", "scan.parallelism": IGNORED},
        prefixes=("fields.",), source=_datagen,
    ),
    "print": Connector(
        "stdout",
        {"print-identifier": IGNORED, "standard-error": IGNORED, "sink.parallelism": IGNORED},
        sink=lambda given, schema, parts: {"style": "changes"},
    ),
    "blackhole": Connector("blackhole", {}, sink=lambda given, schema, parts: {}),
}  # fmt: skip
"""Flink's connectors by their names."""

_FORMATS_LATER = {
    "canal-json": "change feeds come with the Kafka and PostgreSQL work",
    "maxwell-json": "change feeds come with the Kafka and PostgreSQL work",
    "ogg-json": "change feeds come with the Kafka and PostgreSQL work",
    "avro": "Avro comes with the Kafka work",
    "avro-confluent": "Avro comes with the Kafka work",
    "protobuf": "Protobuf comes with the Kafka work",
    "raw": "raw values come with the Kafka work",
    "orc": "ORC is not planned; Parquet is offered",
}
_REQUIRED = {
    "filesystem": ("path", "format"), "kafka": ("topic", "properties.bootstrap.servers"), "jdbc": ("url", "table-name"),
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """What a CREATE TABLE says of where rows come from and go to.

    Attributes:
        statement: The statement.
        text: Its text.
        options: The options, those of LIKE included.
    """

    statement: CreateTable
    text: Text
    options: tuple[Option, ...]

    def _checked(self) -> tuple[Connector, dict[str, str]]:
        text, given = self.text, {one.key: one for one in self.options}
        name = given.get("connector")
        statement = self.statement
        if name is None:
            raise text.error(
                f'the table "{statement.name}" has no connector', statement.at, statement.at + 12,
                hint="WITH ('connector' = 'filesystem', 'path' = '...', 'format' = 'json')",
            )  # fmt: skip
        found = CONNECTORS.get(name.value)
        if found is None:
            guess = nearest(name.value, CONNECTORS)
            hint = None if guess else f"known: {', '.join(CONNECTORS)}"
            raise text.error(
                f"no connector '{name.value}'{guess}", name.value_at, name.value_at + len(name.value) + 2, hint=hint
            )
        if found.later:
            raise text.unsupported(
                f"the connector '{name.value}' is not offered yet: {found.later}", name.value_at, name.end
            )
        for key, one in given.items():
            if key not in OF_ALL:
                self._check_option(name.value, found, key, one)
        for key in _REQUIRED.get(name.value, ()):
            if key not in given:
                raise text.error(
                    f"the connector '{name.value}' needs the option '{key}'", name.at, name.end, hint=f"'{key}' = '...'"
                )
        self._check_format(found, given)
        return found, {key: one.value for key, one in given.items()}

    def _check_option(self, name: str, connector: Connector, key: str, one: Option) -> None:
        if any(key.startswith(prefix) for prefix in connector.prefixes):
            if name == "jdbc" and key not in LOOKUP_OPTIONS:
                raise self.text.unsupported(f"'{key}': reading from 'jdbc' is not offered yet", one.at, one.end)
            return
        if key not in connector.options:
            known = ["connector", *connector.options]
            raise self.text.unknown(f"option of '{name}'", key, known, one.at)
        ours = connector.options[key]
        if ours.startswith("!") and one.value.lower() != "false":
            raise self.text.unsupported(f"'{key}': {ours[1:]}", one.at, one.end)

    def _check_format(self, connector: Connector, given: Mapping[str, Option]) -> None:
        one = given.get("format") or given.get("value.format")
        if one is None or not connector.formats or one.value in connector.formats:
            return
        at, end = one.value_at, one.value_at + len(one.value) + 2
        if one.value in _FORMATS_LATER:
            raise self.text.unsupported(
                f"the format '{one.value}' is not offered yet: {_FORMATS_LATER[one.value]}", at, end
            )
        guess = nearest(one.value, connector.formats)
        raise self.text.error(f"no format '{one.value}'{guess}", at, end, hint=f"known: {', '.join(connector.formats)}")

    @property
    def is_changes(self) -> bool:
        """Whether what is read are changes."""
        return any(one.key in ("format", "value.format") and one.value == CHANGES for one in self.options)

    def source(self, schema: Schema, metadata: Mapping[str, str] | None = None) -> Source:
        """What the table is read from; `metadata` names the columns that are no part of values.

        Raises:
            PlanError: If it cannot be.
        """
        ours: Source | None = own_connector(self, CONNECTORS, source_class)
        if ours is not None:
            return ours
        connector, given = self._checked()
        if connector.source is None and connector.asked is None:
            raise self._cannot("read from")
        try:
            if connector.asked is not None:
                return connector.asked(given, schema)
            assert connector.source is not None
            said = {"metadata": metadata} if metadata else {}
            return configure(source_class(connector.ours), connector.source(given, schema) | said)
        except PlanError as refused:
            raise refused.at(self.text.where(self.statement.at, self.statement.at + 12)) from None

    def sink(self, schema: Schema) -> Sink:
        """What the table is written to.

        Raises:
            PlanError: If it cannot be.
        """
        ours: Sink | None = own_connector(self, CONNECTORS, sink_class)
        if ours is not None:
            return ours
        connector, given = self._checked()
        if connector.sink is None:
            raise self._cannot("written to")
        if self.is_changes:
            one = next(o for o in self.options if o.value == CHANGES)
            raise self.text.unsupported(f"'{CHANGES}' is only read yet", one.at, one.end, hint="'json'")
        parts = tuple(one.name for one in self.statement.partitioned)
        try:
            return configure(sink_class(connector.ours), connector.sink(given, schema, parts))
        except PlanError as refused:
            raise refused.at(self.text.where(self.statement.at, self.statement.at + 12)) from None

    def _cannot(self, what: str) -> PlanError:
        name = next(one for one in self.options if one.key == "connector")
        return self.text.error(f"a table with the connector '{name.value}' cannot be {what}", name.at, name.end)
