"""Where the results differ from Flink's, and why."""

from __future__ import annotations

from typing import NamedTuple


class Departure(NamedTuple):
    """A difference that is meant.

    Attributes:
        reason: Why.
        rows: The rows of the table that differ; none = any.
    """

    reason: str
    rows: tuple[int, ...] = ()

    def covers(self, difference: str) -> bool:
        """Whether a difference, in words, is this one."""
        return not self.rows or any(difference.startswith(f"row {row}: the meaning") for row in self.rows)


_FAILS = Departure("Flink 2.3 fails, by an error of its own; there is a value for it")
_BEFORE = Departure("of a moment before 1970 with a fraction of a second Flink takes the next one's fields", (4,))
_YEARS = Departure("the years are 1 to 9999 here, and what is moved beyond them is an error row", (5,))
_FIXED = Departure("CHAR(n) is String here: a constant keeps no length")
_KIND = Departure("TYPEOF does not know of CHAR(n) and NOT NULL")

_FIELDS = ("QUARTER", "MONTH", "DAY", "DOY", "DOW", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "EPOCH")

FUNCTIONS: dict[str, Departure] = {
    "SIGN(ti)": _FAILS,
    "TRUNCATE(d)": _FAILS,
    "TRUNCATE(d, 1)": _FAILS,
    "LEAST(p, q)": _FAILS,
    "ELT(ti, s, u)": _FAILS,
    "JSON_VALUE('{\"a\": \"7\"}', '$.a' RETURNING INT NULL ON ERROR)": _FAILS,
    "IF(b, ai, ARRAY[0])": Departure("IF of arrays is allowed"),
    "UPPER('straße')": _FIXED,
    "CAST(-0.0e0 AS STRING)": Departure("-0.0 is a number of its own"),
    "PRINTF('%d-%s', i, s)": Departure("PRINTF is not offered"),
    "PRINTF('%5.1f|%x', d, i)": Departure("PRINTF is not offered"),
    "TYPEOF(i)": _KIND,
    "TYPEOF('abc')": _KIND,
    "TYPEOF(ai)": _KIND,
    "MAP[s, u]": Departure("a map has no null key: an error row", (1,)),
    **{f"EXTRACT({field} FROM ts)": _BEFORE for field in _FIELDS},
    "EXTRACT(MICROSECOND FROM t6)": _BEFORE,
    **{f"temporal: EXTRACT({field} FROM lz)": _BEFORE for field in ("YEAR", "HOUR", "DAY", "EPOCH")},
    **{f"{field}(ts)": _BEFORE for field in ("HOUR", "MINUTE", "SECOND", "YEAR", "DAYOFWEEK")},
    "temporal: HOUR(lz)": _BEFORE,
    **{f"FLOOR(ts TO {unit})": _BEFORE for unit in ("YEAR", "QUARTER", "MONTH")},
    "CAST(ts AS TIMESTAMP(0))": _BEFORE,
    "CAST(ts AS DATE)": _BEFORE,
    "CAST(ts AS TIME)": _BEFORE,
    "EXTRACT(DAY FROM ts - INTERVAL '1' DAY)": _BEFORE,
    "TIMESTAMPDIFF(DAY, CAST(ts AS DATE), dt)": _BEFORE,
    "CAST(lz AS TIMESTAMP(0))": _BEFORE,
    "DATE_FORMAT(TIMESTAMPADD(HOUR, 1, ts), 'HH')": _YEARS,
    "(b OR NULL) IS TRUE": Departure("a bare NULL is allowed wherever a type can be found for it"),
    "TIMESTAMPDIFF(WEEK, dt, DATE '2024-03-01')": Departure("Flink's own count overflows", (5,)),
    "temporal: lz - INTERVAL '1' HOUR": _YEARS,
    "temporal_berlin: FLOOR(lz TO DAY)": Departure(
        "on days of a change of the clock Flink takes the wrong offset", (6, 7)
    ),
    "temporal_berlin: lz - INTERVAL '1' HOUR": Departure(
        "of an hour that comes twice the gateway does not say which", (7,)
    ),
    "(dt, INTERVAL '1' DAY) OVERLAPS (DATE '2024-02-28', DATE '2024-03-01')": _YEARS,
    "TO_DATE('nope', 'dd.MM.yyyy')": Departure("Flink makes a date of it; here it is null"),
}
"""Function cases, by their text, or by family and text."""

NULLABLE: dict[str, str] = {
    "FROM_BASE64('SGVsbG8=')": "it is null for what is no base64",
    "MAP_FROM_ARRAYS(ARRAY['x', 'y'], ARRAY[1, 2])": "it is null for arrays of different lengths",
    "EXTRACT(MONTH FROM INTERVAL '2-3' YEAR TO MONTH)": "a field of a struct may be null",
}
"""Function cases whose values and type are equal, but not whether they may be null."""

SCRIPTS: dict[str, str] = {
    **dict.fromkeys(
        ("joins/lateral", "joins/lateral_select", "joins/lateral_values"),
        "Flink 2.3 fails, by an error of its own (an unexpected correlate variable); there is a result",
    ),
    "types/ltz": "on days of a change of the clock Flink's FLOOR takes the wrong offset",
    "groups/count_several": "COUNT of several columns, which Flink refuses in streams, is offered",
    "over/lag_default": "LAG looks back from each row; of rows of one instant Flink looks back from the last of them",
    "windows/session_rank": "Flink's rank per window drops a session that was made of late rows; there it is ranked",
    "types/casts": "TRY_CAST to DECIMAL of what is no number is NULL; Flink 2.3 gives 0 for CHAR that is filled up",
    "over/lag": "LAG looks back from each row; of rows of one instant Flink looks back from the last of them",
}
"""Script cases that give something else."""

NOT_YET: dict[str, str] = {
    **dict.fromkeys(
        ("changes/listagg",),
        "FIRST_VALUE and LAST_VALUE follow the order of rows, and those of a Table change",
    ),
    **dict.fromkeys(
        ("groups/collect", "groups/json_aggregates", "groups/listagg_distinct"),
        "COLLECT, JSON_OBJECTAGG, JSON_ARRAYAGG and LISTAGG of distinct values are not offered",
    ),
    "groups/spread_decimal": "STDDEV and VARIANCE of DECIMAL are not offered",
    **dict.fromkeys(
        ("groups/array_agg",),
        "ARRAY_AGG of a column that may be NULL is not offered",
    ),
}
"""Script cases that are refused, because what they need is not offered yet."""
