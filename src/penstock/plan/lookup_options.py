"""How an outside source is asked: cache, order, parallelism, retries, and what a failure does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from penstock.core.errors import PlanError, one_of
from penstock.core.timespan import HOUR, MILLISECOND, MINUTE, SECOND, duration

NONE, PARTIAL, FULL = "none", "partial", "full"
CACHES = (NONE, PARTIAL, FULL)
FAIL, DEAD_LETTER = "fail", "dead_letter"
FAILURES = (FAIL, DEAD_LETTER)


@dataclass(frozen=True, kw_only=True)
class LookupOptions:
    """How an outside source is asked.

    Attributes:
        cache: `none`: every row is answered by a call that begins after it came; `partial`: answers are kept; `full`:
            the source is loaded whole.
        cache_rows: The most keys of a partial cache: beyond, those that were not asked for the longest time go.
        ttl_us: How long an answer is kept after it came, in microseconds (partial); None = for ever.
        idle_us: How long an answer is kept after it was last used (partial); None = for ever.
        cache_misses: Whether it is kept that a key has no rows (partial).
        reload_us: How old a full cache gets before it is loaded anew; None = it is loaded once.
        ordered: Whether rows leave in the order in which they came.
        parallelism: The most calls at a time.
        batch: The most keys of a call.
        capacity: From how many waiting rows on no more are taken from the sources.
        attempts: How often a call is tried.
        delay_us: How long to wait before the second try; doubled before each further one.
        most_delay_us: The longest wait between tries.
        timeout_us: How long a call may take.
        on_failure: After the last try: `fail` ends the run (it goes on from its last checkpoint, as after all
            failures), `dead_letter` sends the rows to `errors`.
        breaker: After how many failed calls in a row the circuit opens: then nobody is asked for a while; 0 = never.
        pause_us: How long the circuit stays open; then one call tries it.
        misses: How often a key without rows is asked for again.
        miss_delay_us: How long to wait before that.
    """

    cache: str = NONE
    cache_rows: int = 10_000
    ttl_us: int | None = None
    idle_us: int | None = None
    cache_misses: bool = True
    reload_us: int | None = None
    ordered: bool = True
    parallelism: int = 8
    batch: int = 1_000
    capacity: int = 100_000
    attempts: int = 10
    delay_us: int = 100 * MILLISECOND
    most_delay_us: int = 10 * SECOND
    timeout_us: int = 5 * MINUTE
    on_failure: str = FAIL
    breaker: int = 5
    pause_us: int = SECOND
    misses: int = 0
    miss_delay_us: int = SECOND

    def __post_init__(self) -> None:
        if self.cache not in CACHES:
            raise one_of("cache", self.cache, CACHES)
        if self.on_failure not in FAILURES:
            raise one_of("on_failure", self.on_failure, FAILURES)
        for name in ("cache_rows", "parallelism", "batch", "capacity", "attempts"):
            if getattr(self, name) < 1:
                raise PlanError(f"{name} of a lookup is 1 at least, found {getattr(self, name)}")
        for name in ("breaker", "misses"):
            if getattr(self, name) < 0:
                raise PlanError(f"{name} of a lookup cannot be negative, found {getattr(self, name)}")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_us") and value is not None and value < MILLISECOND:
                raise PlanError(f"{field.name.removesuffix('_us')} of a lookup is a millisecond at least")
        if self.parallelism > 256:
            raise PlanError(f"parallelism of a lookup is 256 at most, found {self.parallelism}")

    def told(self) -> str:
        """For people, on one line."""
        parts = [f"cache {self.cache}" + (f" of {self.cache_rows:,} keys" if self.cache == PARTIAL else "")]
        parts += ["ordered" if self.ordered else "unordered", f"{self.parallelism} calls at a time"]
        return ", ".join(parts)


RETRY = {"attempts": "attempts", "delay": "delay_us", "most": "most_delay_us", "misses": "misses",
         "miss_delay": "miss_delay_us"}  # fmt: skip
CACHE = {"rows": "cache_rows", "ttl": "ttl_us", "idle": "idle_us", "misses": "cache_misses"}
BREAKER = {"failures": "breaker", "pause": "pause_us"}


def with_cache(options: LookupOptions, value: Any, *, whole: bool) -> LookupOptions:
    """The options with what users write as `cache=`.

    Args:
        options: The others.
        value: None, `"none"`, `"full"`, a duration, or a dict of `rows`, `ttl`, `idle`, `misses`.
        whole: Whether the source can be loaded whole only: then a duration is the interval of reloading.

    Raises:
        PlanError: If it is none of these.
    """
    if whole:
        if value is None or value == FULL:
            return replace(options, cache=FULL)
        if isinstance(value, Mapping) or value == NONE:
            raise PlanError("this source is loaded whole", hint='cache="10 min" loads it anew every ten minutes')
        return replace(options, cache=FULL, reload_us=duration(value))
    if value is None or value == NONE:
        return replace(options, cache=NONE)
    if value == FULL:
        return replace(options, cache=FULL, reload_us=options.reload_us or HOUR)
    if isinstance(value, Mapping):
        return replace(options, cache=PARTIAL, **_named("cache", value, CACHE))
    return replace(options, cache=PARTIAL, ttl_us=duration(value))


def with_retry(options: LookupOptions, value: Any) -> LookupOptions:
    """The options with what users write as `retry=`: how many tries, or a dict.

    Raises:
        PlanError: If it is neither.
    """
    if value is None:
        return options
    if isinstance(value, int) and not isinstance(value, bool):
        return replace(options, attempts=value + 1)
    if isinstance(value, Mapping):
        return replace(options, **_named("retry", value, RETRY))
    raise PlanError(f"retry is a number of tries after the first, or a dict, found {value!r}")


def with_breaker(options: LookupOptions, value: Any) -> LookupOptions:
    """The options with what users write as `breaker=`: a dict, or False for none.

    Raises:
        PlanError: If it is neither.
    """
    if value is None:
        return options
    if value is False:
        return replace(options, breaker=0)
    if isinstance(value, Mapping):
        return replace(options, **_named("breaker", value, BREAKER))
    raise PlanError(f"breaker is a dict, or False, found {value!r}", hint='{"failures": 5, "pause": "1 s"}')


def _named(what: str, value: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for name, given in value.items():
        if name not in names:
            raise one_of(f"option of {what}", name, names)
        field = names[name]
        found[field] = duration(given) if field.endswith("_us") and given is not None else given
    return found
