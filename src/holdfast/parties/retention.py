"""Card numbers whose time is over are shredded: their rows of the vault go, and no entry, row or proof with them.

Rule 1: whoever asks has looked for cards that nobody used for as long as they are kept (see `reading.retention`), and
says how far he saw each log. When this log has grown since, nothing is done: he must look at the rest first, for a
card that came back may be in doubt, and then its number is needed.
Rule 2: a hold that stands, or that another worker placed after that look, keeps its card.
"""

from collections.abc import Mapping
from typing import Any

from holdfast.domain.commands import AUDIT
from holdfast.domain.hold import State
from holdfast.domain.records import CARDS, HOLDS, Hold
from holdfast.domain.tables import Find, remove
from holdfast.ids import parse_entry_id
from holdfast.parties.step import TURN, Command, Decision, Outcome, RowOf, Step

RETIRE = "retire"
HOLDS_MAX = 4096
"""So many holds of one card are looked at; who has more keeps it, for what was not seen may stand."""


def retire(event: Command) -> Decision:
    """`{"tokens": […], "sizes": {"A": 123}, "dry_run": …}` -> how many cards are `shredded` and `kept`, or `moved`.

    Tokens that are not in the vault any more count as neither. A dry run counts, and writes nothing.
    """
    tokens, sizes, dry_run = (event.arguments[name] for name in ("tokens", "sizes", "dry_run"))
    vault = yield tuple(Find(CARDS, (("token", token),), 1) for token in tokens)
    cards = [found[0] for found in vault if found]
    of_cards = yield tuple(Find(HOLDS, (("token", card.token),), HOLDS_MAX) for card in cards)
    # Found without a lock: what is decided on is read again under one.
    locked = yield tuple(RowOf(HOLDS, hold.hold_id) for holds in of_cards for hold in holds)
    (turn,) = yield (TURN,)
    if not dry_run and turn.number - 1 != sizes.get(turn.log, 0):
        return Step(send=(told(event, {"moved": True}),))
    kept = {hold.token for hold in locked if hold is not None and keeps(hold, sizes)}
    kept |= {holds[0].token for holds in of_cards if len(holds) == HOLDS_MAX}
    gone = [card.pan_hash for card in cards if card.token not in kept]
    counts = {"moved": False, "shredded": len(gone), "kept": len(cards) - len(gone)}
    if dry_run or not gone:
        return Step(send=(told(event, counts),))
    entry = turn.record(AUDIT, {"phase": "retired", "actor": event.actor, "counts": {"cards": len(gone)}})
    return Step((entry,), tuple(remove(CARDS, key) for key in gone), (told(event, {"entry": turn.entry} | counts),))


def keeps(hold: Hold, sizes: Mapping[str, int]) -> bool:
    """Whether a hold needs its card: it stands, or nobody has looked at it yet."""
    log, number = parse_entry_id(hold.hold_id)
    return hold.state == State.HELD or number > sizes.get(log, 0)


def told(event: Command, value: Mapping[str, Any]) -> Outcome:
    """The answer to whoever stands at the door."""
    return Outcome(event.caller, {"ok": True, **value})
