"""The rules of the trade as data: what a scheme, an installation or a merchant may choose, each with its reason.

A request is judged by one `Rules`: the defaults, on them what holds everywhere here (`*`), what the card's scheme
wants, what it wants of this merchant category (`VIS/7011`), and last the merchant's own agreement. Sets of rules are
kept as text, `ceiling_percent=100;completions=several`, so that a row of a table and a cell of a file say them alike.
Where domain.md §9 finds that hosts differ, each of their ways is a value here.
"""

from functools import lru_cache
from typing import Any, NamedTuple

from holdfast.errors import BadInput

EVERYWHERE = "*"
"""The scheme whose rules hold for every card of this installation."""

DOMESTIC = "CUP"
"""The scheme whose cards are settled as domestic; all others are foreign (domain.md §4.6)."""

PRE_AUTH_MCCS = "7011 7512 7513 4411 4722 5812 5813 8062 8011"


class Rules(NamedTuple):
    """What is allowed. Amounts in minor units, 0 for "no limit"."""

    pre_auth_mccs: str = PRE_AUTH_MCCS
    """Categories that may pre-authorise: lodging, car rental, cruises, travel, restaurants, hospitals."""
    ceiling_percent: int = 115
    """A completion may exceed the hold by 15 % (UnionPay); some hosts allow 100 only, Visa has no such tolerance."""
    validity_days: int = 30
    """A hold that nobody completed is released after so many days."""
    validity_edge: str = "minute"
    """`minute`: valid through the same minute; `day`: through the last day, as hosts do that compare dates."""
    expired_code: str = "22"
    """What hosts answer to a completion or void of an expired hold: 22, 25 or 96."""
    completions: str = "one"
    """`one` per hold (UnionPay), or `several` until the hold is used up (split shipments, Visa clearing sequences)."""
    second_completion_code: str = "22"
    """What hosts answer to a completion of a hold that is completed: 22, 25 or 94."""
    rest: str = "issuer"
    """Who frees what a completion leaves: the `issuer` itself (UnionPay), or the `acquirer` by a partial reversal."""
    increment: str = "extends"
    """An increment `extends` the validity (UnionPay, Mastercard), `keeps` it (Visa) or is `refused`."""
    void_matches: str = "merchant"
    """Voids and completions find a hold of the same `merchant`, or of `any` one (hosts that match by card and code)."""
    completion_void_day: str = "same"
    """A completion is voided on the `same` business day, because afterwards it is cleared; or on `any` day."""
    completion_void_by: str = "terminal"
    """A completion is voided by the `terminal` that made it in the same batch, or by any of the `merchant`."""
    completion_void_then: str = "reopens"
    """After it the hold `reopens` (three sources), or is `released` too (hosts without that state)."""
    refund_days: int = 180
    """A refund refers to what was posted at most so many days ago."""
    keyed: str = "allowed"
    """A card number that is typed in may pre-authorise, or `never`: no chip, track or PIN vouches for it."""
    fallback: str = "allowed"
    """The stripe of a chip card is taken when the terminal says that its chip failed, or `never`."""
    floor_minor: int = 0
    """Above this amount a completion must be asked online; an advice of more is registered with a finding."""
    amount_max_minor: int = 0
    """The most that one pre-authorization or sale may ask for (61)."""
    velocity_count: int = 0
    """So many pre-authorizations of one card per day (that of the slips) are allowed here (65)."""
    velocity_minor: int = 0
    """And so much money together (61)."""
    unknown_reversal_code: str = "00"
    """The answer to a reversal of what was never seen: 00 ends its repeats, 25 is what other hosts say."""
    batch_numbers: str = "counter"
    """The next batch is the one before plus one, or the `date` (yymmdd) where that is later."""
    batch_messages: str = "plain"
    """The dialect seals neither settlement nor upload (`plain`); whose terminals can, asks for it (`sealed`)."""
    code_padding: str = "right"
    """A short authorization code in an answer is filled with spaces on the `right`, or zeros on the `left`."""
    retention_years: int = 5
    """A card's number is kept so long after its last use, as archives are after a contract's end; some hosts say 3."""


CHOICES: dict[str, tuple[str, ...]] = {
    "validity_edge": ("minute", "day"),
    "expired_code": ("22", "25", "96"),
    "completions": ("one", "several"),
    "second_completion_code": ("22", "25", "94"),
    "rest": ("issuer", "acquirer"),
    "increment": ("extends", "keeps", "refused"),
    "void_matches": ("merchant", "any"),
    "completion_void_day": ("same", "any"),
    "completion_void_by": ("terminal", "merchant"),
    "completion_void_then": ("reopens", "released"),
    "keyed": ("allowed", "never"),
    "fallback": ("allowed", "never"),
    "unknown_reversal_code": ("00", "25"),
    "batch_numbers": ("counter", "date"),
    "batch_messages": ("plain", "sealed"),
    "code_padding": ("right", "left"),
}
"""The values of the rules that are a choice; the others are whole numbers within `BOUNDS`."""

