"""The numbered rules of Reactive Streams 1.0.4, in short, and what a check says of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from penstock.testing.compare import CheckFailed

Level = Literal["must", "should", "may"]
Outcome = Literal["kept", "broken", "skipped", "untested"]


@dataclass(frozen=True)
class Rule:
    """A rule of the specification.

    Attributes:
        number: As the specification counts: 1 publisher, 2 subscriber, 3 subscription, 4 processor.
        level: How binding it is.
        says: What it says, in short.
        untested: Why nobody can test it from outside; empty if it is tested.
        chance: Whether a violation shows only sometimes, so that a kept rule may be luck.
    """

    number: str
    level: Level
    says: str
    untested: str = ""
    chance: bool = False


@dataclass(frozen=True)
class Verdict:
    """What was found for one rule.

    Attributes:
        rule: The rule.
        outcome: `kept`, `broken`, `skipped` (this case does not offer what the check needs) or `untested`.
        why: What was found, or the reason for not looking.
    """

    rule: Rule
    outcome: Outcome
    why: str = ""

    def __str__(self) -> str:
        return f"{self.rule.number} {self.outcome}: {self.rule.says}" + (f" ({self.why})" if self.why else "")


RULES: tuple[Rule, ...] = (
    Rule("1.1", "must", "never more on_next than was requested"),
    Rule("1.2", "may", "fewer elements than requested, and then the end"),
    Rule("1.3", "must", "signals come serially", chance=True),
    Rule("1.4", "must", "a failure is signalled by on_error"),
    Rule("1.5", "must", "a finite stream ends by on_complete"),
    Rule("1.6", "must", "on_error and on_complete cancel the subscription"),
    Rule("1.7", "must", "nothing comes after on_error or on_complete"),
    Rule("1.8", "must", "after cancel, signals stop"),
    Rule("1.9", "must", "on_subscribe comes first; subscribe raises TypeError for None and nothing else"),
    Rule("1.10", "may", "subscribe may be called often, with a different subscriber each time"),
    Rule("1.11", "may", "several subscribers may be served at once, each by its own demand"),
    Rule("2.1", "must", "demand is signalled by request"),
    Rule(
        "2.2",
        "should",
        "who is slow hands signals over asynchronously",
        "advice about speed: how long is too long depends on the publisher and on the machine",
    ),
    Rule("2.3", "must", "on_complete and on_error use neither subscription nor publisher"),
    Rule("2.4", "must", "after on_complete or on_error the subscription counts as cancelled"),
    Rule("2.5", "must", "a second subscription is cancelled"),
    Rule("2.6", "must", "a subscription that is no longer needed is cancelled"),
    Rule("2.7", "must", "request and cancel are called serially", chance=True),
    Rule("2.8", "must", "on_next may come after cancel"),
    Rule("2.9", "must", "on_complete may come with or without demand"),
    Rule("2.10", "must", "on_error may come with or without demand"),
    Rule("2.11", "must", "signals happen before their processing", chance=True),
    Rule("2.12", "must", "on_subscribe is called once for a subscriber"),
    Rule("2.13", "must", "signals return normally; TypeError for None where a subscription or failure should be"),
    Rule(
        "3.1",
        "must",
        "request and cancel are called in the subscriber's context only",
        "what belongs to the context of a subscriber is its own business",
    ),
    Rule("3.2", "must", "request may be called from on_subscribe and on_next"),
    Rule("3.3", "must", "request and on_next do not recurse without bound"),
    Rule(
        "3.4",
        "should",
        "request returns soon",
        "how soon is soon depends on the machine; what blocks for ever shows in other checks",
    ),
    Rule("3.5", "must", "cancel can be called often and from any thread", chance=True),
    Rule("3.6", "must", "request does nothing after cancel"),
    Rule("3.7", "must", "cancel does nothing after cancel"),
    Rule("3.8", "must", "demands add up"),
    Rule("3.9", "must", "a demand below 1 is answered by on_error(ValueError)"),
    Rule("3.10", "may", "request may signal on_next before it returns"),
    Rule("3.11", "may", "request may signal on_complete or on_error before it returns"),
    Rule("3.12", "must", "cancel makes the publisher stop, in time"),
    Rule("3.13", "must", "cancel makes the publisher forget the subscriber"),
    Rule("3.14", "may", "the last cancel may shut the publisher down"),
    Rule("3.15", "must", "cancel returns normally"),
    Rule("3.16", "must", "request returns normally"),
    Rule("3.17", "must", "demand up to 2^63 - 1 is borne, and may mean: all there is"),
    Rule("4.1", "must", "a processor keeps the rules of both of its sides"),
    Rule("4.2", "may", "a failure from above is passed on at once, or mended, with the subscription cancelled"),
)
"""All rules, in order."""

BY_NUMBER = {rule.number: rule for rule in RULES}


class Broken(AssertionError):
    """A check has found a rule broken."""


class Skipped(Exception):
    """A check needs what this case does not offer."""


def require(kept: object, why: str) -> None:
    """Say that a rule is broken unless something holds."""
    if not kept:
        raise Broken(why)


def need(offered: object, why: str) -> None:
    """Skip a check unless the case offers what it needs."""
    if not offered:
        raise Skipped(why)


def judge(numbers: Iterable[str], found: dict[str, list[str]], skipped: dict[str, str]) -> list[Verdict]:
    """The verdicts on some rules, and on all others that were seen broken on the way."""
    asked = set(numbers)
    verdicts = []
    for rule in RULES:
        if faults := found.get(rule.number):
            verdicts.append(Verdict(rule, "broken", "; ".join(dict.fromkeys(faults))))
        elif rule.number in asked and rule.untested:
            verdicts.append(Verdict(rule, "untested", rule.untested))
        elif rule.number in asked:
            why = skipped.get(rule.number)
            verdicts.append(Verdict(rule, "skipped", why) if why is not None else Verdict(rule, "kept"))
    return verdicts


def refuse(what: str, verdicts: Sequence[Verdict]) -> None:
    """Fail if a rule is broken, with all that are.

    Raises:
        CheckFailed: If there is one.
    """
    broken = [verdict for verdict in verdicts if verdict.outcome == "broken"]
    if broken:
        raise CheckFailed("\n".join([f"{what} breaks {len(broken)} rule(s) of Reactive Streams:", *map(str, broken)]))
