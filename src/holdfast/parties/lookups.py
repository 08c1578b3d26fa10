"""What a business request makes the acquirer read: its card and the card's issuer, the rules, what it refers to."""

from typing import Any, NamedTuple

from holdfast.domain.commands import Ask, Means
from holdfast.domain.hold import Act
from holdfast.domain.originals import LOOKED_AT_MAX, POSTINGS_LOOKED_AT_MAX, normal_code
from holdfast.domain.records import (
    BATCHES,
    BINS,
    CARDS,
    HOLDS,
    HOT_CARDS,
    ISSUERS,
    REQUESTS,
    Batch,
    Bin,
    Card,
    Hold,
    HotCard,
    Issuer,
    Merchant,
    Request,
    Scheme,
)
from holdfast.domain.rules import Rules
from holdfast.domain.tables import Find
from holdfast.ids import TraceKey, batch_of, luhn_valid, mask_pan
from holdfast.parties import underway
from holdfast.parties.admission import Admitted
from holdfast.parties.ruling import rules_for, wants_of_rules
from holdfast.parties.step import Reads, RowOf, Want, new_token, pan_hash, seal_pan, translate_pin

BIN_DIGITS = (8, 7, 6)
"""Lengths of BIN that are looked for, the longest first."""


class CardFacts(NamedTuple):
    """What the acquirer knows of the card in a request; `vault` is new (and not yet written) when `fresh`."""

    vault: Card | None = None
    fresh: bool = False
    bin: Bin | None = None
    issuer: Issuer | None = None
    hot: HotCard | None = None

    @property
    def token(self) -> str | None:
        """The random token that stands for the card in every record."""
        return self.vault.token if self.vault else None


class Seen(NamedTuple):
    """All that was read to decide on a request.

    `holds` are those that it may mean, or for a new hold those of its card; `own_entry` is what this terminal's batch
    and trace in DE61 name. `under_way` are requests about these holds that are not over (see `underway`). `pin` is the
    PIN block for the issuer, b"" where none was entered, None where it is none.
    """

    asked: Ask
    admitted: Admitted
    card: CardFacts
    rules: Rules
    holds: tuple[Hold, ...]
    own_entry: str | None
    batch: Batch | None
    pin: bytes | None
    under_way: tuple[Request, ...] = ()


def wants_of_card(asked: Ask) -> tuple[Want, ...]:
    """The hash of the card number and the BINs it may begin with. One that fails Luhn is no card: nothing is wanted."""
    if asked.card is None or not luhn_valid(asked.card.pan):
        return ()
    pan = asked.card.pan
    return (pan_hash(pan), *[RowOf(BINS, pan[:digits]) for digits in BIN_DIGITS])


def look(asked: Ask, admitted: Admitted, of_card: list[Any]) -> Reads[Seen]:
    """Everything, in as few rounds as its parts allow; `of_card` is what `wants_of_card` was answered."""
    card, schemes = yield from look_up_card(asked, admitted.merchant, of_card)
    rules = rules_for(card.bin.scheme if card.bin else "", admitted.merchant, schemes)
    holds, own_entry = yield from look_up_originals(asked, card, rules)
    under_way = yield from look_up_under_way(asked, card, holds)
    batch, pin = None, b""
    if asked.kind.advice:
        (batch,) = yield (RowOf(BATCHES, batch_of(str(asked.key))),)
    if asked.card is not None and asked.card.pin_block and card.issuer is not None:
        block, zone_pin = asked.card.pin_block, card.issuer.zone_pin
        (pin,) = yield (translate_pin(admitted.session.pik, zone_pin, block, asked.card.pan),)
    return Seen(asked, admitted, card, rules, tuple(holds), own_entry, batch, pin, under_way)


def look_up_card(
    asked: Ask, merchant: Merchant | None, read: list[Any]
) -> Reads[tuple[CardFacts, tuple[Scheme | None, ...]]]:
    """Issuer by BIN, the card's token, whether it is hot, and the rules of its scheme."""
    hashed, *bins = read or [b""]
    bin_row = next((row for row in bins if row is not None), None)
    schemes = wants_of_rules(bin_row.scheme if bin_row else "", merchant)
    if asked.card is None or not read:
        read_schemes = yield schemes
        return CardFacts(), tuple(read_schemes)
    vault, hot, issuer, *read_schemes = yield (
        RowOf(CARDS, hashed),
        RowOf(HOT_CARDS, hashed),
        RowOf(ISSUERS, bin_row.issuer_id if bin_row else ""),
        *schemes,
    )
    if vault is not None:
        return CardFacts(vault, False, bin_row, issuer, hot), tuple(read_schemes)
    pan = asked.card.pan
    token, sealed = yield (new_token(), seal_pan(pan))
    vault = Card(hashed, token, mask_pan(pan), sealed, bin_row.issuer_id if bin_row else "")
    return CardFacts(vault, True, bin_row, issuer, hot), tuple(read_schemes)


def look_up_originals(asked: Ask, card: CardFacts, rules: Rules) -> Reads[tuple[list[Hold], str | None]]:
    """The holds that may be meant, read again under lock, and the posting that DE61 names."""
    if card.vault is None:
        return [], None
    by_token = (("token", card.vault.token),)
    if not asked.kind.needs_original:
        counts = asked.kind.act is Act.PLACE and (rules.velocity_count or rules.velocity_minor)
        (of_card,) = (yield (Find(HOLDS, by_token, POSTINGS_LOOKED_AT_MAX),)) if counts else ([],)
        return of_card, None
    code = normal_code(asked.original.authorization_code)
    posting = asked.kind.means is Means.POSTING
    by_card, by_code, *own = yield (
        Find(HOLDS, by_token, POSTINGS_LOOKED_AT_MAX if posting else LOOKED_AT_MAX),
        Find(HOLDS, (("merchant_id", asked.merchant_id), ("authorization_code", code)), LOOKED_AT_MAX),
        *(RowOf(REQUESTS, key) for key in keys_meant(asked) if posting),
    )
    ids = sorted({hold.hold_id for hold in (*by_card, *by_code)})
    locked = yield tuple(RowOf(HOLDS, hold_id) for hold_id in ids)
    own_entry = next((request.asked_entry for request in own if request is not None), None)
    return [hold for hold in locked if hold is not None], own_entry


def look_up_under_way(asked: Ask, card: CardFacts, holds: list[Hold]) -> Reads[tuple[Request, ...]]:
    """What is not over about the holds of this card; read once they are locked, so that nothing comes in between.

    An advice tells what was done: it is not asked to come again.
    """
    if not asked.kind.needs_original or asked.kind.advice:
        return ()
    of_card = [hold.hold_id for hold in holds if hold.token == card.token and hold.merchant_id == asked.merchant_id]
    found = yield tuple(underway.about(hold_id) for hold_id in of_card)
    return tuple(request for requests in found for request in requests if underway.is_under_way(request))


def keys_meant(asked: Ask) -> tuple[str, ...]:
    """The keys of this terminal that DE61's batch and trace may mean: a request, or an advice."""
    original = asked.original
    keys = (TraceKey(asked.key.terminal, original.batch, original.stan, mti) for mti in ("0200", "0220"))
    return tuple(str(key) for key in keys if original.stan.strip("0"))
