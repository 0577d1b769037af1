"""A place in a list of tokens: what comes next, what is expected, and what to say if it is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from penstock.core.errors import PlanError, UnsupportedError
from penstock.sql.lexer import END, NUMBER, QUOTED, SIGN, STRING, WORD, Token, tokens_of
from penstock.sql.syntax import Hint, Ident
from penstock.sql.text import Text

T = TypeVar("T")

DEEPEST = 50
"""How deeply expressions and queries may be nested."""

RESERVED = frozenset(
    (
        "ALL", "AND", "ANY", "AS", "BETWEEN", "CASE", "CREATE", "CROSS", "CUBE", "DISTINCT", "DROP", "ELSE", "EMIT",
        "END", "EXCEPT", "EXISTS", "FALSE", "FETCH", "FILTER", "FOR", "FROM", "FULL", "GROUP", "HAVING", "IN",
        "INNER", "INSERT", "INTERSECT", "INTERVAL", "INTO", "IS", "JOIN", "LATERAL", "LEFT", "LIKE", "LIMIT",
        "MATCH_RECOGNIZE", "MINUS", "NATURAL", "NOT", "NULL", "OFFSET", "ON", "OR", "ORDER", "OUTER", "OVER",
        "PARTITION", "QUALIFY", "RIGHT", "ROLLUP", "SELECT", "SET", "TABLE", "TABLESAMPLE", "THEN", "TO", "TRUE",
        "UNION", "UNNEST", "USING", "VALUES", "WHEN", "WHERE", "WINDOW", "WITH",
    )
)  # fmt: skip
"""Words that are no names unless they are quoted."""


class Cursor:
    """Walks over the tokens of a text."""

    def __init__(self, text: Text, tokens: list[Token] | None = None) -> None:
        self.text = text
        self.tokens = tokens if tokens is not None else tokens_of(text)
        self.index = 0
        self.depth = 0

    # -- looking ---------------------------------------------------------------

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[min(self.index, len(self.tokens) - 1)]

    @property
    def last_end(self) -> int:
        """The offset after the token before."""
        return self.tokens[self.index - 1].end if self.index else 0

    def peek(self, ahead: int = 1) -> Token:
        """A token further on."""
        return self.tokens[min(self.index + ahead, len(self.tokens) - 1)]

    def sees(self, *words: str) -> bool:
        """Whether these words or signs come next."""
        return all(self.peek(i).upper == word for i, word in enumerate(words))

    def sees_any(self, words: frozenset[str] | tuple[str, ...]) -> bool:
        """Whether one of these words or signs comes next."""
        return bool(self.token.upper) and self.token.upper in words

    # -- taking ----------------------------------------------------------------

    def advance(self) -> Token:
        """Take the next token."""
        token = self.token
        if token.kind != END:
            self.index += 1
        return token

    def take(self, *words: str) -> bool:
        """Take these words or signs if they come next."""
        if not self.sees(*words):
            return False
        self.index += len(words)
        return True

    def take_any(self, words: frozenset[str] | tuple[str, ...]) -> str | None:
        """Take one of these words if it comes next."""
        return self.advance().upper if self.sees_any(words) else None

    def expect(self, word: str, after: str, *, hint: str | None = None) -> Token:
        """Take a word or sign that must come next."""
        if self.token.upper != word:
            shown = word if word[0].isalpha() else f'"{word}"'
            raise self.unexpected(f"expected {shown} {after}", hint=hint)
        return self.advance()

    def string(self, what: str) -> Token:
        """Take a string that must come next."""
        if self.token.kind != STRING:
            hint = "strings are in single quotes" if self.token.kind in (QUOTED, WORD, NUMBER) else None
            raise self.unexpected(f"expected {what} as a string", hint=hint)
        return self.advance()

    def number(self, what: str) -> int:
        """Take a whole number that must come next."""
        token = self.token
        if token.kind != NUMBER or not token.text.isdigit():
            raise self.unexpected(f"expected {what} as a whole number")
        self.advance()
        return int(token.text)

    def ident(self, what: str, *, any_word: bool = False) -> Ident:
        """Take a name that must come next."""
        token = self.token
        if token.kind == QUOTED or (token.kind == WORD and (any_word or token.upper not in RESERVED)):
            self.advance()
            return Ident(token.text, at=token.start, end=token.end)
        if token.kind == WORD:
            raise self.unexpected(f"expected {what}", hint=f"{token.upper} is a word of SQL: as a name, `{token.text}`")
        if token.kind == STRING:
            raise self.unexpected(f"expected {what}", hint=f"names are not in ' but in `: `{token.text}`")
        raise self.unexpected(f"expected {what}")

    def path(self, what: str) -> tuple[Ident, ...]:
        """Take `a.b.c`."""
        found = [self.ident(what)]
        while self.take("."):
            found.append(self.ident(what, any_word=True))
        return tuple(found)

    def several(self, item: Callable[[], T]) -> tuple[T, ...]:
        """One or more of something, with commas between."""
        found = [item()]
        while self.take(","):
            if self.token.upper in ("FROM", ")", ";"):
                raise self.text.error(
                    "there is a comma too many", self.tokens[self.index - 1].start, hint="leave the last comma out"
                )
            found.append(item())
        return tuple(found)

    def in_brackets(self, item: Callable[[], T], what: str) -> tuple[T, ...]:
        """`(a, b)`."""
        self.expect("(", f"before {what}")
        found = self.several(item)
        self.expect(")", f"after {what}")
        return found

    def hints(self) -> tuple[Hint, ...]:
        """What a comment `/*+ ... */` behind the token before says."""
        written = self.tokens[self.index - 1].hint if self.index else None
        if written is None:
            return ()
        inner = Text(written[0].strip() or "none", self.text.file)
        try:
            return Cursor(inner)._hint_list()
        except PlanError as refused:
            raise self.text.error(f"in a hint, {refused.message}", written[1], hint=refused.hint) from None

    def _hint_list(self) -> tuple[Hint, ...]:
        found = []
        while self.token.kind != END:
            name = self.ident("the name of a hint").name.upper()
            items: list[str] = []
            options: list[tuple[str, str]] = []
            if self.take("("):
                while not self.take(")"):
                    token = self.advance()
                    if token.kind == END:
                        raise self.text.error('expected ")"', token.start)
                    if self.take("="):
                        options.append((token.text, self.advance().text))
                    else:
                        items.append(token.text)
                    self.take(",")
            found.append(Hint(name, tuple(items), tuple(options)))
            self.take(",")
        return tuple(found)

    # -- refusing --------------------------------------------------------------

    def unexpected(self, message: str, *, hint: str | None = None) -> PlanError:
        """The error for what comes next."""
        token = self.token
        found = token.text if token.kind == END else f'"{token.text[:40]}"'
        return self.text.error(f"{message}, found {found}", token.start, token.end, hint=hint)

    def unsupported(self, message: str, at: int, *, hint: str | None = None) -> UnsupportedError:
        """The error for what is understood and not offered, from an offset to here."""
        return self.text.unsupported(message, at, self.last_end, hint=hint)

    def deeper(self) -> None:
        """Count a level of nesting."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.text.error(f"this is nested more than {DEEPEST} levels deep", self.token.start)

    @property
    def at_sign(self) -> bool:
        """Whether a sign comes next."""
        return self.token.kind == SIGN
