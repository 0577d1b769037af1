"""Penstock: stream processing in Python, on an embedded, vectorised engine.

import penstock as ps
from penstock import col
"""

from __future__ import annotations

from typing import Any as _Any

from penstock.api.aggregates import aggregate
from penstock.api.functions import udf
from penstock.api.grouping_sets import cube, grouping_sets, rollup
from penstock.api.planned import unknown_member as _unknown_member
from penstock.api.process_inputs import process
from penstock.api.read import read
from penstock.api.sql import load, sql
from penstock.api.stream import Stream, Table
from penstock.core.dtypes import (
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    Duration,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Json,
    List,
    Map,
    Null,
    String,
    Struct,
    Time,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
)  # fmt: skip
from penstock.core.errors import JobError, PenstockError, PlanError, StartError
from penstock.core.schema import Field, Schema
from penstock.core.spec import Secret as secret
from penstock.expr.build import Expr, col, count, from_epoch, lit, struct, when
from penstock.expr.build import function as _function
from penstock.expr.functions import FUNCTIONS as _FUNCTIONS
from penstock.operators.process_calls import Process, side
from penstock.operators.process_states import ListState, MapState, ValueState
from penstock.plan.custom_windows import custom
from penstock.plan.emission import every
from penstock.plan.keyed_windows import count_window, global_window, hybrid, session, sliding
from penstock.plan.pipeline import Pipeline
from penstock.plan.ttl import processing_time
from penstock.plan.watermark import ingestion_time, monotonic, punctuated
from penstock.plan.windows import cumulative, hopping, tumbling

__version__ = "0.1.0"

__all__ = [
    "Binary",
    "Boolean",
    "Date",
    "Datetime",
    "Decimal",
    "Duration",
    "Embedded",
    "Expr",
    "Field",
    "Float32",
    "Float64",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Job",
    "JobError",
    "Json",
    "List",
    "ListState",
    "Map",
    "MapState",
    "Null",
    "PenstockError",
    "Pipeline",
    "PlanError",
    "Process",
    "Schema",
    "StartError",
    "Stream",
    "String",
    "Struct",
    "Table",
    "Time",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "ValueState",
    "aggregate",
    "col",
    "count",
    "count_window",
    "cube",
    "cumulative",
    "custom",
    "every",
    "from_epoch",
    "global_window",
    "grouping_sets",
    "hopping",
    "hybrid",
    "ingestion_time",
    "lit",
    "load",
    "monotonic",
    "process",
    "processing_time",
    "punctuated",
    "read",
    "rollup",
    "run",
    "secret",
    "session",
    "side",
    "sliding",
    "sql",
    "start",
    "struct",
    "tumbling",
    "udf",
    "when",
]

_LAZY = {
    "run": "penstock.runner",
    "start": "penstock.runner",
    "Embedded": "penstock.runner",
    "Job": "penstock.engine.job",
}


def __getattr__(name: str) -> _Any:
    """The engine, imported when it is first asked for, and the functions of several columns (`ps.coalesce`)."""
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    if name == "flow":
        import importlib

        return importlib.import_module("penstock.flow")
    if name in _FUNCTIONS and _FUNCTIONS[name].top:
        return _function(name)
    raise _unknown_member(name, [*__all__, *(top for top, function in _FUNCTIONS.items() if function.top)])
