"""What all joins of two inputs have in common: keys, conditions, columns, and what a pair is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from penstock.core.dtypes import FLOATS, Boolean, Decimal, DType, Int64, Null, UInt64
from penstock.core.errors import PlanError, UnknownNameError, UnsupportedError, nearest, one_of
from penstock.core.schema import Field, Schema
from penstock.expr.ast import Column, Term
from penstock.expr.infer import Typed, convert, infer
from penstock.expr.interpret import interpret
from penstock.expr.lower import lower
from penstock.expr.signatures import common
from penstock.operators.aggregation import plain_key
from penstock.operators.base import Executable
from penstock.plan.node import Facts, Node

LEFT, RIGHT, KEY = "left", "right", "key"
INNER, FULL, SEMI, ANTI, CROSS = "inner", "full", "semi", "anti", "cross"
FORMS = (INNER, LEFT, RIGHT, FULL, SEMI, ANTI, CROSS)
SIDES = (LEFT, RIGHT)

ColumnOf = tuple[str, str, str]
"""A column of the output: its name, `left`, `right` or `key`, and its name there (of a key: its number)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TwoInputs(Executable):
    """A join of two inputs.

    Attributes:
        left: The left rows.
        right: The right rows.
        how: `inner`, `left`, `right`, `full`, `semi`, `anti` or `cross`.
        left_on: The key of a left row: terms over its columns.
        right_on: The key of a right row, term by term comparable with that of a left one.
        nulls_equal: For each term of the key, whether null equals null; else null equals nothing.
        condition: What must be true of a pair besides: a term over the columns `left.x` and `right.y`.
        columns: The columns of the output, in order; see `ColumnOf`. A `key` column is that of whichever row is there.
    """

    stateful: ClassVar[bool] = True
    forms: ClassVar[tuple[str, ...]] = FORMS
    keyless: ClassVar[bool] = False
    """Whether a join other than a cross join may be without keys."""

    left: Node
    right: Node
    how: str
    left_on: tuple[Term, ...] = ()
    right_on: tuple[Term, ...] = ()
    nulls_equal: tuple[bool, ...] = ()
    condition: Term | None = None
    columns: tuple[ColumnOf, ...] = ()

    # -- what is checked

    def check(self) -> None:
        """Check the form, the keys and the condition.

        Raises:
            PlanError: If they do not fit the inputs.
        """
        if self.how not in self.forms:
            raise one_of("how", self.how, self.forms)
        if not len(self.left_on) == len(self.right_on) == len(self.nulls_equal):
            raise PlanError(
                f"a join needs as many keys on both sides, found {len(self.left_on)} and {len(self.right_on)}"
            )
        if not self.keyless and bool(self.left_on) == (self.how == CROSS):
            hint = "a cross join has no keys" if self.left_on else 'on="key", left_on= and right_on=, or how="cross"'
            raise PlanError("a join needs equal keys, and a cross join has none", hint=hint)
        self.key_types()
        self.typed_condition()

    def key_types(self) -> tuple[DType, ...]:
        """The common type of each term of the key."""
        types = []
        for one, other in zip(self.left_on, self.right_on, strict=True):
            a, b = self._inferred(0, one), self._inferred(1, other)
            both = common(a.dtype, b.dtype)
            if both is None:
                raise PlanError(
                    f"a join compares equal types, found {one}: {a.dtype} and {other}: {b.dtype}",
                    hint="cast one of them",
                )
            for typed in (convert(a, both), convert(b, both)):
                if not typed.deterministic or lower(typed).faults:
                    raise UnsupportedError(
                        f"the key of a join can neither fail nor be random, found {typed.term}",
                        hint="compute it before, by .with_columns(...)",
                    )
            types.append(both)
        return tuple(types)

    def typed_key(self, side: int, number: int) -> Typed:
        """A term of the key of a side, with the common type."""
        return convert(self._inferred(side, (self.left_on, self.right_on)[side][number]), self.key_types()[number])

    def _inferred(self, side: int, term: Term) -> Typed:
        """A term over the columns of a side."""
        try:
            return infer(term, (self.left, self.right)[side].schema)
        except UnknownNameError as unknown:
            raise self._unknown(side, unknown.wanted) if unknown.kind == "column" else unknown from None

    def _unknown(self, side: int, name: str) -> UnknownNameError:
        """The error for a column that a side does not have; if the other one has it, it says so."""
        node, other = (self.left, self.right)[side], (self.left, self.right)[1 - side]
        names, hint = node.schema.names, None
        if name in other.schema:
            listed = "" if nearest(name, names) else f"; known: {', '.join(names[:40])}"
            hint = f'the {SIDES[1 - side]} side has a column "{name}"{listed}'
        called = node.called()
        scope = f"the {SIDES[side]} side" + (f' "{called}"' if called else "")
        return UnknownNameError("column", name, names, scope=scope, hint=hint)

    def pair_schema(self) -> Schema:
        """The columns that the condition may use: `left.x` and `right.y`."""
        return Schema(
            tuple(
                replace(field, name=f"{side}.{field.name}")
                for side, node in zip(SIDES, (self.left, self.right), strict=True)
                for field in node.schema
            )
        )

    def typed_condition(self) -> Typed | None:
        """The condition with its types; None if there is none."""
        if self.condition is None:
            return None
        try:
            typed = infer(self.condition, self.pair_schema())
        except UnknownNameError as unknown:
            raise self._unknown_of_pair(unknown) if unknown.kind == "column" else unknown from None
        if typed.dtype not in (Boolean, Null):
            raise PlanError(f"a condition must be a boolean, found {typed.dtype}: {self.condition}")
        if not typed.deterministic or lower(typed).faults:
            raise UnsupportedError(
                f"the condition of a join can neither fail nor be random, found {self.condition}",
                hint="compute what it compares before, by .with_columns(...)",
            )
        return typed

    def _unknown_of_pair(self, unknown: UnknownNameError) -> UnknownNameError:
        """The error for a column that a condition names, with or without a side."""
        side, dot, name = unknown.wanted.partition(".")
        if dot and side in SIDES:
            return self._unknown(SIDES.index(side), name)
        names = dict.fromkeys((*self.left.schema.names, *self.right.schema.names))
        return UnknownNameError("column", unknown.wanted, names, scope="either side of the join")

    # -- what comes out

    @property
    def padded(self) -> tuple[bool, bool]:
        """Of which sides rows without a partner come out, with nulls for the other side."""
        return self.how in (LEFT, FULL), self.how in (RIGHT, FULL)

    @property
    def pairs(self) -> bool:
        """Whether pairs come out; of a semi or anti join rows of the left side do."""
        return self.how not in (SEMI, ANTI)

    def output_schema(self) -> Schema:
        """The columns of the output."""
        fields = []
        missing = (self.how in (RIGHT, FULL), self.how in (LEFT, FULL))  # whether a side's columns may be absent
        for name, side, source in self.columns:
            if side == KEY:
                fields.append(self._key_field(name, int(source)))
            else:
                place = SIDES.index(side)
                field = (self.left, self.right)[place].schema[source]
                fields.append(Field(name, field.dtype, field.nullable or missing[place], field.mask))
        return Schema(tuple(fields))

    def _key_field(self, name: str, number: int) -> Field:
        one, other = self.typed_key(0, number), self.typed_key(1, number)
        equal = one.nullable and other.nullable and self.nulls_equal[number]
        nullable = {
            INNER: equal,
            LEFT: one.nullable,
            SEMI: equal,
            ANTI: one.nullable,
            RIGHT: other.nullable,
            FULL: one.nullable or other.nullable,
        }[self.how]
        return Field(name, one.dtype, nullable, one.mask or other.mask)

    def unique_key(self) -> tuple[str, ...] | None:
        """The columns of the output whose values are unique, if both inputs have such columns and they come out."""
        one, other = self.key_names(0), self.key_names(1)
        if not self.pairs:
            return one
        if one is not None and self.how in (INNER, LEFT) and self._one_partner(1):
            return one
        if other is not None and self.how in (INNER, RIGHT) and self._one_partner(0):
            return other
        if one is None or other is None:
            return None
        key = tuple(dict.fromkeys([*one, *other]))
        return key if self.how != FULL or self._tells_apart(key) else None

    def _one_partner(self, side: int) -> bool:
        """Whether a row of the other side has at most one partner on this side: no two of its rows have one key."""
        key = (self.left, self.right)[side].facts.key
        return key is not None and set(key) <= {name for name in self._compared(side) if name is not None}

    def _tells_apart(self, key: Sequence[str]) -> bool:
        """Whether a left and a right row that both are alone never have the same values in these columns."""
        for name, of, source in self.columns:
            if name in key and of != KEY and not (self.left, self.right)[SIDES.index(of)].schema[source].nullable:
                return True  # null for the rows of the other side only
        # Else it takes all that is compared: rows that are equal in it are partners.
        shown = {int(source) for name, of, source in self.columns if of == KEY and name in key}
        return self.condition is None and len(shown) == len(self.left_on) and not self._null_twice()

    def _null_twice(self) -> bool:
        """Whether both sides can have rows with a null key, which are no partners."""
        terms = [(self.typed_key(0, i), self.typed_key(1, i)) for i in range(len(self.left_on))]
        return any(
            one.nullable and other.nullable and not equal
            for (one, other), equal in zip(terms, self.nulls_equal, strict=True)
        )

    def _compared(self, side: int) -> list[str | None]:
        """By term of the key, the column that it is; None if none, or if different values of it may compare equal."""
        node, on = ((self.left, self.left_on), (self.right, self.right_on))[side]
        return [
            term.name if isinstance(term, Column) and _keeps_apart(node.schema[term.name].dtype, both) else None
            for term, both in zip(on, self.key_types(), strict=True)
        ]

    def key_names(self, side: int) -> tuple[str, ...] | None:
        """What the key columns of an input are called in the output; None if one of them does not come out."""
        node = (self.left, self.right)[side]
        if node.facts.key is None:
            return None
        names = {source: name for name, of, source in self.columns if of == SIDES[side]}
        compared = self._compared(side)
        for name, of, source in self.columns:
            column = compared[int(source)] if of == KEY else None
            if column is not None:
                names[column] = name
        found = tuple(names[name] for name in node.facts.key if name in names)
        return found if len(found) == len(node.facts.key) else None

    # -- what is used

    def used(self, side: int) -> set[str]:
        """The columns of an input that the join needs."""
        found = {source for _, of, source in self.columns if of == SIDES[side]}
        for term in (self.left_on, self.right_on)[side]:
            found |= term.columns()
        prefix = f"{SIDES[side]}."
        if self.condition is not None:
            found |= {name.removeprefix(prefix) for name in self.condition.columns() if name.startswith(prefix)}
        return found

    def needs(self, used: set[str]) -> list[set[str]]:
        """The columns that come out or are compared."""
        narrow = self.narrowed(used)
        keys = [set(node.facts.key or ()) if node.facts.mode != "append" else set() for node in self.inputs]
        return [narrow.used(0) | keys[0], narrow.used(1) | keys[1]]

    def narrowed(self, used: set[str]) -> TwoInputs:
        """The same join with only the columns that somebody uses."""
        kept = tuple(column for column in self.columns if column[0] in used) or self.columns[:1]
        return self if kept == self.columns else replace(self, columns=kept)

    def described_keys(self) -> str:
        """The keys for people."""
        pairs = [
            str(one) if one == other else f"{one} = {other}"
            for one, other in zip(self.left_on, self.right_on, strict=True)
        ]
        return ", ".join(pairs) or "nothing"


