"""How register entries become requests and holds: the one place where the acquirer's projections come from.

A decision writes an entry's facts; the rows follow from them by these functions, when it is written and again when an
audit rebuilds everything from the log. So a row can never say what no entry said.

Facts of a request entry (keys of the entry's body): `trace_key`, `phase` and, in the entry that opens the request,
all that a Request keeps. Phases:

    asked     the issuer is being asked             answered  the issuer's answer was taken
    refused   declined by the acquirer itself       unknown   the issuer was silent; a reversal is owed
    late      an answer after that                  undone    the issuer acknowledged our reversal
    recorded  a reversal of the terminal (`reverses` names the request, `undoes` says what became of it)
    barred    a reversal or repeat came first       objected  the issuer refused our reversal
    duplicate same key, other question: changes no row

`hold` says how a hold changes: `id`, `version`, and `act` [name, by, amount] put in force, or `out`: the request whose
act is taken out.
"""

from collections.abc import Mapping
from typing import Any

from holdfast.domain.hold import Act, InForce, dump, fold, load, take_out
from holdfast.domain.records import Hold, Request
from holdfast.ids import entry_id

Facts = Mapping[str, Any]


def opened(facts: Facts) -> Request:
    """The request row that an opening entry (asked, refused, recorded, barred) makes."""
    get = facts.get
    entry = entry_id(facts["log"], facts["number"])
    return Request(
        facts["trace_key"],
        facts["kind"],
        get("echoes", facts["kind"]),
        facts["outcome"],
        bytes.fromhex(facts["question"]),
        facts["terminal_id"],
        facts["merchant_id"],
        facts["actor"],
        facts["at"],
        0 if facts["outcome"] == "asked" else facts["at"],
        facts["business_date"],
        get("token"),
        get("card"),
        get("issuer"),
        get("amount", 0),
        get("currency", ""),
        facts["rrn"],
        entry,
        entry,
        get("response_code"),
        None,
        get("hold_id"),
        get("original"),
        "",
        get("reason"),
        get("sequence", 0),
    )


def continued(request: Request, facts: Facts) -> Request:
    """The request after a later entry about it."""
    phase, entry = facts["phase"], entry_id(facts["log"], facts["number"])
    if phase == "answered":
        return request._replace(
            outcome=facts["outcome"],
            answered_us=facts["at"],
            entry=entry,
            response_code=facts["response_code"],
            authorization_code=facts.get("authorization_code"),
            hold_id=facts["hold"]["id"] if "hold" in facts else request.hold_id,
            undo=facts.get("undo", request.undo),
            reason=facts.get("reason"),
        )
    if phase == "unknown":
        return request._replace(
            outcome="unknown", answered_us=facts["at"], entry=entry, response_code=facts["response_code"], undo="owed"
        )
    if phase in ("late", "objected"):
        return request._replace(undo=facts["undo"])
    assert phase == "undone", f"no such phase of a request: {phase}"
    outcome = "reversed" if request.outcome == "unknown" else request.outcome
    return request._replace(outcome=outcome, undo="done")


def reversed_by(request: Request, facts: Facts) -> Request:
    """The request after a terminal's reversal of it was recorded."""
    if facts["undoes"] != "taken out":
        return request
    return request._replace(outcome="reversed", undo="done" if request.undo == "done" else facts["undo"])


def placed(facts: Facts, request: Request) -> Hold:
    """The hold that an approved pre-authorization makes."""
    hold, key = facts["hold"], request.trace_key.split("/")
    return Hold(
        hold["id"],
        0,
        "none",
        "[]",
        request.token or "",
        request.card or "",
        request.issuer_id or "",
        request.merchant_id,
        request.terminal_id,
        facts["authorization_code"],
        key[1],
        key[2],
        request.at_us,
        hold["placed_on"],
        hold["expires"],
        request.amount_minor,
        0,
    )


def hold_after(hold: Hold, facts: Facts) -> Hold:
    """The hold after an entry that touches it."""
    change = facts["hold"]
    acts = load(hold.acts)
    if "out" in change:
        _, acts = take_out(acts, change["out"])
    if "act" in change:
        name, by, amount_minor = change["act"]
        acts = (*acts, InForce(Act(name), by, amount_minor))
    life = fold(acts)
    return hold._replace(
        version=change["version"],
        state=life.state.value,
        acts=dump(acts),
        completed_minor=life.completed_minor,
    )
