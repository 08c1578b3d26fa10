"""How bugs are planted: around a party, which is told or decides something else, or in an engine that works otherwise.

The product's code stays as it is; what a bug is made of lives in the modules `bugs_…`, and nowhere else.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from holdfast.domain.policy import Policy
from holdfast.domain.tables import DUE, Table, Write
from holdfast.parties.acquirer import Acquirer
from holdfast.parties.issuer import Issuer
from holdfast.parties.settings import TerminalSettings
from holdfast.parties.step import Decision, Event, Party, Received, Step, Want
from holdfast.parties.terminal import Terminal
from holdfast.register.canonical import decode_strict, encode, leaf_hash
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


class Bug(NamedTuple):
    """One planted bug, in words and as a cast."""

    says: str
    cast: Cast


Facts = dict[str, Any]
Told: TypeAlias = Callable[[Event, Want, Any], Any]
"""What a party is told instead of the true answer to a want."""
Decided: TypeAlias = Callable[[Event, Step], Step]
"""What a party decides instead."""
Instead: TypeAlias = Callable[[Party, Event], Decision]
"""How a party comes to a decision instead."""


def as_it_is(event: Event, want: Want, answer: Any) -> Any:
    """The true answer."""
    return answer


def as_decided(event: Event, step: Step) -> Step:
    """The true step."""
    return step


def by_itself(party: Party, event: Event) -> Decision:
    """The true decision."""
    return party.decide(event)


class Tampered:
    """A party that is told, or decides, something else than it should."""

    def __init__(
        self, party: Party, told: Told = as_it_is, decided: Decided = as_decided, instead: Instead = by_itself
    ) -> None:
        self._party = party
        self._told = told
        self._decided = decided
        self._instead = instead

    def decide(self, event: Event) -> Decision:
        """The party's decision, tampered with."""
        return self._tampered(event, self._instead(self._party, event))

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


def acquirer(told: Told = as_it_is, decided: Decided = as_decided, instead: Instead = by_itself) -> Cast:
    """A world whose acquirer is tampered with."""
    return Cast(acquirer=lambda policy: Tampered(Acquirer(policy), told, decided, instead))


def issuer(told: Told = as_it_is, decided: Decided = as_decided, instead: Instead = by_itself) -> Cast:
    """A world whose issuer is tampered with."""
    return Cast(issuer=lambda policy: Tampered(Issuer(policy), told, decided, instead))


def terminal(told: Told = as_it_is, decided: Decided = as_decided, instead: Instead = by_itself) -> Cast:
    """A world whose terminals of ours are tampered with."""
    return Cast(terminal=lambda terminal_id: Tampered(our_terminal(terminal_id), told, decided, instead))


def both(told: Told) -> Cast:
    """A world whose acquirer and issuer are told the same wrong thing."""
    return Cast(
        acquirer=lambda policy: Tampered(Acquirer(policy), told),
        issuer=lambda policy: Tampered(Issuer(policy), told),
    )


# --- steps --------------------------------------------------------------------------------------------------------


def asked(event: Event, *mtis: str) -> bool:
    """Whether this is a message of one of these types."""
    return isinstance(event, Received) and event.message.mti in mtis


def facts_of(step: Step) -> list[Facts]:
    """What the entries of a step say."""
    return [decode_strict(entry.body) for entry in step.entries]


def saying(step: Step, changed: Callable[[Facts], Facts]) -> Step:
    """The step with other facts in its entries."""
    entries = []
    for entry, facts in zip(step.entries, facts_of(step), strict=True):
        said = changed(facts)
        body = encode({name: value for name, value in said.items() if value is not None})
        entries.append(entry._replace(kind=said["kind"], body=body, leaf=leaf_hash(body)))
    return step._replace(entries=tuple(entries))


def with_rows(step: Step, table: Table, changed: Callable[[Any], Any]) -> Step:
    """The step with other rows of one table."""

    def written(write: Write) -> Write:
        if write.table is not table or write.row is None:
            return write
        row = changed(write.row)
        return write._replace(key=row[0], row=row)

    return step._replace(write=tuple(written(write) for write in step.write))


def without(step: Step, unwanted: Callable[[Table, str, Any], bool]) -> Step:
    """The step without some of its writes."""
    return step._replace(write=tuple(w for w in step.write if not unwanted(w.table, str(w.key), w.row)))


def never_again(step: Step) -> Step:
    """The step, after which nothing is come back to."""
    return step._replace(write=tuple(w._replace(row=None) if w.table is DUE else w for w in step.write))


def over_whatever_is_there(event: Event, step: Step) -> Step:
    """Whoever decides writes over what it had written before."""
    return step._replace(write=tuple(write._replace(fresh=False) for write in step.write))
