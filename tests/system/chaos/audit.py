"""The simulator's auditor on real stores, and what cashiers were told on top: complaints, and how much was checked."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from holdfast.domain.records import DEVICES, SALES
from holdfast.edges.open_reader import installation as installation_of
from holdfast.runtime.pos import file_of, keys_of
from holdfast.sim.auditor import Auditor
from holdfast.sim.evidence import Evidence, Stored, read_evidence
from holdfast.sim.own_register import MONEY_KINDS
from holdfast.sim.witness import Witness
from tests.system.installation import Installation

Told = Mapping[str, Sequence[Mapping[str, Any]]]
"""By terminal, what its cashier was told."""


@dataclass
class Till:
    """A terminal at rest, see `witness.Clean`."""

    name: str
    clean: bool


class Audited(NamedTuple):
    """What came of it."""

    complaints: list[str]
    answered_rows: int
    """Rows of journals that an answer ended, each of which was held against the register and the book."""
    receipts: int
    requests: int
    kinds: Counter[str]
    beliefs: Counter[str]
    findings: Counter[str]


async def evidence_of(installation: Installation, terminals: Sequence[str]) -> Evidence:
    """Everything that was recorded; the terminals' files lie in the installation's folder of terminals."""
    opened = installation_of(installation.data, "", None)
    journals = {terminal_id: file_of(installation.tills, terminal_id) for terminal_id in terminals}
    terminals_key = keys_of(installation.tills).public_key()
    return await read_evidence(opened.dsns, opened.public_key(), journals, terminals_key)


def audited(evidence: Evidence, told: Told) -> Audited:
    """Judge all of it."""
    complaints: list[str] = []
    auditor = Auditor(evidence.register, evidence.book, evidence, complaints.append)
    auditor.hosts()
    for terminal_id, journal in evidence.journals.items():
        auditor.terminal(terminal_id, journal)
    witness = Witness(evidence.register, complaints.append)
    for terminal_id, lines in told.items():
        for line in lines:
            # A settlement moves no money, and its receipt names no entry: its sums are judged by themselves.
            if line["outcome"] == "approved" and line["kind"] in MONEY_KINDS:
                witness.receipt(terminal_id, line)
    auditor.receipts(witness.receipts)
    tills = (Till(name, _is_clean(name, journal)) for name, journal in evidence.journals.items())
    witness.healed(tills, evidence.book)
    complaints += refused_and_done(auditor, told)
    rows = [row for journal in evidence.journals.values() for row in journal.table(SALES).rows.values()]
    answered = [row for row in rows if row.answered_us and row.kind in MONEY_KINDS]
    return Audited(
        list(dict.fromkeys(complaints)),
        len(answered),
        len(witness.receipts),
        len(auditor.register.requests),
        Counter(row.kind for row in rows if row.outcome == "approved"),
        Counter(row.outcome for row in rows if row.kind in MONEY_KINDS),
        Counter(str(facts["reason"]) for facts in auditor.register.findings),
    )


def refused_and_done(auditor: Auditor, told: Told) -> Iterator[str]:
    """Whoever was told "declined" has nothing in force: neither is a request approved, nor was money moved."""
    for terminal_id, lines in told.items():
        for line in lines:
            request = auditor.register.requests.get(line.get("trace_key") or "")
            declined = line["outcome"] == "declined" and line["kind"] in MONEY_KINDS
            if declined and request is not None and (request.kind, request.outcome) == (line["kind"], "approved"):
                yield f"I2: {terminal_id} showed declined for {request.trace_key}, which is approved"


def _is_clean(terminal_id: str, journal: Stored) -> bool:
    device = journal.table(DEVICES).rows[terminal_id]
    return not (device.in_flight or device.reversal or device.settling)
