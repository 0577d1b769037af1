"""Fields of invented rows: each value is a function of the seed, the field and the number of the row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.connectors.formats._from_text import from_texts, spans_of
from penstock.connectors.formats._infer import common_type
from penstock.core.dtypes import Boolean, Datetime, DType, Float64, Int64, String, to_polars
from penstock.core.errors import PlanError, one_of
from penstock.core.lazy import np, pa, pl
from penstock.core.spec import configure, option
from penstock.core.timespan import duration

if TYPE_CHECKING:
    import numpy.typing as npt

    from penstock.kernels.arrays import Words

    Draws = npt.NDArray[np.uint64]

Draw = Callable[[int], "Draws"]
"""Gives one 64-bit word per row; each number gives other words."""

_NULL_DRAW = 1 << 20


@dataclass(frozen=True, kw_only=True)
class GeneratedField(ABC):
    """A column of invented values."""

    kind: ClassVar[str]

    nulls: float = option(0.0, doc="The share of values that are null.")

    @property
    @abstractmethod
    def dtype(self) -> DType:
        """The type of the values."""

    @abstractmethod
    def values(self, numbers: Words, draw: Draw) -> pl.Series:
        """The values of rows, given their numbers."""

    def column(self, numbers: Words, draw: Draw) -> pl.Series:
        """The values of rows, some of them null."""
        values = self.values(numbers, draw)
        return values.set(pl.Series(_unit(draw(_NULL_DRAW)) < self.nulls), None) if self.nulls else values


def _unit(words: Draws) -> npt.NDArray[np.float64]:
    """Words as floats from 0 to below 1."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True, kw_only=True)
class SequenceField(GeneratedField):
    """Numbers in order: `start`, `start + step`, ..."""

    kind: ClassVar[str] = "sequence"
    start: int = option(0, doc="The first number.")
    step: int = option(1, doc="What is added for each row.")

    @property
    def dtype(self) -> DType:
        """Int64."""
        return Int64

    def values(self, numbers: Words, draw: Draw) -> pl.Series:
        """See `GeneratedField.values`."""
        return pl.Series("", numbers * self.step + self.start)


@dataclass(frozen=True, kw_only=True)
class IntegerField(GeneratedField):
    """Whole numbers, all equally likely."""

    kind: ClassVar[str] = "int"
    least: int = option(0, doc="The least number.")
    most: int = option(100, doc="The greatest number.")

    def __post_init__(self) -> None:
        if not -(2**63) <= self.least <= self.most < 2**63:
            raise PlanError(f"there is no number from {self.least} to {self.most}")

    @property
    def dtype(self) -> DType:
        """Int64."""
        return Int64

    def values(self, numbers: Words, draw: Draw) -> pl.Series:
        """See `GeneratedField.values`."""
        size = self.most - self.least + 1
        picked = draw(0) % np.uint64(size) if size < 2**64 else draw(0)
        return pl.Series("", (picked + np.uint64(self.least % 2**64)).view(np.int64))


@dataclass(frozen=True, kw_only=True)
class FloatField(GeneratedField):
    """Floats from `least` to below `most`, all equally likely."""

    kind: ClassVar[str] = "float"
    least: float = option(0.0, doc="The least number.")
    most: float = option(1.0, doc="The bound above.")

    @property
    def dtype(self) -> DType:
        """Float64."""
        return Float64

    def values(self, numbers: Words, draw: Draw) -> pl.Series:
        """See `GeneratedField.values`."""
        return pl.Series("", self.least + _unit(draw(0)) * (self.most - self.least))


@dataclass(frozen=True, kw_only=True)
class BooleanField(GeneratedField):
    """True and false."""

    kind: ClassVar[str] = "bool"
    share: float = option(0.5, doc="The share of true.")

    @property
    def dtype(self) -> DType:
        """Boolean."""
        return Boolean

    def values(self, numbers: Words, draw: Draw) -> pl.Series:
        """See `GeneratedField.values`."""
        return pl.Series("", _unit(draw(0)) < self.share)


@dataclass(frozen=True, kw_only=True)
class ChoiceField(GeneratedField):
    """One of some values."""

    kind: ClassVar[str] = "choice"
    of: Sequence[Any] = option(doc="The values.", example=["EUR", "USD"])
    weights: Sequence[float] = option((), doc="How likely each is, in any unit; by default all are equally likely.")

    def __post_init__(self) -> None:
        if not self.of or (self.weights and len(self.weights) != len(self.of)) or any(one < 0 for one in self.weights):
            raise PlanError("a choice is of one value or more, each with a weight or none of them")

    @property
    def dtype(self) -> DType:
        """The type of the values."""
        return common_type(self.of, _mixed)

    def values(self, numbers: Words, draw: Draw) -> pl.Series:
        """See `GeneratedField.values`."""
        if self.weights:
            bounds = np.cumsum(self.weights) / np.sum(self.weights)
            places = np.searchsorted(bounds[:-1], _unit(draw(0)), side="right")
        else:
            places = (draw(0) % np.uint64(len(self.of))).astype(np.int64)
        return pl.Series("", list(self.of), dtype=to_polars(self.dtype)).gather(pl.Series(places))


