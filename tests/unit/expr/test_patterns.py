"""Regular expressions: what the dialect refuses and why, and the same matches by Python and by Polars."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.core.dtypes import String
from penstock.core.errors import PlanError, UnsupportedError
from penstock.expr import patterns
from penstock.expr.build import col
from tests.unit.expr.both import each

x = col("x").str
TEXTS = [
    "", "a", "ab", "aab", "abab", "b\na", "\n", "a\n", "É", "é1", "naïve café", "a-b_c", " x\u00a0", "١٢٣", "e\u0301",
    "Ⓐ", "²", "AbC", "aé👧b", "foo.bar", "[a]", "a{2}", "K\u212a", "x" * 30, None,
]  # fmt: skip

# -- Refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a(?=b)", "look-around"),
        ("a(?!b)", "look-around"),
        ("(?<=a)b", "look-around"),
        ("(?<!a)b", "look-around"),
        (r"(a)\1", "back-reference"),
        (r"(?P<n>a)(?P=n)", "back-reference"),
        (r"(?<n>a)\k<n>", "back-reference"),
        ("(?>a)", "linear time"),
        ("(a)?(?(1)b)", "linear time"),
        ("a*+", "repetition"),
        ("a++", "repetition"),
        ("a{2}{3}", "repetition"),
        ("a{,3}", "brace"),
        ("a{b}", "brace"),
        ("a(?i)b", "flag in the middle"),
        ("(?x)a b", "the flag x"),
        ("(?U)a+", "the flag U"),
        ("[a[bc]]", "class inside of a class"),
        ("[a-z&&b]", "&&"),
        ("[a-z--b]", "--"),
        (r"\p{Greek}", "Greek"),
        (r"\pX", "class"),
        (r"\Z", r"\\Z"),
        (r"\<a", r"\\<"),
        (r"\b{start}a", "b{"),
        (r"\x{110000}", "code point"),
        ("(?#comment)a", "comments"),
        ("(?P<a_b>x)", "letters and digits"),
    ],
)
def test_refused(pattern: str, reason: str) -> None:
    with pytest.raises(UnsupportedError) as refused:
        patterns.check(pattern)
    assert reason.replace("\\\\", "\\") in f"{refused.value.message} {refused.value.hint}"
    assert repr(pattern) in refused.value.message


@pytest.mark.parametrize(
    "pattern", ["(", "a)", "[a", "*a", "a|*", "[z-a]", "a{3,2}", "(?P<n>a)(?P<n>b)", "\\", "[[:nope:]]"]
)
def test_no_pattern_at_all(pattern: str) -> None:
    with pytest.raises(PlanError):
        patterns.check(pattern)


def test_the_expression_says_which_pattern() -> None:
    with pytest.raises(UnsupportedError, match="look-around in the pattern 'a\\(\\?=b\\)' is not supported"):
        each(x.contains("a(?=b)"), ["a"], String)


def test_a_pattern_too_large_to_compile_is_refused_while_the_plan_is_built() -> None:
    with pytest.raises(PlanError, match="size limit"):
        patterns.check("(a{1000}){1000}")


def test_a_literal_text_may_be_anything() -> None:
    assert each(x.contains("a(?=", literal=True), ["a(?=b", "ab"], String) == [True, False]


@pytest.mark.parametrize("bad", [5, None, b"a"])
def test_patterns_are_constant_strings(bad: Any) -> None:
    with pytest.raises(PlanError, match="constant string"):
        each(x.contains(bad), ["a"], String)


def test_a_pattern_of_another_column_is_refused() -> None:
    with pytest.raises(PlanError, match="is a constant, found the expression"):
        x.contains(col("y"))


def test_groups() -> None:
    groups = patterns.check("(a)(?:b)(?<n>c)(?P<m>d)")
    assert groups == patterns.Groups(3, {2: "n", 3: "m"})
    assert [reference in groups for reference in (0, 3, "2", "n", 4, "4", "o")] == [True] * 4 + [False] * 3


@pytest.mark.parametrize(
    ("replacement", "hint"), [("$1a", "${1}a"), ("$2", "$$ is a dollar"), ("${name}", "$$"), ("$a", "$$")]
)
def test_replacements_that_name_no_group(replacement: str, hint: str) -> None:
    with pytest.raises(PlanError, match="not there") as refused:
        each(x.replace_all("(a)", replacement), ["a"], String)
    assert hint in str(refused.value.hint)


@pytest.mark.parametrize("index", [2, -1, "1", True])
def test_a_group_that_is_not_there(index: Any) -> None:
    with pytest.raises(PlanError, match="1 group"):
        each(x.extract("(a)", index), ["a"], String)


# -- Meaning ---------------------------------------------------------------------------------------

SAMPLES = [
    "", "a", "a*", "a*?", "a+?b", "a?", "a{2}", "a{1,2}?", "a{2,}", "ab|b", "(a|ab)(c|b)?", "^a", "a$", "^$", "(?m)^a$",
    "(?m)^", "(?m:$)|^", "(?s).", ".", "(?i)É", "(?i)k", "(?i:A)b", "(?i)[a-c]", "(?-i:A)", "(?i)ß", "(?im)^B",
    r"\d", r"\D+", r"\s", r"\S+", r"\w+", r"\W", r"\b", r"\B", r"\b\w", r"\bé", r"\w\b", r"\A.", r".\z",
    "[ab]", "[^ab]", "[^\\n]", "[a-c1-3]", "[]a]", "[^]a]", "[a-]", "[-a]", r"[\w-]", r"[^\W\d]", r"[.\-\]]",
    r"[^\s\S]", "[[:alpha:]]+", "[[:^alpha:]]", r"\p{L}", r"\pN", r"\P{L}", r"[\p{Lu}\d]", r"\x41", r"\x{e9}",
    r"\u00e9", r"\.", r"\[", r"\{", r"\-", r"\t|\n", "👧", "}", "]", "(a)|(b)", "()", "(?:)", "(?<first>.)(.)",
]  # fmt: skip


@pytest.mark.parametrize("pattern", SAMPLES)
def test_python_and_polars_find_the_same(pattern: str) -> None:
    expressions = [x.contains(pattern), x.find(pattern), x.count_matches(pattern), x.extract_all(pattern)]
    groups = patterns.check(pattern).count
    expressions += [x.extract(pattern, group) for group in range(groups + 1)]
    expressions += [x.replace(pattern, "<$0>"), x.replace_all(pattern, "<$0$$>")]
    expressions += [x.extract_groups(pattern)] if groups else []
    for expression in expressions:
        each(expression, TEXTS, String)


ATOMS = st.sampled_from(["a", "b", "é", ".", r"\d", r"\s", "[ab]", "[^a]", r"\n", "\u0301"])
OPENINGS = st.sampled_from(["(", "(?:", "(?i:", "(?m:"])
PLACES = st.sampled_from(["^", "$", r"\b", r"\B"])
MARKS = st.sampled_from(["", "", "*", "+", "?", "*?", "{2}", "{1,2}"])


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(st.sampled_from(["(", "(?:", "(?i:", "(?m:"]), inner, st.sampled_from(["", "?"])).map(
            lambda t: f"{t[0]}{t[1]}){t[2]}"
        ),
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
    )


PATTERNS = st.recursive(st.one_of(st.tuples(ATOMS, MARKS).map("".join), PLACES), larger, max_leaves=5)


@settings(max_examples=40, deadline=None)
@given(PATTERNS, st.lists(st.text("abAÉé1 \n\u0301", max_size=6), max_size=8))
@example("x*", ["abxd", "xx"])
def test_random_patterns(pattern: str, texts: list[str]) -> None:
    for expression in (x.count_matches(pattern), x.extract_all(pattern), x.replace_all(pattern, "<$0>")):
        each(expression, texts, String)


@settings(max_examples=25, deadline=None)
@given(st.text("a.$\\[-é \n<", max_size=3), st.text("ab$", max_size=2))
def test_literal_texts(text: str, value: str) -> None:
    texts = [text, f"b{text}{text}a", "a.$b", "", None]
    for expression in (
        x.contains(text, literal=True),
        x.find(text, literal=True),
        x.count_matches(text, literal=True),
        x.replace(text, value, literal=True),
        x.replace_all(text, value, literal=True),
    ):
        each(expression, texts, String)
