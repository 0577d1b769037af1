r"""Regular expressions: the dialect that all engines read alike, and its plain-Python meaning.

It is that of RE2 and of Rust's `regex`, which match in linear time: no look-around, no back-references. What
the engines would read differently is refused too: possessive repetition, set operations inside of classes, scripts.
`^` and `$` are the ends of the text (of a line with the flag `m`), `\w \d \s \b` follow Unicode. What a group holds
that is repeated and may be empty, as in `(a*)*`, is up to the engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import NoReturn

from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.lazy import pl
from penstock.expr import characters
from penstock.expr.characters import Ranges

_REPEATS = ("*", "+", "?", "{")
_LINEAR = "patterns are matched in linear time, as by RE2"


@dataclass(frozen=True)
class Groups:
    """The groups of a pattern.

    Attributes:
        count: How many there are, without the whole match.
        names: Those that have names, by number.
    """

    count: int
    names: dict[int, str] = field(default_factory=dict)

    def __contains__(self, reference: object) -> bool:
        if isinstance(reference, str) and reference.isdigit():
            reference = int(reference)
        return 0 <= reference <= self.count if isinstance(reference, int) else reference in self.names.values()


@cache
def check(pattern: str) -> Groups:
    """The groups of a pattern.

    Raises:
        UnsupportedError: If it uses what the dialect leaves out; the message says what and why.
        PlanError: If it is no pattern at all.
    """
    if not isinstance(pattern, str):
        raise PlanError(f"a pattern is a constant string, found {pattern!r}")
    reader = _Reader(pattern)
    reader.read()
    try:
        pl.select(pl.lit("").str.contains(pattern))
    except pl.exceptions.ComputeError as refused:
        reason = str(refused).partition("\n\nThis error")[0].strip().rpartition("\n")[2].removeprefix("error: ")
        raise PlanError(f"{pattern!r} is no pattern: {reason}") from None
    return Groups(reader.groups, reader.names)


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern for Python's `re`, with the same meaning."""
    return re.compile(_Reader(pattern, translate=True).read())


def matches(pattern: str, text: str) -> Iterator[re.Match[str]]:
    """All matches that do not overlap; an empty one may not follow directly upon another."""
    regex, position, last = compiled(pattern), 0, -1
    while position <= len(text):
        found = regex.search(text, position)
        if found is not None and found.start() == found.end() == last:
            found = regex.search(text, position + 1) if position < len(text) else None
        if found is None:
            return
        yield found
        position = last = found.end()


# -- Replacements -----------------------------------------------------------------------------------

_REFERENCE = re.compile(r"\$(?:(\$)|\{([^}]*)\}|([0-9A-Za-z_]+))")


def check_replacement(replacement: str, groups: Groups) -> None:
    """Refuse references to groups that are not there.

    Raises:
        PlanError: If there is one; `$1a` is the group `1a`, `${1}a` the group 1 and an `a`.
    """
    if not isinstance(replacement, str):
        raise PlanError(f"a replacement is a constant string, found {replacement!r}")
    for found in _REFERENCE.finditer(replacement):
        name = found[2] if found[2] is not None else found[3]
        if name is not None and name not in groups:
            number = re.match("[0-9]+", name)
            hint = f"write ${{{number[0]}}}{name[number.end() :]}" if number and number[0] != name else "$$ is a dollar"
            raise PlanError(f'the replacement {replacement!r} names a group "{name}" that is not there', hint=hint)


def expand(replacement: str, match: re.Match[str]) -> str:
    """A replacement with what the groups of a match hold."""

    def value(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] if reference[2] is not None else reference[3]
        return match[int(name) if name.isdigit() else name] or ""

    return _REFERENCE.sub(value, replacement)


# -- Reading ----------------------------------------------------------------------------------------


