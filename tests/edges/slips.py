"""What the tests of slips print: a terminal, and requests by the names of their fields."""

from typing import Any

DEVICE: dict[str, Any] = {
    "terminal_id": "T0000001",
    "merchant_id": "102100070110001",
    "merchant_name": "和平饭店",
    "merchant_name_en": "Peace Hotel",
}

PLACED: dict[str, Any] = {
    "trace_key": "T0000001/000001/000123/0100",
    "kind": "pre-authorization",
    "outcome": "approved",
    "amount_minor": 500_00,
    "currency": "156",
    "card": "620000******0005",
    "entry_mode": "051",
    "operator": "01",
    "local_date": "2026-11-22",
    "local_time": "21:34:05",
    "original_code": None,
    "original_date": None,
    "original_trace": None,
    "response_code": "00",
    "authorization_code": "123456",
    "rrn": "A00000000123",
    "register_entry": "A-000123",
    "reason": None,
}


def asked(kind: str, stan: str = "000124", mti: str = "0200", **facts: Any) -> dict[str, Any]:
    """A request of that kind after the pre-authorization, approved unless said otherwise."""
    return {**PLACED, "kind": kind, "trace_key": f"T0000001/000001/{stan}/{mti}", **facts}


OF_ORIGINAL = {"original_code": "123456", "original_date": "1122", "original_trace": "000001000123"}

ADVISED = asked(
    "completion-advice",
    mti="0220",
    outcome="stored",
    amount_minor=460_50,
    entry_mode="012",
    response_code=None,
    authorization_code=None,
    rrn=None,
    register_entry=None,
    **OF_ORIGINAL,
)
"""A completion advice that waits to be delivered."""
