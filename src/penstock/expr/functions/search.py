r"""Searching in strings: by text and by regular expressions (see `penstock.expr.patterns`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import Boolean, DType, List, String, Struct, UInt32
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr import patterns
from penstock.expr.function import Function, NotOnFlink, Resolver, Signature, Spelling
from penstock.expr.signatures import TEXT, takes

_PATTERN = "a regular expression, or the text itself if `literal`"


# -- Types ------------------------------------------------------------------------------------------


def _searching(returns: DType) -> Resolver:
    """A string and a pattern that can be read."""

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        _groups(options)
        return takes(TEXT, returns=returns)(types, options)

    return resolve


def _groups(options: Mapping[str, Any]) -> patterns.Groups:
    if options.get("literal"):
        if not isinstance(options["pattern"], str):
            raise PlanError(f"the text to look for is a constant string, found {options['pattern']!r}")
        return patterns.Groups(0)
    return patterns.check(options["pattern"])


def _replacing(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    groups = _groups(options)
    if not options["literal"]:
        patterns.check_replacement(options["value"], groups)
    elif not isinstance(options["value"], str):
        raise PlanError(f"a replacement is a constant string, found {options['value']!r}")
    return takes(TEXT, returns=String)(types, options)


def _extracting(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    groups, index = _groups(options), options["group_index"]
    if isinstance(index, bool) or not isinstance(index, int) or index not in groups:
        raise PlanError(f"the pattern {options['pattern']!r} has {groups.count} group(s), so no group {index!r}")
    return takes(TEXT, returns=String)(types, options)


def _group_types(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    groups = _groups(options)
    if not groups.count:
        raise PlanError(f"the pattern {options['pattern']!r} has no groups", hint="put what to take into ( )")
    names = [groups.names.get(i, str(i)) for i in range(1, groups.count + 1)]
    return takes(TEXT, returns=Struct(tuple((name, String) for name in names)))(types, options)


def _splitting(returns: DType) -> Resolver:
    """A string and a constant separator."""

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        by, index = options["by"], options.get("index", 0)
        if not isinstance(by, str) or (not by and "index" in options):
            raise PlanError(f"a string is split by a constant string, found {by!r}")
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            raise PlanError(f"the index of a part is a constant from 0 on, found {index!r}")
        return takes(TEXT, returns=returns)(types, options)

    return resolve


# -- Meaning ----------------------------------------------------------------------------------------


def _pattern(pattern: str, literal: bool) -> str:
    """The pattern that finds a text."""
    if not literal:
        return pattern
    return "".join(
        f"\\{c}" if c.isascii() and c.isprintable() and not c.isalnum() and c not in " <>" else c for c in pattern
    )


def _contains(text: str, pattern: str, literal: bool) -> bool:
    return pattern in text if literal else patterns.compiled(pattern).search(text) is not None


def _find(text: str, pattern: str, literal: bool) -> int | None:
    found = patterns.compiled(_pattern(pattern, literal)).search(text)
    return None if found is None else len(text[: found.start()].encode())


def _count(text: str, pattern: str, literal: bool) -> int:
    return sum(1 for _ in patterns.matches(_pattern(pattern, literal), text))


def _replaced(once: bool) -> Callable[..., str]:
    def meaning(text: str, pattern: str, value: str, literal: bool) -> str:
        if literal:
            return text.replace(pattern, value, 1 if once else -1)
        parts, end = [], 0
        for found in patterns.matches(pattern, text):
            parts += [text[end : found.start()], patterns.expand(value, found)]
            end = found.end()
            if once:
                break
        return "".join([*parts, text[end:]])

    return meaning


def _extract(text: str, pattern: str, group_index: int) -> str | None:
    found = patterns.compiled(pattern).search(text)
    return None if found is None else found[group_index]


def _extract_groups(text: str, pattern: str) -> dict[str, str | None]:
    compiled = patterns.compiled(pattern)
    names = {number: name for name, number in compiled.groupindex.items()}
    found = compiled.search(text)
    return {names.get(i, str(i)): found[i] if found else None for i in range(1, compiled.groups + 1)}


def _split(text: str, by: str, inclusive: bool) -> list[str]:
    if not by:
        return list(text)
    parts = text.split(by)
    if not inclusive:
        return parts
    kept = [part + by for part in parts[:-1]]
    return [*kept, parts[-1]] if parts[-1] else kept


def _split_index(text: str, by: str, index: int) -> str | None:
    parts = text.split(by)
    return parts[index] if index < len(parts) else None


def _lower_split_index(text: Any, by: str, index: int) -> Any:
    if index > 8:
        return text.str.split(by).list.get(index, null_on_oob=True)
    return text.str.split_exact(by, index).struct.field(f"field_{index}")


# -- Flink ------------------------------------------------------------------------------------------


def _if_literal(literal: str | NotOnFlink, pattern: str | NotOnFlink) -> Callable[..., Spelling]:
    return lambda types, options: literal if options["literal"] else pattern


def _replace_on_flink(types: Sequence[DType], options: Mapping[str, Any]) -> Spelling:
    if options["literal"]:
        return "REPLACE({0}, {pattern}, {value})" if options["pattern"] else _EMPTY
    if re.search(r"\$\$|\$\{|\\", options["value"]):
        return NotOnFlink("Java reads this replacement differently")
    return "REGEXP_REPLACE({0}, {pattern}, {value})"


_EMPTY = NotOnFlink("Flink finds no empty text")
_ONCE = NotOnFlink("Flink replaces all matches, not the first only")


def _affix(name: str, doc: str, oracle: Callable[[str, str], bool], flink: str, examples: Sequence[Any]) -> Function:
    return Function(
        name=f"str.{name}",
        doc=doc,
        signature=takes(TEXT, TEXT, returns=Boolean),
        polars=lambda text, affix: getattr(text.str, name)(affix),
        oracle=oracle,
        flink=flink,
        examples=examples,
        guesses=[name.replace("s_", "").replace("_", ""), name.replace("_", "")],
    )


FUNCTIONS = (
    Function(
        name="str.contains",
        doc=f"Whether `pattern` is found anywhere: {_PATTERN}.",
        signature=_searching(Boolean),
        polars=lambda text, pattern, literal: text.str.contains(pattern, literal=literal),
        oracle=_contains,
        options={"pattern": ..., "literal": False},
        flink=_if_literal("(POSITION({pattern} IN {0}) > 0)", "REGEXP({0}, {pattern})"),
        examples=[
            (("2024-01",), {"pattern": "^[0-9]{4}-"}, True),
            (("a.b",), {"pattern": ".", "literal": True}, True),
            (("ab",), {"pattern": ".", "literal": True}, False),
            ((None,), {"pattern": "a"}, None),
        ],
        guesses=["matches", "regexp", "rlike", "search"],
    ),
    _affix(
        "starts_with",
        "Whether it begins with a text.",
        str.startswith,
        "STARTSWITH({0}, {1})",
        [(("abc", "ab"), True), (("abc", "b"), False), ((None, "a"), None), (("a", None), None)],
    ),
    _affix(
        "ends_with",
        "Whether it ends with a text.",
        str.endswith,
        "ENDSWITH({0}, {1})",
        [(("abc", "bc"), True), (("abc", "b"), False), ((None, "a"), None)],
    ),
    Function(
        name="str.find",
        doc=f"Where the first match of `pattern` begins, in bytes of UTF-8 from 0; null if there is none. {_PATTERN}.",
        signature=_searching(UInt32),
        polars=lambda text, pattern, literal: text.str.find(pattern, literal=literal),
        oracle=_find,
        gives_null=True,
        options={"pattern": ..., "literal": False},
        flink=NotOnFlink("Flink's POSITION counts characters"),
        examples=[
            (("éab",), {"pattern": "a"}, 2),
            (("a.b",), {"pattern": ".", "literal": True}, 1),
            (("ab",), {"pattern": "x"}, None),
            ((None,), {"pattern": "a"}, None),
        ],
        guesses=["index_of", "position", "locate", "instr"],
    ),
    Function(
        name="str.count_matches",
        doc=f"How many matches of `pattern` do not overlap: {_PATTERN}.",
        signature=_searching(UInt32),
        polars=lambda text, pattern, literal: text.str.count_matches(pattern, literal=literal),
        oracle=_count,
        options={"pattern": ..., "literal": False},
        flink=_if_literal(NotOnFlink("Flink counts matches of patterns only"), "REGEXP_COUNT({0}, {pattern})"),
        examples=[
            (("abcabc",), {"pattern": "a|b"}, 4),
            (("a.b",), {"pattern": ".", "literal": True}, 1),
            (("",), {"pattern": "a*"}, 1),
            ((None,), {"pattern": "a"}, None),
        ],
        guesses=["count", "regexp_count"],
    ),
    Function(
        name="str.extract",
        doc="What a group of the first match of `pattern` holds, the first group by default, 0 for the whole match; "
        "null if there is no match or the group took no part in it.",
        signature=_extracting,
        polars=lambda text, pattern, group_index: text.str.extract(pattern, group_index),
        oracle=_extract,
        gives_null=True,
        options={"pattern": ..., "group_index": 1},
        flink="REGEXP_EXTRACT({0}, {pattern}, {group_index})",
        examples=[
            (("id=42;",), {"pattern": "id=([0-9]+)"}, "42"),
            (("id=42;",), {"pattern": "id=[0-9]+", "group_index": 0}, "id=42"),
            (("none",), {"pattern": "id=([0-9]+)"}, None),
            ((None,), {"pattern": "(a)"}, None),
        ],
        guesses=["regexp_extract"],
    ),
    Function(
        name="str.extract_all",
        doc="All matches of `pattern` as a list.",
        signature=_searching(List(String)),
        polars=lambda text, pattern: text.str.extract_all(pattern),
        oracle=lambda text, pattern: [found[0] for found in patterns.matches(pattern, text)],
        options={"pattern": ...},
        flink="REGEXP_EXTRACT_ALL({0}, {pattern}, 0)",
        examples=[
            (("a1b22",), {"pattern": "[0-9]+"}, ["1", "22"]),
            (("a",), {"pattern": "x"}, []),
            ((None,), {"pattern": "x"}, None),
        ],
        guesses=["findall", "find_all", "regexp_extract_all"],
    ),
    Function(
        name="str.extract_groups",
        doc="What the groups of the first match of `pattern` hold, as a struct whose fields have the names of the "
        "groups, or their numbers; all are null if there is no match.",
        signature=_group_types,
        polars=lambda text, pattern: pl.when(text.is_not_null()).then(text.str.extract_groups(pattern)),
        oracle=_extract_groups,
        options={"pattern": ...},
        flink=NotOnFlink("Flink takes one group at a time"),
        examples=[
            (("x=1",), {"pattern": "(?<key>[a-z])=([0-9])"}, {"key": "x", "2": "1"}),
            (("none",), {"pattern": "(a)"}, {"1": None}),
            ((None,), {"pattern": "(a)"}, None),
        ],
    ),
    Function(
        name="str.replace",
        doc="With the first match of `pattern` replaced by `value`, in which `$1` or `${name}` stands for a group and "
        "`$$` for a dollar, unless `literal`.",
        signature=_replacing,
        polars=lambda text, pattern, value, literal: text.str.replace(pattern, value, literal=literal),
        oracle=_replaced(once=True),
        options={"pattern": ..., "value": ..., "literal": False},
        flink=_ONCE,
        examples=[
            (("abab",), {"pattern": "a(b)", "value": "$1-"}, "b-ab"),
            (("a.b.",), {"pattern": ".", "value": "$1", "literal": True}, "a$1b."),
            ((None,), {"pattern": "a", "value": "b"}, None),
        ],
        guesses=["sub"],
    ),
    Function(
        name="str.replace_all",
        doc="With all matches of `pattern` replaced by `value`, in which `$1` or `${name}` stands for a group and "
        "`$$` for a dollar, unless `literal`.",
        signature=_replacing,
        polars=lambda text, pattern, value, literal: text.str.replace_all(pattern, value, literal=literal),
        oracle=_replaced(once=False),
        options={"pattern": ..., "value": ..., "literal": False},
        flink=_replace_on_flink,
        examples=[
            (("abab",), {"pattern": "(a)(b)", "value": "${2}x$1"}, "bxabxa"),
            (("abxd",), {"pattern": "x*", "value": "-"}, "-a-b-d-"),
            (("a.b.",), {"pattern": ".", "value": "", "literal": True}, "ab"),
            ((None,), {"pattern": "a", "value": "b"}, None),
        ],
        guesses=["gsub", "regexp_replace"],
    ),
    Function(
        name="str.split",
        doc="The parts between separators as a list; with `inclusive` each part keeps the separator behind it. An "
        "empty separator gives the characters.",
        signature=_splitting(List(String)),
        polars=lambda text, by, inclusive: text.str.split(by, inclusive=inclusive),
        oracle=_split,
        options={"by": ..., "inclusive": False},
        flink=lambda types, options: (
            NotOnFlink("Flink's SPLIT drops the separators") if options["inclusive"] else "SPLIT({0}, {by})"
        ),
        examples=[
            (("a,b,",), {"by": ","}, ["a", "b", ""]),
            (("a,b,",), {"by": ",", "inclusive": True}, ["a,", "b,"]),
            (("aé",), {"by": ""}, ["a", "é"]),
            (("",), {"by": ","}, [""]),
            ((None,), {"by": ","}, None),
        ],
    ),
    Function(
        name="str.split_index",
        doc="The part with this index, from 0, of what `by` separates; null if there are not so many.",
        signature=_splitting(String),
        polars=_lower_split_index,
        oracle=_split_index,
        gives_null=True,
        options={"by": ..., "index": ...},
        flink="SPLIT_INDEX({0}, {by}, {index})",
        examples=[
            (("a/b/c",), {"by": "/", "index": 1}, "b"),
            (("a/b",), {"by": "/", "index": 2}, None),
            ((None,), {"by": "/", "index": 0}, None),
        ],
        guesses=["split_part", "get_part", "split_exact"],
    ),
)