class _Reader:
    """Reads a pattern once, from left to right: refuses what is not in the dialect, and may translate the rest."""

    def __init__(self, pattern: str, translate: bool = False) -> None:
        self.pattern = pattern
        self.translate = translate
        self.groups = 0
        self.names: dict[int, str] = {}
        self._at = 0
        self._multiline = [False]

    def read(self) -> str:
        """The pattern for Python; the empty string if it is only checked."""
        parts, close = [], ""
        opening = re.match(r"\(\?([a-zA-Z-]+)\)", self.pattern)
        if opening:
            parts.append(self._flags(opening[1]))
            self._at, close = opening.end(), ")"
        while self._at < len(self.pattern):
            parts.append(self._piece())
        return "".join([*parts, close]) if self.translate else ""

    def _refuse(self, what: str, why: str, hint: str | None = None) -> NoReturn:
        raise UnsupportedError(f"{what} in the pattern {self.pattern!r} is not supported: {why}", hint=hint)

    def _piece(self) -> str:
        start = self.pattern[self._at]
        if start == "(":
            return self._group()
        if start == "[":
            return self._class()
        if start == "\\":
            return self._escape()
        if start in _REPEATS:
            return self._repetition()
        self._at += 1
        if start == ")":
            if len(self._multiline) > 1:
                self._multiline.pop()
            return start
        if start == "^":
            return r"(?:\A|(?<=\n))" if self._multiline[-1] else r"(?:\A)"
        if start == "$":
            return r"(?=\n|\Z)" if self._multiline[-1] else r"(?:\Z)"
        return start if start in "|." else re.escape(start)

    def _repetition(self) -> str:
        found = re.compile(r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??").match(self.pattern, self._at)
        if found is None:
            self._refuse("a brace that counts nothing", "engines read it differently", r"write \{ for a brace")
        self._at = found.end()
        if self.pattern[self._at : self._at + 1] in _REPEATS:
            what = self.pattern[found.start() : self._at + 1]
            self._refuse(f"the repetition {what}", "engines read it differently", "put what is repeated into (?:...)")
        return found[0]

    def _group(self) -> str:
        rest = self.pattern[self._at + 1 :]
        if rest.startswith(("?=", "?!", "?<=", "?<!")):
            self._refuse("look-around", _LINEAR)
        if rest.startswith("?P="):
            self._refuse("a back-reference", _LINEAR)
        if rest.startswith(("?>", "?(", "?#", "?R", "?&", "?|", "?P>")):
            self._refuse(f"({rest[:2]}", _LINEAR if rest[1] != "#" else "engines have no comments in patterns")
        named = re.match(r"\?P?<([A-Za-z][A-Za-z0-9]*)>", rest)
        flags = re.match(r"\?([a-zA-Z-]*):", rest)
        if named is None and flags is None and rest.startswith("?"):
            if re.match(r"\?[a-zA-Z-]+\)", rest):
                self._refuse("a flag in the middle", "engines read it differently", "begin with it, or write (?i:...)")
            self._refuse(f"({rest[:3]}", "no group begins like that", "names are letters and digits")
        if flags is not None:
            self._at += 1 + flags.end()
            return self._flags(flags[1])
        self.groups += 1
        self._multiline.append(self._multiline[-1])
        self._at += 1 + (named.end() if named else 0)
        if named:
            self.names[self.groups] = named[1]
        return f"(?P<{named[1]}>" if named else "("

    def _flags(self, flags: str) -> str:
        """The opening of a group with flags; `m` is written into `^` and `$` instead."""
        on, _, off = flags.partition("-")
        unknown = set(on + off) - set("ims")
        if unknown:
            self._refuse(f"the flag {sorted(unknown)[0]}", "engines share the flags i, m and s only")
        self._multiline.append("m" in on or (self._multiline[-1] and "m" not in off))
        kept, dropped = on.replace("m", ""), off.replace("m", "")
        return f"(?{kept}{'-' + dropped if dropped else ''}:"

    # -- Characters and classes ----------------------------------------------------------------------

    def _escape(self) -> str:
        name = self.pattern[self._at + 1 : self._at + 2]
        if name.isdigit() or name == "k":
            self._refuse("a back-reference", _LINEAR)
        if name in ("b", "B"):
            self._at += 2
            if self.pattern.startswith("{", self._at):
                self._refuse(r"\b{", "engines read it differently")
            return self._boundary(name == "B")
        if name in ("A", "z"):
            self._at += 2
            return r"(?:\A)" if name == "A" else r"(?:\Z)"
        return self._set(self._escaped())

    def _escaped(self) -> Ranges:
        """The characters that an escape stands for, here and inside of classes."""
        name = self.pattern[self._at + 1 : self._at + 2]
        self._at += 2
        match name:
            case "d" | "D" | "s" | "S" | "w" | "W":
                if not self.translate:
                    return ()
                lower = name.lower()
                found = (
                    characters.category("Nd") if lower == "d"
                    else characters.WHITE_SPACE if lower == "s" else characters.word()
                )  # fmt: skip
                return found if name == lower else characters.complement(found)
            case "p" | "P":
                return self._property(name == "P")
            case "n" | "r" | "t" | "f" | "v" | "a":
                point = ord({"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a"}[name])
                return ((point, point),)
            case "x" | "u" | "U":
                point = self._code_point({"x": 2, "u": 4, "U": 8}[name])
                return ((point, point),)
        if not name or not name.isascii() or name.isalnum() or name in "<>":
            self._refuse(f"\\{name}", "no engine, or not every engine, knows this escape")
        return ((ord(name), ord(name)),)

    def _code_point(self, digits: int) -> int:
        found = re.compile(rf"\{{([0-9A-Fa-f]+)\}}|([0-9A-Fa-f]{{{digits}}})").match(self.pattern, self._at)
        point = int(found[1] or found[2], 16) if found else characters.LAST + 1
        if found is None or point > characters.LAST:
            self._refuse("an escape by number", "it needs a code point in hexadecimal digits")
        self._at = found.end()
        return point

    def _property(self, negated: bool) -> Ranges:
        found = re.compile(r"\{([^}]*)\}|([A-Z])").match(self.pattern, self._at)
        name = (found[1] if found[2] is None else found[2]) if found else ""
        if found is None or not characters.is_category(name):
            hint = "scripts and properties have other names in each engine; \\p{L}, \\p{Lu}, \\p{Nd} and the like work"
            self._refuse(f"the class {name!r}", "only general categories are shared", hint)
        self._at = found.end()
        if not self.translate:
            return ()
        ranges = characters.category(name)
        return characters.complement(ranges) if negated else ranges

    def _boundary(self, negated: bool) -> str:
        if not self.translate:
            return ""
        word = self._set(characters.word())
        if negated:
            return f"(?:(?<={word})(?={word})|(?<!{word})(?!{word}))"
        return f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"

    def _class(self) -> str:
        start = self._at
        negated = self.pattern.startswith("[^", start)
        self._at += 2 if negated else 1
        parts: list[Ranges] = []
        first = True
        while True:
            if self._at >= len(self.pattern):
                raise PlanError(f"{self.pattern!r} is no pattern: unclosed character class")
            if self.pattern[self._at] == "]" and not first:
                break
            parts.append(self._item())
            first = False
        self._at += 1
        if not self.translate:
            return ""
        ranges = characters.union(parts)
        return self._set(ranges, negated)

    def _item(self) -> Ranges:
        """One part of a class: a character, a range, or a named set."""
        posix = re.compile(r"\[:(\^?)([a-z]+):\]").match(self.pattern, self._at)
        if posix and posix[2] in characters.POSIX:
            self._at = posix.end()
            found = characters.POSIX[posix[2]]
            return characters.complement(found) if posix[1] else found
        if self.pattern[self._at] == "[":
            self._refuse("a class inside of a class", "engines read it differently", r"write \[ for a bracket")
        if self.pattern[self._at : self._at + 2] in ("&&", "--", "~~"):
            self._refuse(self.pattern[self._at : self._at + 2], "not every engine has operations on classes")
        first = self._single()
        following = self.pattern[self._at + 1 : self._at + 2]
        if not self.pattern.startswith("-", self._at) or following in ("]", ""):
            return first
        if following == "-":
            self._refuse("--", "not every engine has operations on classes", r"write \- for a hyphen")
        self._at += 1
        last = self._single()
        if self.translate and (len(first) != 1 or len(last) != 1 or first[0][0] > last[0][1]):
            raise PlanError(f"{self.pattern!r} is no pattern: a range in a class has no end")
        return ((first[0][0], last[0][1]),) if first and last else ()

    def _single(self) -> Ranges:
        if self.pattern.startswith("\\", self._at):
            return self._escaped()
        point = ord(self.pattern[self._at])
        self._at += 1
        return ((point, point),)

    def _set(self, ranges: Ranges, negated: bool = False) -> str:
        if not self.translate:
            return ""
        if not ranges:
            return r"[\s\S]" if negated else "(?!)"
        inside = "".join(f"\\U{a:08x}" if a == b else f"\\U{a:08x}-\\U{b:08x}" for a, b in ranges)
        return f"[{'^' if negated else ''}{inside}]"
