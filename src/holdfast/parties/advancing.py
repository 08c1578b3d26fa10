"""The clock of a sandbox is advanced: each log says so in an entry of its own, for its times jump there.

A party decides by the time it is given and has none itself; that the clock was advanced it only records.
"""

from holdfast.domain.commands import AUDIT
from holdfast.parties.step import TURN, Command, Decision, Outcome, Step

ADVANCE_CLOCK = "advance-clock"
ADVANCED = "clock-advanced"


def note_advance(event: Command) -> Decision:
    """`{"advance": id, "machine": …, "from": …, "to": …}`, times in microseconds -> the entry that says so."""
    said = {name: event.arguments[name] for name in ("advance", "machine", "from", "to")}
    (turn,) = yield (TURN,)
    entry = turn.record(AUDIT, {"phase": ADVANCED, "actor": event.actor, **said})
    return Step((entry,), send=(Outcome(event.caller, {"ok": True, "entry": turn.entry}),))