def _mixed(one: DType, other: DType) -> DType:
    raise PlanError(f"a choice is of values of one type, found {one} and {other}")


@dataclass(frozen=True, kw_only=True)
class TextField(GeneratedField):
    """Lower-case letters."""

    kind: ClassVar[str] = "string"
    least: int = option(8, doc="The least length.")
    most: int | None = option(None, doc="The greatest length; by default the least.")

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self._most <= 10_000:
            raise PlanError(f"a text has 0 to 10,000 letters, found {self.least} to {self._most}")

    @property
    def _most(self) -> int:
        return self.least if self.most is None else self.most

    @property
    def dtype(self) -> DType:
        """String."""
        return String

    def values(self, numbers: Words, draw: Draw) -> pl.Series:
        """See `GeneratedField.values`."""
        count, most = len(numbers), self._most
        words = [draw(1 + block) for block in range((most + 7) // 8)]
        letters = np.stack(words, axis=1).view(np.uint8) % 26 + 97 if words else np.zeros((count, 0), np.uint8)
        lengths = (draw(0) % np.uint64(most - self.least + 1)).astype(np.int64) + self.least
        chosen = letters[:, :most][np.arange(most) < lengths[:, None]].astype(np.uint8)
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
        array = pa.LargeStringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(chosen))
        return pl.Series(pl.from_arrow(array))


@dataclass(frozen=True, kw_only=True)
class TimeField(GeneratedField):
    """Moments that go on by a step per row, some of them back by a part of the disorder."""

    kind: ClassVar[str] = "time"
    start: str = option("2020-01-01T00:00:00Z", doc="The moment of the first row, ISO 8601.")
    step: str | None = option(None, doc="From one row to the next; by default as the rate says, else 1 ms.", span=True)
    disorder: str = option("0 s", doc="By how much a moment can lie before those of earlier rows.", span=True)
    local: bool = option(False, doc="Whether moments are wall-clock times, without a zone.")

    @property
    def dtype(self) -> DType:
        """Datetime in UTC, or without a zone."""
        return Datetime("us", None if self.local else "UTC")

    def __post_init__(self) -> None:
        _ = self.start_us

    @property
    def start_us(self) -> int:
        """The moment of the first row.

        Raises:
            PlanError: If it is no moment.
        """
        moment = from_texts(spans_of(pl.Series([self.start])), Datetime("us", "UTC"))
        if moment.null_count():
            raise PlanError(f'"{self.start}" is no moment', hint='such as "2020-01-01T00:00:00Z"')
        return int(moment.cast(pl.Int64)[0])

    def values(self, numbers: Words, draw: Draw) -> pl.Series:
        """See `GeneratedField.values`."""
        step = duration(self.step) if self.step is not None else 1_000
        moments = numbers * step + self.start_us
        disorder = duration(self.disorder)
        if disorder > 0:
            moments = moments - (draw(0) % np.uint64(disorder + 1)).astype(np.int64)
        return pl.Series("", moments).cast(to_polars(self.dtype))


KINDS: dict[str, type[GeneratedField]] = {
    kind.kind: kind
    for kind in (SequenceField, IntegerField, FloatField, BooleanField, ChoiceField, TextField, TimeField)
}
"""The kinds of fields by name."""


def field_of(name: str, given: Any) -> GeneratedField:
    """A field from what users write: the name of a kind, or a mapping of `kind` and its options.

    Raises:
        PlanError: If it is no such thing; the message names the field.
    """
    if isinstance(given, str):
        given = {"kind": given}
    if not isinstance(given, Mapping) or "kind" not in given:
        raise PlanError(f'the field "{name}" has no kind', hint=f"known: {', '.join(KINDS)}")
    if given["kind"] not in KINDS:
        raise one_of("kind of field", str(given["kind"]), KINDS)
    options = {option: value for option, value in given.items() if option != "kind"}
    try:
        return configure(KINDS[given["kind"]], options)
    except PlanError as refused:
        raise PlanError(f'the field "{name}": {refused.message}', hint=refused.hint) from None


def draws(seed: int, name: str, numbers: Words) -> Draw:
    """Words for the rows of a field; the same for the same seed, name and row number, on every machine."""
    key = _mixed_word(np.array([seed % 2**64], dtype=np.uint64))
    for byte in name.encode():
        key = _mixed_word(key ^ np.uint64(byte + 1))

    def draw(which: int) -> Draws:
        salt = _mixed_word(key + np.uint64(which))
        return _mixed_word(numbers.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + salt)

    return draw


def _mixed_word(words: Draws) -> Draws:
    """The finalizer of splitmix64."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
