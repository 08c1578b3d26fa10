"""Which rules hold for a card at a merchant: what to read for that, and what follows from it."""

from collections.abc import Sequence

from holdfast.domain.records import SCHEMES, Merchant, Scheme
from holdfast.domain.rules import EVERYWHERE, Rules, rules_of
from holdfast.parties.step import RowOf, Want


def wants_of_rules(scheme: str, merchant: Merchant | None) -> tuple[Want, ...]:
    """The rows that say rules: for every card here, for the scheme, for the scheme at this kind of merchant."""
    names = (EVERYWHERE, scheme, f"{scheme}/{merchant.mcc if merchant else ''}")
    return tuple(RowOf(SCHEMES, name) for name in names)


def rules_for(scheme: str, merchant: Merchant | None, rows: Sequence[Scheme | None]) -> Rules:
    """The rules that hold for a card of this scheme at this merchant; `rows` is what `wants_of_rules` was answered."""
    everywhere, of_scheme, of_category = (row.rules if row else "" for row in rows)
    mcc, own = (merchant.mcc, merchant.rules) if merchant else ("", "")
    return rules_of(scheme, mcc, everywhere, of_scheme, of_category, own)
