"""How journal entries become the terminal's rows: the one place where Device and Sale come from.

A decision writes an entry's facts; the rows follow from them by these functions, when it is written and again when an
audit rebuilds everything from the journal. What no entry may hold (keys, the sealed card number) is laid on top by
whoever has it. Every entry names the leaf before it (`previous`), so that the journal is a chain by its own words.

Facts of an entry: `trace_key`, `sequence` (number of the entry that asked) and a `phase`:

    loaded    the terminal was told who it is     asked     a request is about to be sent for the first time
    answered  a usable answer came                unknown   none came in time, or one that cannot be used
    told      an advice waits to be registered    refused   the chip refused an approval: it is to be reversed
    stored    a reversal waits to be delivered    held up   the acquirer wants a sign-on before it takes what waits
    undone    the reversal was acknowledged       stands    the reversal was answered 22: the original is in force
    late      an answer to a request that was over
    again     the settlement is asked once more   closed    the batch is over, a new one began
    uploading one message of the batch upload is about to be sent; `uploaded`: it was acknowledged
    mended    the journal was damaged: what came after entry `kept` is lost, and nothing is asked before it is rebuilt
    recovered what the register has of a request: the journal had lost it (`lost`), or did not know how it ended
    rebuilt   the register had no more to say

`sign_on_again` says that the acquirer's keys or batch are not ours any more, `notice` what the header of an answer asks
of the terminal.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.domain.commands import (
    BATCH_UPLOAD,
    BY_NAME,
    DOWNLOAD,
    MOTO,
    PRE_AUTHORIZATION,
    RECORDS,
    SETTLEMENT,
    SIGN_OFF,
    SIGN_ON,
    Silence,
)
from holdfast.domain.records import Device, Sale

Facts = Mapping[str, Any]

FIRST_BATCH = "000000"
"""The batch of a terminal that has never signed on."""

OPENING = frozenset({"asked", "told"})
SETTLING = frozenset({"answered", "unknown"})
ENDING_REVERSAL = frozenset({"undone", "stands"})
MENDING = frozenset({"mended", "recovered", "rebuilt"})

STANS = 999_999
"""Trace numbers go from 1 to this, and on with 1."""

FROM_THE_START = "0" * 10
"""The trace number and message type before all others of a batch."""

TOLD_BY_REGISTER = (
    "local_date",
    "local_time",
    "response_code",
    "authorization_code",
    "rrn",
    "register_entry",
    "scheme",
)
"""What a recovered request takes over from the register, where it says it."""

OWED = "owed"
"""Delivery of a request that is repeated until it is answered."""

SIGN_ON_NOTICE, DOWNLOAD_NOTICE = "3", "1"
"""What the header of an answer may ask that the terminal does by itself; other digits are kept for a person."""

PLACING = frozenset({PRE_AUTHORIZATION.name, MOTO.name})
"""Kinds that place a hold."""

SESSION_KINDS = frozenset({SIGN_ON, SIGN_OFF})
"""From the moment when they are asked the terminal is signed off: its keys may be over."""


def device_after(device: Device | None, facts: Facts) -> Device | None:
    """The terminal after an entry. Keys stay as they were; a terminal that was just loaded has none."""
    phase = facts.get("phase")
    if phase == "loaded":
        return _loaded(device, facts)
    if device is None or phase is None:
        return device
    device = device._replace(last_entry=facts.get("register_entry", device.last_entry))
    device = _told_to(device, facts)
    if phase in OPENING:
        return _after_opening(device, facts)
    if phase in SETTLING:
        return _after_answer(device, facts)
    if phase == "stored":
        return device._replace(reversal=facts["trace_key"])
    if phase in ENDING_REVERSAL:
        return device._replace(reversal="")
    if phase in MENDING:
        return _after_mending(device, facts)
    return _after_settlement(device, facts)


def _told_to(device: Device, facts: Facts) -> Device:
    """What the acquirer asks of the terminal on the way. An answer to a sign-on does not ask for another one."""
    notice, kind = facts.get("notice", ""), facts["kind"]
    if facts.get("sign_on_again") or (notice == SIGN_ON_NOTICE and kind not in SESSION_KINDS):
        device = device._replace(signed_on=False)
    if not notice or notice in device.notices or notice == SIGN_ON_NOTICE or kind == DOWNLOAD:
        return device
    return device._replace(notices="".join(sorted(device.notices + notice)))


def _after_opening(device: Device, facts: Facts) -> Device:
    key, kind = facts["trace_key"], facts["kind"]
    device = device._replace(stan=int(key.split("/")[2]))
    if kind in BY_NAME:
        device = device._replace(asked_n=device.asked_n + 1)
    if facts["phase"] == "told":
        return device._replace(last_receipt=key)
    if kind == SETTLEMENT:
        device = device._replace(settling=key, uploaded=0)
    if kind == RECORDS:
        device = device._replace(records_key=key)
    return device._replace(in_flight=key, signed_on=device.signed_on and kind not in SESSION_KINDS)


def _after_answer(device: Device, facts: Facts) -> Device:
    key, kind, approved = facts["trace_key"], facts["kind"], facts.get("outcome") == "approved"
    if device.in_flight == key:
        device = device._replace(in_flight="")
    if kind == SIGN_ON and approved:
        return in_batch(device, facts["batch"])._replace(signed_on=True)
    if kind == DOWNLOAD and facts["phase"] == "answered":
        told = {name: facts[name] for name in ("merchant_name", "merchant_name_en", "parameters") if name in facts}
        return device._replace(**told, notices=device.notices.replace(DOWNLOAD_NOTICE, ""))
    return device._replace(last_receipt=key) if kind in BY_NAME else device


def _after_settlement(device: Device, facts: Facts) -> Device:
    phase = facts["phase"]
    if phase == "again":
        return device._replace(in_flight=facts["trace_key"], records_after=facts.get("after", device.records_after))
    if phase == "uploading":
        key = facts["trace_key"]
        return device._replace(in_flight=key, uploading=key, stan=facts.get("stan", device.stan))
    if phase == "uploaded":
        return device._replace(in_flight="", uploading="", uploaded=facts["uploaded"])
    if phase == "closed":
        device = in_batch(device, facts["batch"])
        return device._replace(settling="", uploaded=0, last_settlement=facts["trace_key"])
    return device


def _after_mending(device: Device, facts: Facts) -> Device:
    """The terminal while its journal is rebuilt. Damaged once more meanwhile, it goes on from the first damage; the
    register is asked from an earlier batch on where something of that one lost its card number.
    """
    phase = facts["phase"]
    if phase == "mended":
        if not device.mending:
            start = device.batch + FROM_THE_START
            device = device._replace(kept_n=facts["kept"], records_after=start, recovered_n=0)
        if "from_batch" in facts:
            device = device._replace(records_after=facts["from_batch"] + FROM_THE_START)
        doubtful = facts.get("doubtful", device.doubtful)
        device = device._replace(mending=facts["says"], doubtful=doubtful, records_key="")
        return device._replace(signed_on=False, in_flight="")
    if phase == "rebuilt":
        return device._replace(mending="", kept_n=0, doubtful="", records_key="", records_after="", recovered_n=0)
    device = device._replace(recovered_n=device.recovered_n + 1)
    if facts["kind"] not in BY_NAME:
        return device
    _, batch, stan, _ = facts["trace_key"].split("/")
    if facts.get("lost") and batch == device.batch:
        # Trace numbers go round: what lies less than half a round ahead was used after the last that is known.
        ahead = (int(stan) - device.stan) % STANS
        device = device._replace(asked_n=device.asked_n + 1, stan=int(stan) if 0 < ahead < STANS // 2 else device.stan)
    return device._replace(last_receipt=facts["trace_key"])


def in_batch(device: Device, batch: str) -> Device:
    """The terminal in this batch; in a new one nothing was asked yet."""
    return device if batch == device.batch else device._replace(batch=batch, asked_n=0)


def _loaded(device: Device | None, facts: Facts) -> Device:
    """Who it is. The counters of a terminal that is loaded again go on: a trace number must never name two requests."""
    told = {
        name: facts[name]
        for name in ("terminal_id", "merchant_id", "merchant_name", "merchant_name_en", "register_key")
    }
    if device is not None:
        return device._replace(**told, signed_on=False, notices="")
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
        begun_us=facts["at"],
    )


def opened(facts: Facts) -> Sale:
    """The row of a request that is about to be sent, of an advice, of a stored reversal, or of what was lost."""
    get, advice = facts.get, facts["phase"] == "told"
    return Sale(
        trace_key=facts["trace_key"],
        kind=facts["kind"],
        outcome="stored" if advice else "asked",
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
        batch=facts["trace_key"].split("/")[1] if facts["kind"] in BY_NAME else "",
        delivery=OWED if advice else "",
        hold=facts["trace_key"] if facts["kind"] in PLACING else get("hold"),
        original_rrn=get("original_rrn"),
        supervisor=get("supervisor"),
        card_sequence=get("card_sequence"),
        chip_failed=get("chip_failed", False),
        totals=get("totals"),
    )


def sale_after(sale: Sale, facts: Facts) -> Sale:
    """A request or reversal after a later entry that touches it."""
    phase = facts["phase"]
    if phase in SETTLING:
        return _ended(sale, facts)
    if phase == "recovered":
        return _recovered(sale, facts)
    if phase == "late":
        return sale._replace(late=facts["late"])
    if phase == "refused":
        return sale._replace(outcome="unknown", reason=facts["reason"])
    if phase == "again":
        return sale._replace(outcome="asked")
    if phase not in ENDING_REVERSAL:
        return sale
    if sale.trace_key == facts["trace_key"]:
        outcome = "approved" if phase == "undone" else "declined"
        ended = sale._replace(outcome=outcome, answered_us=facts["at"], response_code=facts["response_code"])
        return ended._replace(register_entry=facts["register_entry"], rrn=facts.get("rrn"))
    if phase == "undone":
        return sale._replace(outcome="reversed", pan_sealed=None)
    return sale._replace(
        outcome="approved",
        register_entry=facts["register_entry"],
        authorization_code=facts.get("authorization_code", sale.authorization_code),
        scheme=facts.get("scheme", sale.scheme),
        reason=facts["note"],
    )


def _ended(sale: Sale, facts: Facts) -> Sale:
    """A request that was answered, or whose outcome is unknown: some kinds are then told until they are answered."""
    get = facts.get
    kind = BY_NAME.get(sale.kind)
    repeated = facts["outcome"] == "unknown" and kind is not None and kind.silence is Silence.REPEATED
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
        delivery=OWED if repeated else "",
        scheme=get("scheme"),
        host_totals=get("host_totals"),
    )


def _recovered(sale: Sale, facts: Facts) -> Sale:
    """A request as the register has it."""
    told = {name: facts[name] for name in TOLD_BY_REGISTER if name in facts}
    sale = sale._replace(outcome=facts["outcome"], answered_us=facts["at"], delivery="", reason=facts["reason"], **told)
    return sale._replace(pan_sealed=None) if sale.outcome == "reversed" else sale


def rows_of(facts: Facts) -> tuple[str, ...]:
    """The trace keys of the rows that an entry touches. A message of the batch upload has no row of its own."""
    if facts["kind"] == BATCH_UPLOAD:
        return ()
    keys = (facts.get("trace_key"), facts.get("reverses") if facts.get("phase") in ENDING_REVERSAL else None)
    return tuple(key for key in keys if key)


def sale_of(sale: Sale | None, facts: Facts) -> Sale:
    """One of these rows after the entry; None before it means that the entry opens it."""
    if sale is None:
        sale = opened(facts)
        return _recovered(sale, facts) if facts["phase"] == "recovered" else sale
    return sale_after(sale, facts)


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
