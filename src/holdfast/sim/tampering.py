"""How bugs are planted: a wrapper around a party that changes what it is told or what it decides.

The product's code stays as it is; what a bug is made of lives in `plant` and `trade_bugs`, and nowhere else.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from holdfast.domain.policy import Policy
from holdfast.domain.tables import Table
from holdfast.parties.acquirer import Acquirer
from holdfast.parties.issuer import Issuer
from holdfast.parties.settings import TerminalSettings
from holdfast.parties.step import Decision, Event, Party, Step, Want
from holdfast.parties.terminal import Terminal
from holdfast.runtime.engine import Engine


def our_terminal(terminal_id: str) -> Party:
    """Our terminal, as it should be."""
    return Terminal(TerminalSettings(terminal_id))


class Cast(NamedTuple):
    """Who plays in a world: the parties, and the engines that run them."""

    acquirer: Callable[[Policy], Party] = Acquirer
    issuer: Callable[[Policy], Party] = Issuer
    terminal: Callable[[str], Party] = our_terminal
    acquirer_engine: type[Engine] = Engine
    issuer_engine: type[Engine] = Engine
    terminal_engine: type[Engine] = Engine


HONEST = Cast()

Told: TypeAlias = Callable[[Event, Want, Any], Any]
"""What a party is told instead of the true answer to a want."""
Decided: TypeAlias = Callable[[Event, Step], Step]
"""What a party decides instead."""


def as_it_is(event: Event, want: Want, answer: Any) -> Any:
    """The true answer."""
    return answer


def as_decided(event: Event, step: Step) -> Step:
    """The true step."""
    return step


class Tampered:
    """A party that is told, or decides, something else than it should."""

    def __init__(self, party: Party, told: Told = as_it_is, decided: Decided = as_decided) -> None:
        self._party = party
        self._told = told
        self._decided = decided

    def decide(self, event: Event) -> Decision:
        """The party's decision, tampered with."""
        return self._tampered(event, self._party.decide(event))

    def refuse(self, event: Event, error: Exception) -> Decision:
        """As the party refuses."""
        return self._party.refuse(event, error)

    def _tampered(self, event: Event, decision: Decision) -> Decision:
        answers: Sequence[Any] | None = None
        while True:
            try:
                wants = decision.send(answers)
            except StopIteration as decided:
                return self._decided(event, decided.value)
            given = yield wants
            answers = [self._told(event, want, answer) for want, answer in zip(wants, given, strict=True)]


def without(step: Step, unwanted: Callable[[Table, str, Any], bool]) -> Step:
    """The step without some of its writes."""
    return step._replace(write=tuple(w for w in step.write if not unwanted(w.table, str(w.key), w.row)))


class Bug(NamedTuple):
    """One planted bug, in words and as a cast."""

    says: str
    cast: Cast


def over_whatever_is_there(event: Event, step: Step) -> Step:
    """The issuer writes over what it had written before."""
    return step._replace(write=tuple(write._replace(fresh=False) for write in step.write))


def acquirer(told: Told = as_it_is, decided: Decided = as_decided) -> Cast:
    return Cast(acquirer=lambda policy: Tampered(Acquirer(policy), told, decided))


def issuer(told: Told = as_it_is, decided: Decided = as_decided) -> Cast:
    return Cast(issuer=lambda policy: Tampered(Issuer(policy), told, decided))


def terminal(told: Told = as_it_is, decided: Decided = as_decided) -> Cast:
    return Cast(terminal=lambda terminal_id: Tampered(our_terminal(terminal_id), told, decided))
