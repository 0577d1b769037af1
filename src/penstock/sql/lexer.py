"""From a text to tokens. sqlglot's tokenizer cuts it; which signs and quotes there are is Flink's.

Words are not told from keywords here: in Flink most are both.
"""

from __future__ import annotations

import functools
import importlib
import re
from dataclasses import dataclass
from typing import Any

from penstock.core.errors import PlanError
from penstock.sql.text import Text

WORD, QUOTED, STRING, NUMBER, BINARY, SIGN, END = "word", "quoted", "string", "number", "binary", "sign", "end"

LONGEST = 1_000_000
"""The longest text that is read, in characters."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text.

    Attributes:
        kind: `word`, `quoted` (a name in backquotes), `string`, `number`, `binary`, `sign` or `end`.
        text: What it says, without its quotes.
        upper: The same in capitals if it is a word or sign, else empty: what keywords are compared with.
        start: The offset of its first character.
        end: The offset after its last.
        hint: What a comment `/*+ ... */` behind it says, and where.
    """

    kind: str
    text: str
    upper: str
    start: int
    end: int
    hint: tuple[str, int] | None = None


@functools.cache
def _tokenizer() -> tuple[Any, dict[Any, str]]:
    """The tokenizer's class and the kinds of its tokens; made when SQL is first used."""
    tokens: Any = importlib.import_module("sqlglot.tokens")
    kinds = tokens.TokenType
    signs = {"||": kinds.DPIPE, "<>": kinds.NEQ, "!=": kinds.NEQ, "<=": kinds.LTE, ">=": kinds.GTE, "=>": kinds.FARROW}
    body = {
        "IDENTIFIERS": ["`"],
        "IDENTIFIER_ESCAPES": ["`"],
        "QUOTES": ["'"],
        "STRING_ESCAPES": ["'"],
        "COMMENTS": ["--", ("/*", "*/")],
        "HEX_STRINGS": [("x'", "'"), ("X'", "'")],
        "UNICODE_STRINGS": [("U&'", "'"), ("u&'", "'")],
        "KEYWORDS": signs,
        "COMMANDS": set(),
    }
    named = {
        kinds.VAR: WORD, kinds.IDENTIFIER: QUOTED, kinds.STRING: STRING, kinds.NUMBER: NUMBER,
        kinds.HEX_STRING: BINARY, kinds.UNICODE_STRING: "unicode",
    }  # fmt: skip
    return type("FlinkTokenizer", (tokens.Tokenizer,), body), named


def tokens_of(text: Text) -> list[Token]:
    """The tokens of a text; the last is the end.

    Raises:
        PlanError: If a quote or comment is not closed, or a sign is not SQL's.
    """
    if len(text.sql) > LONGEST:
        raise PlanError(f"a text of SQL has at most {LONGEST:,} characters, found {len(text.sql):,}")
    _check_quotes(text)
    cls, kinds = _tokenizer()
    errors: Any = importlib.import_module("sqlglot.errors")
    try:
        found = cls().tokenize(text.sql)
    except errors.SqlglotError as failure:
        raise text.error(f"this is no SQL: {str(failure).splitlines()[0][:120]}", 0) from None
    result = [_token(text, one, kinds) for one in found]
    end = len(text.sql.rstrip())
    return [*result, Token(END, "the end of the text", "", end, end)]


def _token(text: Text, one: Any, kinds: dict[Any, str]) -> Token:
    kind = kinds.get(one.token_type, SIGN)
    start, end, content = one.start, one.end + 1, one.text
    if kind == "unicode":
        kind, content = STRING, re.sub(r"\\([0-9A-Fa-f]{4})", lambda m: chr(int(m[1], 16)), content)
    if kind == SIGN:
        content = text.sql[start:end]
        if content == '"':
            raise text.error(
                'there is no sign " in Flink SQL', start, end, hint="'text' is a string, `name` a quoted name"
            )
    if kind == WORD and not re.fullmatch(r"[^\W\d][\w$]*", content):
        raise text.error(f"there is no sign {content[:20]!r} in Flink SQL", start, end)
    hint = next((comment[1:] for comment in one.comments if comment.startswith("+")), None)
    upper = content.upper() if kind in (WORD, SIGN) else ""
    return Token(kind, content, upper, start, end, (hint, end) if hint is not None else None)


_PIECES = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|`(?:[^`]|``)*`|(?P<comment>/\*)|(?P<string>')|(?P<name>`)", re.DOTALL
)
_UNCLOSED = {
    "comment": ("this comment does not end", "close it with */"),
    "string": ("this string does not end", "close it with '; a quote within it is written ''"),
    "name": ("this quoted name does not end", "close it with `"),
}


def _check_quotes(text: Text) -> None:
    for found in _PIECES.finditer(text.sql):
        kind = found.lastgroup
        if kind is not None:
            message, hint = _UNCLOSED[kind]
            raise text.error(message, found.start(), hint=hint)
