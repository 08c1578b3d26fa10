"""The rules of the trade as text: what may be said, what it means, and whose word counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.rules import (
    BOUNDS,
    CHOICES,
    HABIT_CHOICES,
    SCHEMES,
    Habits,
    Rules,
    canonical,
    habits_of,
    parse_habits,
    parse_rules,
    rules_of,
)
from holdfast.errors import BadInput


def test_every_rule_is_a_choice_or_a_number_and_its_default_is_allowed() -> None:
    assert {*CHOICES, *BOUNDS, "pre_auth_mccs"} == set(Rules._fields)
    assert not CHOICES.keys() & BOUNDS.keys()
    said = canonical(Rules()._asdict())
    assert Rules(**parse_rules(said)) == Rules()
    assert all(values[0] == getattr(Rules(), name) for name, values in CHOICES.items()), "the usual is named first"


def test_every_habit_is_a_choice_or_a_number_and_its_default_is_allowed() -> None:
    assert {*HABIT_CHOICES, "validity_days"} == set(Habits._fields)
    assert Habits(**parse_habits(canonical(Habits()._asdict()))) == Habits()
    assert habits_of("") == Habits()
    assert habits_of("approves_with=11;rest=kept") == Habits(approves_with="11", rest="kept")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        (" ; ", {}),
        ("ceiling_percent=100;completions=several", {"ceiling_percent": 100, "completions": "several"}),
        (" keyed = never ;", {"keyed": "never"}),
        ("pre_auth_mccs=7011  5999", {"pre_auth_mccs": "7011 5999"}),
        ("pre_auth_mccs=", {"pre_auth_mccs": ""}),
    ],
)
def test_rules_are_read(text: str, values: dict[str, object]) -> None:
    assert parse_rules(text) == values


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "celing_percent=100",
            "there is no rule 'celing_percent': there are amount_max_minor, batch_messages, batch_numbers",
        ),
        ("ceiling_percent=99", "rule ceiling_percent is '99': it is a whole number from 100 to 200"),
        ("ceiling_percent=115.5", "rule ceiling_percent is '115.5'"),
        ("ceiling_percent=١١٥", "rule ceiling_percent is"),
        ("ceiling_percent", "rule ceiling_percent is ''"),
        ("velocity_count=17", "from 0 to 16"),  # so many holds of a card are looked at
        ("keyed=sometimes", "rule keyed is 'sometimes': it may be allowed, never"),
        ("expired_code=94", "it may be 22, 25, 96"),
        ("pre_auth_mccs=70111", "write categories of four digits"),
    ],
)
def test_what_is_no_rule_says_what_it_may_be(text: str, complaint: str) -> None:
    with pytest.raises(BadInput) as told:
        parse_rules(text)
    assert complaint in str(told.value)


def test_a_habit_is_no_rule() -> None:
    with pytest.raises(BadInput, match="there is no rule 'over_hold'"):
        parse_rules("over_hold=if_available")
    with pytest.raises(BadInput, match="habit approves_with is '05'"):
        parse_habits("approves_with=05")
    with pytest.raises(BadInput, match="there is no habit 'ceiling_percent': there are approves_with, increment"):
        parse_habits("ceiling_percent=115")
    with pytest.raises(BadInput, match="habit validity_days is '0'"):
        parse_habits("validity_days=0")


@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in CHOICES.items()}))
def test_what_is_written_is_read_again(values: dict[str, str]) -> None:
    assert parse_rules(canonical(values)) == values


REACH = [
    # scheme, category, everywhere, of scheme, of category, of merchant -> the ceiling
    ("CUP", "7011", "", "", "", "", 115),
    ("VIS", "5812", "", "", "", "", 100),
    ("VIS", "5812", "ceiling_percent=110", "", "", "", 110),
    ("VIS", "5812", "ceiling_percent=110", "ceiling_percent=111", "", "", 111),
    ("VIS", "5812", "ceiling_percent=110", "ceiling_percent=111", "ceiling_percent=112", "", 112),
    ("VIS", "5812", "ceiling_percent=110", "ceiling_percent=111", "ceiling_percent=112", "ceiling_percent=113", 113),
    ("CUP", "7011", "ceiling_percent=110", "", "", "keyed=never", 110),
]


@pytest.mark.parametrize(("scheme", "mcc", "everywhere", "of_scheme", "of_category", "of_merchant", "ceiling"), REACH)
def test_the_nearer_word_counts(
    scheme: str, mcc: str, everywhere: str, of_scheme: str, of_category: str, of_merchant: str, ceiling: int
) -> None:
    assert rules_of(scheme, mcc, everywhere, of_scheme, of_category, of_merchant).ceiling_percent == ceiling


@pytest.mark.parametrize(
    ("scheme", "mcc", "said"),
    [
        ("CUP", "7011", (115, 30, "extends", "issuer")),
        ("VIS", "7011", (100, 30, "keeps", "acquirer")),
        ("VIS", "7512", (100, 30, "keeps", "acquirer")),
        ("VIS", "4411", (100, 30, "keeps", "acquirer")),
        ("VIS", "5812", (100, 5, "keeps", "acquirer")),
        ("MCC", "5812", (100, 30, "extends", "acquirer")),
        ("", "7011", (115, 30, "extends", "issuer")),
    ],
)
def test_what_the_schemes_want(scheme: str, mcc: str, said: tuple[object, ...]) -> None:
    """domain.md §4.7."""
    rules = rules_of(scheme, mcc, "", "", "", "")
    assert (rules.ceiling_percent, rules.validity_days, rules.increment, rules.rest) == said
    assert all(parse_rules(text) for text in SCHEMES.values())
