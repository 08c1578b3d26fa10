"""The one thing that a party says when its register goes on after a restore: an audit entry, the first of the new log.

It is written before the party itself takes over, by a party that can do nothing else.
"""

from holdfast.domain.commands import AUDIT
from holdfast.parties.step import TURN, Command, Decision, Event, Step

RESTORED = "restored"


class Restored:
    """Records a restore. Its only event is a Command whose arguments are the facts."""

    def decide(self, event: Event) -> Decision:
        """One entry."""
        assert isinstance(event, Command), "nothing else is given to it"
        (turn,) = yield (TURN,)
        return Step((turn.record(AUDIT, {"phase": RESTORED, "actor": event.actor, **event.arguments}),))

    def refuse(self, event: Event, error: Exception) -> Decision:
        """There is nothing to go on with: a register must not grow without saying where it comes from."""
        raise error
