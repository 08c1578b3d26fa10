"""How journal entries become the terminal's rows: the one place where Device and Sale come from.

A decision writes an entry's facts; the rows follow from them by these functions, when it is written and again when an
audit rebuilds everything from the journal. What no entry may hold (keys, the sealed card number) is laid on top by
whoever has it. Every entry names the leaf before it (`previous`), so that the journal is a chain by its own words.

Facts of an entry: `trace_key`, `sequence` (number of the entry that asked) and a `phase`:

    loaded   the terminal was told who it is     asked    a request is about to be sent for the first time
    answered a usable answer came                unknown  none came in time, or one that cannot be used
    stored   a reversal waits to be delivered    held up  the acquirer wants a sign-on before it takes the reversal
    undone   the reversal was acknowledged       stands   the reversal was answered 22: the original is in force
    late     an answer to a request that was over

`sign_on_again` says that the acquirer's keys or batch are not ours any more.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.domain.commands import SIGN_ON
from holdfast.domain.records import Device, Sale

Facts = Mapping[str, Any]

FIRST_BATCH = "000000"
"""The batch of a terminal that has never signed on."""

SETTLING = frozenset({"answered", "unknown"})
ENDING_REVERSAL = frozenset({"undone", "stands"})


def device_after(device: Device | None, facts: Facts) -> Device | None:
    """The terminal after an entry. Keys stay as they were; a terminal that was just loaded has none."""
    phase = facts.get("phase")
    if phase == "loaded":
        return _loaded(device, facts)
    if device is None or phase is None:
        return device
    device = device._replace(last_entry=facts.get("register_entry", device.last_entry))
    if facts.get("sign_on_again"):
        device = device._replace(signed_on=False)
    if phase == "asked":
        device = device._replace(stan=int(facts["trace_key"].split("/")[2]), in_flight=facts["trace_key"])
        return device._replace(signed_on=False) if facts["kind"] == SIGN_ON else device
    if phase in SETTLING:
        device = device._replace(in_flight="")
        signed_on = facts["kind"] == SIGN_ON and facts.get("outcome") == "approved"
        return device._replace(batch=facts["batch"], signed_on=True) if signed_on else device
    if phase == "stored":
        return device._replace(reversal=facts["trace_key"])
    return device._replace(reversal="") if phase in ENDING_REVERSAL else device


def _loaded(device: Device | None, facts: Facts) -> Device:
    """Who it is. The counters of a terminal that is loaded again go on: a trace number must never name two requests."""
    told = {
        name: facts[name]
        for name in ("terminal_id", "merchant_id", "merchant_name", "merchant_name_en", "register_key")
    }
    if device is not None:
        return device._replace(**told, signed_on=False)
    return Device(
        **told,
        tmk=b"",
        batch=FIRST_BATCH,
        stan=0,
        signed_on=False,
        mak=None,
        pik=None,
        last_entry="",
        in_flight="",
        reversal="",
    )


def opened(facts: Facts) -> Sale:
    """The row of a request that is about to be sent, or of a reversal that was stored."""
    get = facts.get
    return Sale(
        trace_key=facts["trace_key"],
        kind=facts["kind"],
        outcome="asked",
        amount_minor=get("amount", 0),
        currency=get("currency", ""),
        card=get("card"),
        pan_sealed=None,
        expiry=get("expiry"),
        entry_mode=get("entry_mode", ""),
        operator=facts["actor"],
        at_us=facts["at"],
        answered_us=0,
        local_date=facts["local_date"],
        local_time=facts["local_time"],
        original_code=get("original_code"),
        original_date=get("original_date"),
        original_trace=get("original_trace"),
        response_code=None,
        authorization_code=None,
        rrn=None,
        register_entry=None,
        reverses=get("reverses"),
        reason=get("reason"),
        late=None,
        sequence=facts["sequence"],
        previous=facts["previous"],
    )


def sale_after(sale: Sale, facts: Facts) -> Sale:
    """A request or reversal after a later entry that touches it."""
    phase, get = facts["phase"], facts.get
    if phase in SETTLING:
        return sale._replace(
            outcome=facts["outcome"],
            answered_us=facts["at"],
            local_date=get("local_date", sale.local_date),
            local_time=get("local_time", sale.local_time),
            response_code=get("response_code"),
            authorization_code=get("authorization_code"),
            rrn=get("rrn"),
            register_entry=get("register_entry"),
            reason=get("reason"),
        )
    if phase == "late":
        return sale._replace(late=facts["late"])
    if phase not in ENDING_REVERSAL:
        return sale
    if sale.trace_key == facts["trace_key"]:
        outcome = "approved" if phase == "undone" else "declined"
        ended = sale._replace(outcome=outcome, answered_us=facts["at"], response_code=facts["response_code"])
        return ended._replace(register_entry=facts["register_entry"], rrn=get("rrn"))
    if phase == "undone":
        return sale._replace(outcome="reversed", pan_sealed=None)
    return sale._replace(outcome="approved", register_entry=facts["register_entry"], reason=facts["note"])


def rows_of(facts: Facts) -> tuple[str, ...]:
    """The trace keys of the rows that an entry touches."""
    keys = (facts.get("trace_key"), facts.get("reverses") if facts.get("phase") in ENDING_REVERSAL else None)
    return tuple(key for key in keys if key)


def sale_of(sale: Sale | None, facts: Facts) -> Sale:
    """One of these rows after the entry; None before it means that the entry opens it."""
    return opened(facts) if sale is None else sale_after(sale, facts)


def rebuild(entries: Iterable[Facts]) -> tuple[Device | None, dict[str, Sale]]:
    """All rows from the bodies of a whole journal, oldest first: equal to what is stored, save for the secrets."""
    device: Device | None = None
    sales: dict[str, Sale] = {}
    for facts in entries:
        device = device_after(device, facts)
        for key in rows_of(facts):
            sales[key] = sale_of(sales.get(key), facts)
    return device, sales


def without_secrets(row: Any) -> Any:
    """A Device or Sale as the journal can rebuild it."""
    if isinstance(row, Device):
        return row._replace(tmk=b"", mak=None, pik=None)
    return row._replace(pan_sealed=None)
