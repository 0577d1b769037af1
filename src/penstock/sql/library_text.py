"""Strings, regular expressions, URLs and digests of Flink SQL."""

from __future__ import annotations

from penstock.core.dtypes import Int32, String
from penstock.core.errors import PlanError
from penstock.expr.infer import Typed
from penstock.sql.entries import Build, Entry, Given, counted, entry
from penstock.sql.terms import call, constant

_BLANK = constant(" ", String)


def _concat(given: Given) -> Typed:
    return call("concat_str", given.args)


def _trim(side: str) -> Build:
    def build(given: Given) -> Typed:
        letters = given[1] if len(given) > 1 else _BLANK
        return call("sql.trim", [given[0], letters], side=side)

    return build


def _trim_words(given: Given) -> Typed:
    side = str(given.constant(0, "the side")).lower()
    if side not in ("both", "leading", "trailing"):
        raise PlanError(f"TRIM takes BOTH, LEADING or TRAILING, found {side.upper()}")
    return call("sql.trim", [given[2], given[1]], side=side)


def _swapped(name: str) -> Build:
    """Of the two arguments the second first."""
    return lambda given: call(name, [given[1], given[0], *given.args[2:]])


def _locate(given: Given) -> Typed:
    wanted, text, *start = given.args
    return call("sql.locate", [text, wanted, *start]) if start else call("sql.position", [text, wanted])


def _hash(size: str) -> Build:
    return lambda given: call("sql.hash", given.args, size=size)


def _sized_hash(given: Given) -> Typed:
    return call("sql.hash", given.args[:1], size=f"sha{given.constant(1, 'the number of bits')}")


def _charset(name: str) -> Build:
    return lambda given: call(name, given.args[:1], charset=str(given.constant(1, "the character set")).upper())


def _group(name: str, default: int) -> Build:
    def build(given: Given) -> Typed:
        group = given[2] if len(given) > 2 else constant(default, Int32)
        return call(name, [given[0], given[1], group])

    return build


def _str_to_map(given: Given) -> Typed:
    if len(given) == 1:
        return call("sql.str_to_map", given.args)
    pairs, inside = (str(given.constant(i, "a separator")) for i in (1, 2))
    return call("sql.str_to_map", given.args[:1], pairs=pairs, inside=inside)


ENTRIES: tuple[Entry, ...] = (
    entry("|| CONCAT", "s s*", _concat),
    entry("CONCAT_WS", "s s s*", "sql.concat_ws"),
    entry("CHAR_LENGTH CHARACTER_LENGTH", "s", counted("str.len_chars")),
    entry("UPPER", "s", "str.to_uppercase"),
    entry("LOWER", "s", "str.to_lowercase"),
    entry("POSITION", "s s", _swapped("sql.position")),
    entry("INSTR", "s s", "sql.position"),
    entry("LOCATE", "s s i?", _locate),
    entry("TRIM", "s", _trim("both")),
    entry("TRIM", "s s s", _trim_words),
    entry("LTRIM", "s s?", _trim("leading")),
    entry("RTRIM", "s s?", _trim("trailing")),
    entry("BTRIM", "s s?", _trim("both")),
    entry("REPEAT", "s i", "sql.repeat"),
    entry("REPLACE", "s s s", "sql.replace"),
    entry("TRANSLATE", "s s s", "sql.translate"),
    entry("OVERLAY", "s s i i?", "sql.overlay"),
    entry("SUBSTRING SUBSTR", "s i i?", "sql.substring"),
    entry("LEFT", "s i", "sql.left"),
    entry("RIGHT", "s i", "sql.right"),
    entry("LPAD", "s i s", "sql.lpad"),
    entry("RPAD", "s i s", "sql.rpad"),
    entry("INITCAP", "s", "sql.initcap"),
    entry("REVERSE", "s", "str.reverse"),
    entry("ASCII", "s", "sql.ascii"),
    entry("CHR", "w", "sql.chr"),
    entry("ELT", "i s s*", "sql.elt"),
    entry("SPLIT", "s s", "sql.split"),
    entry("SPLIT_INDEX", "s s i", "sql.split_index"),
    entry("STARTSWITH", "s s", "str.starts_with"),
    entry("STARTSWITH", "z z", "bin.starts_with"),
    entry("ENDSWITH", "s s", "str.ends_with"),
    entry("ENDSWITH", "z z", "bin.ends_with"),
    entry("REGEXP", "s s", "sql.regexp"),
    entry("REGEXP_REPLACE", "s s s", "sql.regexp_replace"),
    entry("REGEXP_EXTRACT", "s s i?", _group("sql.regexp_extract", 0)),
    entry("REGEXP_EXTRACT_ALL", "s s i?", _group("sql.regexp_extract_all", 1)),
    entry("REGEXP_COUNT", "s s", "sql.regexp_count"),
    entry("REGEXP_INSTR", "s s", "sql.regexp_instr"),
    entry("REGEXP_SUBSTR", "s s", _group("sql.regexp_extract", 0)),
    entry("TO_BASE64", "s", lambda given: call("str.encode", given.args, encoding="base64")),
    entry("FROM_BASE64", "s", "sql.from_base64"),
    entry("ENCODE", "s s", _charset("sql.encode")),
    entry("DECODE", "z s", _charset("sql.decode")),
    entry("URL_ENCODE", "s", "sql.url_encode"),
    entry("URL_DECODE", "s", "sql.url_decode"),
    entry("PARSE_URL", "s s s?", "sql.parse_url"),
    entry("STR_TO_MAP", "s", _str_to_map),
    entry("STR_TO_MAP", "s s s", _str_to_map),
    entry("MD5", "s", _hash("md5")),
    entry("SHA1", "s", _hash("sha1")),
    entry("SHA224", "s", _hash("sha224")),
    entry("SHA256", "s", _hash("sha256")),
    entry("SHA384", "s", _hash("sha384")),
    entry("SHA512", "s", _hash("sha512")),
    entry("SHA2", "s i", _sized_hash),
)
