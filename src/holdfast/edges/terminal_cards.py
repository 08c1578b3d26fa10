"""What `--card` means: a sample card at the reader, a number that is typed in, or a stripe.

A sample card with a chip is inserted, unless it is tapped, swiped or typed in. Its chip asks its issuer by a cryptogram
where money or a balance is asked for; for a completion, void or refund its number is read and no more, as terminals do.
"""

from collections.abc import Mapping
from secrets import token_bytes
from typing import Any, NamedTuple

import typer

from holdfast.clock import local
from holdfast.domain.commands import BALANCE, INCREMENT, MOTO, PRE_AUTHORIZATION, SALE, Kind
from holdfast.edges import sample
from holdfast.errors import BadInput
from holdfast.money import CURRENCY_CNY
from holdfast.runtime.pos import Pos
from holdfast.sim.chip_card import ChipCard

ASKS_ISSUER = frozenset({PRE_AUTHORIZATION, INCREMENT, SALE, BALANCE})
"""Kinds for which the chip makes a cryptogram."""

COUNTER_MAX = 0xFFFF


class Presented(NamedTuple):
    """A card before the terminal: the arguments that say so, and its chip where it asks the issuer."""

    card: dict[str, Any]
    chip: ChipCard | None = None


def card_of(
    text: str, expiry: str | None, kind: Kind, tap: bool = False, swipe: bool = False, keyed: bool = False
) -> Presented:
    """What was entered as the card: `track2:…`, a sample card's name or number, or any number."""
    if tap + swipe + keyed > 1:
        raise BadInput("a card is tapped, swiped or keyed: give one of --tap, --swipe, --keyed")
    if text.startswith("track2:"):
        return Presented({"track2": text.removeprefix("track2:"), "entry": "stripe"})
    if text.isascii() and text.isdecimal():
        known = sample.card_by_pan(text)
        if known is None or not (tap or swipe):
            return Presented({"pan": text, "expiry": expiry or (known["expiry"] if known else ""), "entry": "keyed"})
    else:
        known = sample.card(text)
    if known is None:
        raise BadInput(f"card {text!r} is not a sample card (`holdfast sample` lists them), a number, or track2:…")
    return _sample_card(known, expiry or known["expiry"], kind, tap, swipe, keyed)


def _sample_card(row: Mapping[str, Any], expiry: str, kind: Kind, tap: bool, swipe: bool, keyed: bool) -> Presented:
    issuer_key = bytes.fromhex(sample.test_key(f"IMK AC {row['issuer']}"))
    chip = ChipCard(row["pan"], expiry, row["sequence"], issuer_key, service_code=row["service_code"])
    read = {"pan": row["pan"], "expiry": expiry}
    if keyed or kind is MOTO:
        return Presented({**read, "entry": "keyed"})
    if swipe or row["service_code"][0] not in "26":
        return Presented({**read, "track2": chip.track2, "entry": "stripe"})
    read |= {"track2": chip.track2, "sequence": row["sequence"], "entry": "contactless" if tap else "chip"}
    return Presented(read, chip if kind in ASKS_ISSUER else None)


async def asking_chip(pos: Pos, presented: Presented, kind: Kind, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The card's arguments with its cryptogram. Its counter goes with the trace number, which never stands still."""
    chip, device = presented.chip, await pos.device()
    if chip is None or device is None:
        return presented.card
    chip.atc = device.stan % (COUNTER_MAX - 1)
    packed = chip.generate(
        arguments.get("amount_minor") or 0,
        CURRENCY_CNY,
        local(pos.now_us(), pos.settings.zone).strftime("%y%m%d"),
        token_bytes(4),
        transaction_type=kind.processing_code[:2],
        with_pin=bool(arguments.get("pin")),
    )
    return {**presented.card, "chip": packed}


def refuses(presented: Presented, value: Mapping[str, Any]) -> bool:
    """Whether the chip says no to an approval, because its issuer's word to it is not its issuer's."""
    word, chip = value.get("chip"), presented.chip
    return chip is not None and value["outcome"] == "approved" and word is not None and not chip.accepts(word)


def pin_of(text: str | None) -> str:
    """The PIN: as given, or asked for without showing it (`-`)."""
    return str(typer.prompt("PIN", hide_input=True, err=True)) if text == "-" else text or ""
