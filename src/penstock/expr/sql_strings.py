"""The plain meanings of Flink's string functions that Python's own do not have."""

from __future__ import annotations

import base64
import hashlib
import re
import urllib.parse
from typing import Any

from penstock.expr.function import RowFault


def like_pattern(pattern: str, escape: str | None) -> str:
    """The regular expression of a LIKE pattern.

    Raises:
        RowFault: If the escape character stands before none of `%`, `_` and itself.
    """
    found, place = "", 0
    while place < len(pattern):
        letter = pattern[place]
        if escape is not None and letter == escape:
            following = pattern[place + 1 : place + 2]
            if following not in ("%", "_", escape) or not following:
                raise RowFault("the escape character escapes nothing")
            found += re.escape(following)
            place += 2
            continue
        found += {"%": ".*", "_": "."}.get(letter, re.escape(letter))
        place += 1
    return f"(?s)^(?:{found})$"


def similar_pattern(pattern: str) -> str:
    """The regular expression of a SIMILAR TO pattern."""
    found, inside = "", False
    for letter in pattern:
        inside = letter == "[" or (inside and letter != "]")
        if letter in "%_" and not inside:
            found += {"%": ".*", "_": "."}[letter]
        elif letter in ".^$\\" and not inside:
            found += "\\" + letter
        else:
            found += letter
    return f"(?s)^(?:{found})$"


def like(text: str, pattern: str, escape: str | None = None) -> bool:
    """LIKE."""
    return re.match(like_pattern(pattern, escape).removesuffix("$") + r"\Z", text) is not None


def substring(text: str, start: int, length: int | None = None) -> str | None:
    """SUBSTRING: from 1, or from the end if negative; 0 is as 1; null for a length below zero."""
    if length is not None and length < 0:
        return None
    first = start - 1 if start > 0 else len(text) + start if start < 0 else 0
    if first >= len(text) or first < 0:
        return ""
    last = len(text) if length is None else first + length
    return text[first:last]


def position(text: str, wanted: str, start: int = 1) -> int:
    """Where a text is found first, from 1; 0 if nowhere."""
    return text.find(wanted, max(start, 1) - 1) + 1 if wanted else 1


def overlay(text: str, other: str, start: int, length: int | None = None) -> str:
    """OVERLAY: a part replaced."""
    size = len(other) if length is None else length
    if start <= 0 or start > len(text):
        return text
    end = start - 1 + size
    rest = text[end:] if size > 0 else ""
    return text[: start - 1] + other + rest


def translate(text: str, old: str, new: str) -> str:
    """Letters replaced one by one; those without a counterpart are dropped."""
    table: dict[str, str] = {}
    for place, letter in enumerate(old):
        table.setdefault(letter, new[place] if place < len(new) else "")
    return "".join(table.get(letter, letter) for letter in text)


def padded(text: str, length: int, fill: str, left: bool) -> str | None:
    """LPAD and RPAD: cut to the length if longer."""
    if length < 0:
        return None
    if len(text) >= length:
        return text[:length]
    if not fill:
        return None
    missing = length - len(text)
    more = (fill * (missing // len(fill) + 1))[:missing]
    return more + text if left else text + more


def initcap(text: str) -> str:
    """The first letter of each word in upper case; only ASCII letters and digits make words."""
    found, before = "", False
    for letter in text:
        inside = letter.isascii() and letter.isalnum()
        found += letter if not inside else letter.lower() if before else letter.upper()
        before = inside
    return found


def split(text: str, by: str) -> list[str]:
    """SPLIT: by a text; by an empty one into characters."""
    return [] if not text else text.split(by) if by else list(text)


def split_index(text: str, by: str, index: int) -> str | None:
    """The part with an index from 0; null if there is none."""
    parts = [] if not text else text.split(by) if by else [text]
    return parts[index] if 0 <= index < len(parts) else None


def digest(text: str, size: str) -> str:
    """A digest of the UTF-8 bytes in hexadecimal digits."""
    return hashlib.new(size, text.encode(), usedforsecurity=False).hexdigest()


def url_encode(text: str) -> str:
    """As forms of the web are encoded: a blank becomes a plus sign."""
    return urllib.parse.quote(text, safe="*-._ ").replace(" ", "+").replace("~", "%7E")


def url_decode(text: str) -> str | None:
    """The inverse; null for a percent sign without two digits."""
    if re.search("%(?![0-9a-fA-F]{2})", text):
        return None
    return urllib.parse.unquote_plus(text)


def parse_url(url: str, part: str, key: str | None = None) -> str | None:
    """A part of a URL; null where there is none."""
    match = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", url)
    if match is None or match[1].lower() not in ("http", "https", "ftp", "file", "jar", "mailto"):
        return None
    scheme, authority, path, query, fragment = match.groups()
    user, _, host = (authority or "").rpartition("@")
    if part == "QUERY" and key is not None:
        found = re.search(rf"(?:&|^){re.escape(key)}=([^&]*)", query or "")
        return found[1] if found else None
    parts = {
        "PROTOCOL": scheme,
        "AUTHORITY": authority,
        "USERINFO": user or None,
        "HOST": re.sub(r":\d*$", "", host),
        "PATH": path,
        "QUERY": query,
        "REF": fragment,
        "FILE": path + (f"?{query}" if query is not None else ""),
    }
    return parts.get(part)


def str_to_map(text: str, pairs: str, inside: str) -> dict[str, Any]:
    """Pairs of keys and values; both separators are regular expressions."""
    if not text:
        return {}
    found: dict[str, Any] = {}
    for pair in re.split(pairs, text):
        key, *rest = re.split(inside, pair, maxsplit=1)
        found[key] = rest[0] if rest else None
    return found


def character(number: int) -> str | None:
    """CHR: the character of the lowest byte; an empty text below 0."""
    if number < 0:
        return ""
    return chr(number & 0xFF)


def ascii_code(text: str) -> int | None:
    """ASCII: the first byte, signed; 0 of nothing."""
    if not text:
        return 0
    first = text.encode()[0]
    return first - 256 if first > 127 else first


def unhex(text: str) -> bytes | None:
    """The bytes of hexadecimal digits; null of other text."""
    if not re.fullmatch("[0-9a-fA-F]*", text):
        return None
    # A digit that has no second one is zero, as Flink has it.
    return bytes.fromhex(text if len(text) % 2 == 0 else "00" + text[1:])


def from_base64(text: str) -> str | None:
    """The text that base64 stands for."""
    try:
        return base64.b64decode(text, validate=False).decode(errors="replace")
    except ValueError:
        return None


CHARSETS = {
    "US-ASCII": "ascii", "ISO-8859-1": "latin-1", "UTF-8": "utf-8", "UTF-16BE": "utf-16-be", "UTF-16LE": "utf-16-le",
    "UTF-16": "utf-16",
}  # fmt: skip
"""The character sets that Flink names."""


def encoded(text: str, charset: str) -> bytes:
    """The bytes of a text; what the set does not have is a question mark."""
    found = text.encode(CHARSETS[charset], errors="replace")
    return b"\xfe\xff" + text.encode("utf-16-be") if charset == "UTF-16" else found


def decoded(value: bytes, charset: str) -> str:
    """The text of bytes."""
    return value.decode(CHARSETS[charset], errors="replace")