def _keeps_apart(dtype: DType, both: DType) -> bool:
    """Whether values that differ still do once they have the type in which they are compared."""
    return both not in FLOATS or not (isinstance(dtype, Decimal) or dtype in (Int64, UInt64))


def both(node: TwoInputs) -> tuple[Facts, Facts]:
    """What is known of the two inputs."""
    return node.left.facts, node.right.facts


def late_names(node: TwoInputs, side: int) -> dict[str, str]:
    """What the columns of a side are called among late rows: those of both sides are in one table."""
    if side == 0:
        return {name: name for name in node.left.schema.names}
    left = node.left.schema
    names: dict[str, str] = {}
    for one in node.right.schema:
        shared = one.name in left and left[one.name].dtype == one.dtype
        name = one.name
        while not shared and (name in left or name in names.values()):
            name += "_right"
        names[one.name] = name
    return names


def late_schema(node: TwoInputs) -> Schema:
    """The columns of late rows of either side."""
    names = late_names(node, 1)
    mine = [replace(one, name=names[one.name]) for one in node.right.schema if names[one.name] not in node.left.schema]
    return Schema((*node.left.schema, *mine)).nullable()


# -- the plain side ------------------------------------------------------------

Values = Mapping[str, Any]


class PlainPairs:
    """Which rows are partners, and what comes out of a pair: in plain Python."""

    def __init__(self, node: TwoInputs) -> None:
        self.node = node
        count = range(len(node.left_on))
        self.terms = [[interpret(node.typed_key(side, number)) for number in count] for side in (0, 1)]
        condition = node.typed_condition()
        self.condition = None if condition is None else interpret(condition)

    def key(self, side: int, values: Values) -> tuple[Any, ...] | None:
        """The key of a row; None if it can have no partner."""
        found = {str(i): term(values) for i, term in enumerate(self.terms[side])}
        if any(found[str(i)] is None and not equal for i, equal in enumerate(self.node.nulls_equal)):
            return None
        return plain_key(found, list(found))

    def match(self, left: Values, right: Values) -> bool:
        """Whether two rows are partners."""
        one, other = self.key(0, left), self.key(1, right)
        if one is None or other is None or one != other:
            return False
        if self.condition is None:
            return True
        pair = {f"left.{n}": v for n, v in left.items()} | {f"right.{n}": v for n, v in right.items()}
        return self.condition(pair) is True

    def values(self, left: Values | None, right: Values | None) -> dict[str, Any]:
        """What comes out of two rows, one of which may be missing."""
        made = {}
        for name, side, source in self.node.columns:
            if side == KEY:
                place, row = (0, left) if left is not None else (1, right)
                assert row is not None
                made[name] = self.terms[place][int(source)](row)
            else:
                chosen = left if side == LEFT else right
                made[name] = None if chosen is None else chosen[source]
        return made

    def join(self, lefts: Sequence[Values], rights: Sequence[Values]) -> list[dict[str, Any]]:
        """All that comes out of some rows, by definition."""
        node, made = self.node, []
        if not node.pairs:
            wanted = node.how == SEMI
            return [self.values(one, None) for one in lefts if any(self.match(one, r) for r in rights) == wanted]
        for one in lefts:
            found = [other for other in rights if self.match(one, other)]
            made += [self.values(one, other) for other in found]
            if not found and node.padded[0]:
                made.append(self.values(one, None))
        if node.padded[1]:
            made += [self.values(None, r) for r in rights if not any(self.match(one, r) for one in lefts)]
        return made
