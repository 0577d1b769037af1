"""HTTP: a service that is asked for the rows of keys, and answers in JSON."""

from __future__ import annotations

import json
import re
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from penstock.connectors.lookups import Lookup, LookupRequest, LookupSource, frame_of
from penstock.core.errors import PlanError, SourceError, SourceLost, UnsupportedError
from penstock.core.schema import Schema
from penstock.core.spec import Secret, option

if TYPE_CHECKING:
    import polars as pl

MOST_BYTES = 64 << 20
"""How long an answer may be."""
_PLACE = re.compile(r"\{([^{}]+)\}")
_NOTHING = frozenset({204, 404, 410})
_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True)
class HttpSource(LookupSource):
    """A service that is asked by key: `stream.lookup(HttpSource("https://host/users/{id}"), on="id", schema=...)`.

    Names of the key in braces are filled in: then there is a GET for each key, which is answered by a JSON object, a
    list of them, or nothing (404, 410, 204, null). Without braces the distinct keys of a batch are sent by POST, as a
    JSON list of objects, and a list of rows is answered, which have their key among their fields. A service that is
    away or says 408, 425, 429 or 5xx is asked again; any other refusal is final. Who it is must be proved (TLS) as the
    system says.
    """

    connector: ClassVar[str] = "http"

    url: str = option(doc="Where; names of the key in braces are filled in.", example="https://host/users/{id}")
    _: KW_ONLY
    token: Secret | None = option(  # noqa: RUF009  (declares a field)
        None, doc="A token for the header Authorization: Bearer.", secret=True, example="secret:TOKEN"
    )

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise PlanError(f'an address of HTTP begins with http:// or https://, found "{self.url}"')
        if self.token is not None and not isinstance(self.token, Secret):
            raise PlanError("the token is a secret and takes a reference only", hint='ps.secret("NAME")')

    @property
    def most_keys(self) -> int:
        """One where the address names the key."""
        return 1 if _PLACE.search(self.url) else 10_000

    def schema(self) -> Schema:
        """It cannot say."""
        raise PlanError("a service cannot say which columns it has", hint='schema={"id": ps.Int64, "name": ps.String}')

    def lookup(self, request: LookupRequest) -> Lookup:
        """Open it."""
        return HttpLookup(self, request)

    def default_name(self) -> str:
        """The host."""
        return urlsplit(self.url).hostname or self.connector


class HttpLookup(Lookup):
    """Asks a service.

    Args:
        source: The service.
        request: What is wanted.

    Raises:
        SourceError: If the address names what is no part of the key.
    """

    def __init__(self, source: HttpSource, request: LookupRequest) -> None:
        self._source, self._request = source, request
        self._names = _PLACE.findall(source.url)
        odd = [name for name in self._names if name not in request.keys]
        if odd:
            raise SourceError(f'the address names "{odd[0]}"; the key has {", ".join(request.keys)}')
        self._headers = {"Accept": "application/json"}
        if source.token is not None:
            self._headers["Authorization"] = f"Bearer {source.token.reveal()}"

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        """A GET for each key, or one POST."""
        rows: list[dict[str, Any]] = []
        if not self._names:
            body = json.dumps(keys.rows(named=True), default=str).encode()
            rows = self._rows(self._answer(self._source.url, body))
        else:
            for key in keys.rows(named=True):
                found = self._answer(_PLACE.sub(lambda at, key=key: _text(key[at[1]]), self._source.url), None)  # type: ignore[misc]
                rows += [{**key, **row} for row in self._rows(found)]
        return frame_of(rows, self._request.schema)

    def load(self) -> pl.DataFrame:
        """All rows: a GET, where the address names no key."""
        if self._names:
            raise UnsupportedError("an address that names a key cannot be loaded whole")
        return frame_of(self._rows(self._answer(self._source.url, None)), self._request.schema)

    def _answer(self, url: str, body: bytes | None) -> Any:
        import urllib.error
        import urllib.request

        headers = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
        asked = urllib.request.Request(url, data=body, headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=self._request.timeout_us / 1e6) as answer:
                data = answer.read(MOST_BYTES + 1)
        except urllib.error.HTTPError as refused:
            refused.close()
            if refused.code in _NOTHING:
                return None
            kind = SourceLost if refused.code in _LATER or refused.code >= 500 else SourceError
            raise kind(f"{self._source.default_name()} says {refused.code} {refused.reason}") from None
        except OSError as failure:
            raise SourceLost(f"cannot ask {self._source.default_name()}: {failure}") from None
        if len(data) > MOST_BYTES:
            raise SourceError(f"the answer of {self._source.default_name()} is longer than {MOST_BYTES:,} bytes")
        try:
            return json.loads(data) if data else None
        except ValueError as wrong:
            raise SourceError(f"the answer of {self._source.default_name()} is no JSON: {wrong}") from None

    def _rows(self, found: Any) -> list[dict[str, Any]]:
        rows = [] if found is None else [found] if isinstance(found, dict) else found
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SourceError(f"{self._source.default_name()} answered neither an object nor a list of them")
        return rows


def _text(value: Any) -> str:
    return quote(str(value).lower() if isinstance(value, bool) else str(value), safe="")


SOURCE = None
SINK = None
LOOKUP = HttpSource
