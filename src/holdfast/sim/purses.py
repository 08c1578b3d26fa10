"""The cards of a world as cardholders present them: chip, contactless, stripe, typed in, or a chip that failed.

All chips of a world are here, so that a card's counter goes on from terminal to terminal.
"""

from copy import copy
from random import Random
from typing import Any

from holdfast.clock import local
from holdfast.parties.entered import KINDS
from holdfast.sim.chip_card import ChipCard
from holdfast.sim.plan import SEQUENCE, CardOf

NONCE_BYTES = 4
CURRENCY = "156"
WAYS = ("chip", "chip", "contactless", "stripe", "keyed", "fallback")
PIN_SHARE = 0.3
WRONG_PIN, WRONG_PIN_SHARE = "654321", 0.04
"""So often a PIN is entered, and a wrong one."""
PINLESS = ("moto",)
STRIPE_ONLY = "101"
"""Service code of a card without a chip."""
CHIP_AND_STRIPE = "201"


class Purse:
    """The cards of one world."""

    def __init__(self, cards: tuple[CardOf, ...]) -> None:
        self.cards = cards
        self._chips = {card.pan: ChipCard(card.pan, card.expiry, SEQUENCE) for card in cards}

    def presented(self, card: CardOf, command: str, amount_minor: int, now_us: int, dice: Random) -> dict[str, Any]:
        """The arguments of a command that say how the card was read; a MOTO order has only its number."""
        if command in PINLESS:
            return {"card": {"pan": card.pan, "expiry": card.expiry, "entry": "keyed"}}
        way = dice.choice(WAYS)
        drawn = dice.random()
        pin = "" if drawn >= PIN_SHARE else WRONG_PIN if drawn < WRONG_PIN_SHARE else card.pin
        if way == "keyed":
            return {"card": {"pan": card.pan, "expiry": card.expiry, "entry": way}, "pin": pin}
        if way in ("stripe", "fallback"):
            service_code = CHIP_AND_STRIPE if way == "fallback" else STRIPE_ONLY
            track2 = f"{card.pan}={card.expiry}{service_code}"
            read = {"pan": card.pan, "expiry": card.expiry, "track2": track2, "entry": "stripe"}
            return {"card": read, "pin": pin, "fallback": way == "fallback"}
        return self._chip(card, command, amount_minor, now_us, dice) | {"pin": pin}

    def forged(self, card: CardOf, command: str, amount_minor: int, now_us: int, dice: Random) -> dict[str, Any]:
        """A chip whose cryptogram is wrong by one bit."""
        read = self._chip(card, command, amount_minor, now_us, dice)
        chip = bytearray(read["card"]["chip"])
        at = chip.index(bytes.fromhex("9F2608")) + 3
        chip[at + dice.randrange(8)] ^= 1 << dice.randrange(8)
        return {"card": {**read["card"], "chip": bytes(chip)}, "pin": ""}

    # A cardholder may shop at two tills at once here: each keeps the card as it was when it asked.
    def _chip(self, card: CardOf, command: str, amount_minor: int, now_us: int, dice: Random) -> dict[str, Any]:
        chip, moment = self._chips[card.pan], local(now_us)
        packed = chip.generate(
            amount_minor,
            CURRENCY,
            moment.strftime("%y%m%d"),
            dice.randbytes(NONCE_BYTES),
            transaction_type=KINDS[command].processing_code[:2],
        )
        read = {"pan": card.pan, "expiry": card.expiry, "track2": chip.track2, "sequence": SEQUENCE, "chip": packed}
        return {"card": {**read, "entry": dice.choice(("chip", "contactless"))}, "card_in_hand": copy(chip)}
