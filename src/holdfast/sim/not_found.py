"""Was a request refused as naming nothing (25) that named a hold? The trouble that Holdfast is there to end.

Judged by the entries alone: a hold of the same card at the same merchant that stood when the request was refused, one
of whose slips bears the code and the date that the request said. A slip of a later day than the refusal's, by the
clock of who refused, is another year's to it.
"""

from holdfast.clock import local_date
from holdfast.sim.folds import OwnHold
from holdfast.sim.logbook import Complain, Facts
from holdfast.sim.own_register import OwnRegister, OwnRequest

NOT_FOUND = "25"
MEANS_A_HOLD = frozenset({"increment", "void", "completion"})


def audit(register: OwnRegister, request: OwnRequest | None, code: str, mmdd: str, complain: Complain) -> None:
    """Judge one request of a terminal that said this code and date."""
    if request is None or request.kind not in MEANS_A_HOLD or request.opened.get("response_code") != NOT_FOUND:
        return
    if "repeat" in request.opened.get("reason", ""):
        # It came again and had never come before: that bars it, whatever it names.
        return
    placed = {each.exchange_id: each.opened for each in register.requests.values()}
    for hold in register.holds.values():
        if _is_meant(hold, placed.get(hold.hold_id, {}), request.opened, code, mmdd):
            complain(f"I2: {request.trace_key} was answered {NOT_FOUND}, and it names hold {hold.hold_id}")


def _is_meant(hold: OwnHold, placed: Facts, refused: Facts, code: str, mmdd: str) -> bool:
    if any(placed.get(name) != refused.get(name) for name in ("token", "merchant_id")) or not refused.get("token"):
        return False
    stood = hold.before(refused)
    if not all(walk.state == "held" and refused["at"] < walk.expires_us for walk in stood):
        return False
    acts = [facts["hold"]["act"] for facts in hold.changes if "act" in facts["hold"]]
    slips = [said[0] for name, _, _, *said in acts if said and name in ("place", "increase")]
    days = {terms["on"] for terms in slips if terms["on"] <= local_date(refused["at"]).isoformat()}
    return plain(code) in {plain(terms["code"]) for terms in slips} and mmdd in {day[5:7] + day[8:] for day in days}


def plain(code: str) -> str:
    """An authorization code without the padding that a host may give it."""
    return code.strip().upper().lstrip("0")
