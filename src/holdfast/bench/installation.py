"""The installation that is measured: one hotel, many terminals under one published test key, many cards."""

from functools import lru_cache
from typing import Any

from holdfast.ids import luhn_valid

MERCHANT_ID = "999100070110001"
ISSUER_ID = "01020000"
TMK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
ZONE_MAC = bytes.fromhex("11223344556677888877665544332211")
ZONE_PIN = bytes.fromhex("1122334455667788FFEEDDCCBBAA9988")
TERMINALS = 1100
CARDS = 10_000
AVAILABLE_MINOR = 10**12


def terminal_id(number: int) -> str:
    """The id of the n-th terminal."""
    return f"B{number:07d}"


@lru_cache(maxsize=CARDS)
def card_number(number: int) -> str:
    """The n-th test card, its check digit right."""
    stem = f"622000{number:09d}"
    return next(stem + digit for digit in "0123456789" if luhn_valid(stem + digit))


def acquirer_rows(issuer_address: str) -> dict[str, list[dict[str, Any]]]:
    """What the acquirer imports."""
    merchant = {"merchant_id": MERCHANT_ID, "name": "测试酒店", "name_en": "Bench Hotel", "mcc": "7011"}
    rights = {"pre_auth_right": True, "rules": ""}
    zone = {"zone_mac": ZONE_MAC.hex(), "zone_pin": ZONE_PIN.hex()}
    return {
        "merchants": [merchant | rights],
        "terminals": [
            {"terminal_id": terminal_id(n), "merchant_id": MERCHANT_ID, "tmk": TMK.hex()} for n in range(TERMINALS)
        ],
        "bins": [{"prefix": "622000", "issuer_id": ISSUER_ID, "scheme": "CUP", "kind": "debit"}],
        "issuers": [{"issuer_id": ISSUER_ID, "name": "Bench", "address": issuer_address, **zone}],
    }
