"""Which cards nobody has used for as long as their numbers are kept.

Rule 1: a card is kept until the last of its requests is as old as the rules of that request's merchant and scheme say,
and until nothing that was posted to it can be refunded any more.
Rule 2: a card with a hold that stands, or a request that is in doubt or not delivered, is kept whatever its age.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from holdfast.clock import DAY_US
from holdfast.domain.hold import State
from holdfast.domain.records import HOLDS, MERCHANTS, REQUESTS, SCHEMES
from holdfast.domain.rules import EVERYWHERE, Rules, rules_of
from holdfast.reading.open_items import waits_of
from holdfast.register.canonical import decode_strict
from holdfast.store.interface import Reader

YEAR_DAYS = 366
"""The longest: what is kept for a year is never kept for less."""

ENTRIES_AT_ONCE = 2048


class Look(NamedTuple):
    """What a look at the register found. `sizes` are how far it saw each log; `cards` how many cards there are."""

    cards: int
    unused: list[str]
    """Tokens, in order."""
    sizes: Mapping[str, int]


async def look(reader: Reader, now_us: int) -> Look:
    """All cards that may be shredded at `now_us`; those whose number is gone already are among them."""
    sizes = await _sizes(reader)
    keeping = await keeping_us(reader)
    until_us: dict[str, int] = {}
    needed: set[str] = set()
    async for request in reader.scan(REQUESTS):
        if request.token is None:
            continue
        if waits_of(request):
            needed.add(request.token)
        used_us = max(request.at_us, request.answered_us)
        ends_us = used_us + keeping(request.merchant_id, request.scheme)
        until_us[request.token] = max(ends_us, until_us.get(request.token, 0))
    async for hold in reader.scan(HOLDS):
        if hold.state == State.HELD:
            needed.add(hold.token)
    unused = [token for token, ends_us in until_us.items() if ends_us <= now_us and token not in needed]
    return Look(len(until_us), sorted(unused), sizes)


async def used_since(reader: Reader, sizes: Mapping[str, int]) -> tuple[set[str], Mapping[str, int]]:
    """The tokens that entries after these sizes name, and the sizes now: to be asked again just before shredding."""
    now = await _sizes(reader)
    tokens: set[str] = set()
    for log, size in now.items():
        for first in range(sizes.get(log, 0) + 1, size + 1, ENTRIES_AT_ONCE):
            entries = await reader.entries(log, first, min(first + ENTRIES_AT_ONCE - 1, size))
            named = (decode_strict(entry.body).get("token") for entry in entries)
            tokens |= {str(token) for token in named if token}
    return tokens, now


async def keeping_us(reader: Reader) -> Callable[[str, str], int]:
    """How long a use of a card at a merchant under a scheme keeps its number, by the rules as they are today."""
    merchants = {row.merchant_id: row async for row in reader.scan(MERCHANTS)}
    texts = {row.scheme: row.rules async for row in reader.scan(SCHEMES)}

    @cache
    def keeping(merchant_id: str, scheme: str) -> int:
        merchant = merchants.get(merchant_id)
        mcc, own = (merchant.mcc, merchant.rules) if merchant else ("", "")
        reach = (EVERYWHERE, scheme, f"{scheme}/{mcc}")
        return kept_us(rules_of(scheme, mcc, *(texts.get(name, "") for name in reach), own))

    return keeping


def kept_us(rules: Rules) -> int:
    """How long after its last use: through the retention, and the last day of a refund."""
    return max(rules.retention_years * YEAR_DAYS, rules.refund_days + 1) * DAY_US


async def _sizes(reader: Reader) -> dict[str, int]:
    return {head.log: head.frontier.size for head in await reader.logs()}