BOUNDS: dict[str, tuple[int, int]] = {
    "ceiling_percent": (100, 200),
    "validity_days": (1, 365),
    "refund_days": (1, 3650),
    "velocity_count": (0, 16),
    "retention_years": (1, 30),
    "floor_minor": (0, 999_999_999_999),
    "amount_max_minor": (0, 999_999_999_999),
    "velocity_minor": (0, 999_999_999_999),
}

SCHEMES: dict[str, str] = {
    "VIS": "ceiling_percent=100;validity_days=5;increment=keeps;rest=acquirer",
    "MCC": "ceiling_percent=100;rest=acquirer",
    **{f"VIS/{mcc}": "validity_days=30" for mcc in ("7011", "7512", "7513", "4411")},
}
"""What Visa and Mastercard want that UnionPay does not (domain.md §4.7). Visa gives lodging, cruises and vehicle rental
30 days and others 5; both want a larger bill to be covered by an increment, and the unused part to be reversed."""


class Habits(NamedTuple):
    """How an issuer's host behaves, where issuers differ (domain.md §4.1, §4.3)."""

    validity_days: int = 30
    validity_edge: str = "minute"
    over_hold: str = "guaranteed"
    """A completion above the hold posts even if available turns negative; `if_available` answers 51 instead."""
    increment: str = "extends"
    """An increment `extends` its hold's validity, `keeps` it, or is `refused` (40)."""
    rest: str = "released"
    """What a completion leaves is `released`, or `kept` until a partial reversal or the expiry frees it."""
    approves_with: str = "00"
    """Its approval: 00, 11 (VIP), A2, A4, A5, A6 (confirm with the issuer); 10, a part, is undone."""
    unknown_reversal_code: str = "00"
    """The answer to a reversal of what it never saw: 00, or 25."""


HABIT_CHOICES: dict[str, tuple[str, ...]] = {
    "validity_edge": ("minute", "day"),
    "over_hold": ("guaranteed", "if_available"),
    "increment": ("extends", "keeps", "refused"),
    "rest": ("released", "kept"),
    "approves_with": ("00", "10", "11", "A2", "A4", "A5", "A6"),
    "unknown_reversal_code": ("00", "25"),
}
"""The values of the habits that are a choice; the other one is a whole number of days."""


@lru_cache(maxsize=4096)
def rules_of(scheme: str, mcc: str, everywhere: str, of_scheme: str, of_category: str, of_merchant: str) -> Rules:
    """The rules that one request is judged by, from texts of four reach; '' where there is nothing to say."""
    built_in = (SCHEMES.get(scheme, ""), SCHEMES.get(f"{scheme}/{mcc}", ""))
    texts = (built_in[0], everywhere, of_scheme, built_in[1], of_category, of_merchant)
    return Rules(**{name: value for text in texts for name, value in parse_rules(text).items()})


@lru_cache(maxsize=1024)
def habits_of(text: str) -> Habits:
    """The habits that a row's text says, the rest as usual."""
    return Habits(**parse_habits(text))


def parse_rules(text: str) -> dict[str, Any]:
    """`ceiling_percent=100;completions=several` -> values by name, or BadInput."""
    return {name: parse_rule(name, value) for name, value in _pairs(text)}


def parse_habits(text: str) -> dict[str, Any]:
    """`approves_with=11;rest=kept` -> values by name, or BadInput."""
    return {name: parse_habit(name, value) for name, value in _pairs(text)}


def parse_rule(name: str, text: str) -> Any:
    """One rule's value, or BadInput saying what it may be."""
    if name == "pre_auth_mccs":
        codes = text.split()
        if all(len(code) == 4 and code.isascii() and code.isdecimal() for code in codes):
            return " ".join(codes)
        raise BadInput(f"rule pre_auth_mccs is {text!r}: write categories of four digits with spaces between them")
    if name in CHOICES:
        return _chosen("rule", name, text, CHOICES[name])
    if name in BOUNDS:
        return _whole("rule", name, text, *BOUNDS[name])
    raise BadInput(f"there is no rule {name!r}: there are {', '.join(sorted(Rules._fields))}")


def parse_habit(name: str, text: str) -> Any:
    """One habit's value, or BadInput saying what it may be."""
    if name in HABIT_CHOICES:
        return _chosen("habit", name, text, HABIT_CHOICES[name])
    if name in Habits._fields:
        return _whole("habit", name, text, *BOUNDS[name])
    raise BadInput(f"there is no habit {name!r}: there are {', '.join(sorted(Habits._fields))}")


def canonical(values: dict[str, Any]) -> str:
    """Values by name -> the text that a row keeps."""
    return ";".join(f"{name}={value}" for name, value in sorted(values.items()))


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def _chosen(what: str, name: str, text: str, values: tuple[str, ...]) -> str:
    if text in values:
        return text
    raise BadInput(f"{what} {name} is {text!r}: it may be {', '.join(values)}")


def _whole(what: str, name: str, text: str, low: int, high: int) -> int:
    if text.isascii() and text.isdecimal() and low <= int(text) <= high:
        return int(text)
    raise BadInput(f"{what} {name} is {text!r}: it is a whole number from {low} to {high}")
