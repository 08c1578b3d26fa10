"""The sample installation: merchants, terminals, operators and cards to try everything with (`holdfast sample`).

Its keys are published test keys, derived from a sentence so that anybody can see that they are; its cards are numbers
that no issuer gives out. It must never be loaded where real cards are taken.
"""

from hashlib import sha256
from typing import Annotated, Any

import typer

from holdfast.domain.rules import DOMESTIC
from holdfast.edges.output import print_json, print_table
from holdfast.ids import luhn_valid
from holdfast.money import format_amount

Row = dict[str, Any]

DEBIT_BANK, CREDIT_BANK, VISA_BANK, MASTERCARD_BANK = "99010000", "99020000", "99030001", "99030002"
EXPIRY = "3012"
SEQUENCE = "001"
SERVICE_CODE = "201"
"""International, with a chip: a stripe that says so is taken only where the chip fails."""


def test_key(name: str) -> str:
    """A published key of 16 bytes, in hex."""
    return sha256(f"holdfast published test key of {name}".encode()).hexdigest()[:32].upper()


def _merchant(merchant_id: str, name: str, name_en: str, mcc: str, pre_auth_right: bool = True, rules: str = "") -> Row:
    return {
        "merchant_id": merchant_id,
        "name": name,
        "name_en": name_en,
        "mcc": mcc,
        "pre_auth_right": pre_auth_right,
        "rules": rules,
    }


def _issuer(issuer_id: str, name: str, prefix: str, kind: str, scheme: str = DOMESTIC, habits: str = "") -> Row:
    return {
        "issuer_id": issuer_id,
        "name": name,
        "prefix": prefix,
        "kind": kind,
        "scheme": scheme,
        "habits": habits,
    }


MERCHANTS = (
    _merchant("104290070110001", "东湖宾馆", "East Lake Hotel", "7011"),
    _merchant("104290075120002", "顺风租车", "Fair Wind Car Rental", "7512"),
    _merchant("104290080620003", "仁和医院", "Renhe Hospital", "8062"),
    _merchant("104290059420004", "晨光书店", "Morning Light Bookshop", "5942", pre_auth_right=False),
    _merchant(
        "104290070110005", "青山度假村", "Green Hill Resort", "7011", rules="ceiling_percent=100;completions=several"
    ),
)

_MERCHANT_OF = {
    "T0000001": MERCHANTS[0],
    "T0000002": MERCHANTS[0],
    "T0000003": MERCHANTS[1],
    "T0000004": MERCHANTS[2],
    "T0000005": MERCHANTS[3],
    "T0000006": MERCHANTS[4],
}

TERMINALS = tuple(
    {"terminal_id": terminal_id, "merchant_id": merchant["merchant_id"], "tmk": test_key(f"terminal {terminal_id}")}
    for terminal_id, merchant in _MERCHANT_OF.items()
)

OPERATORS = (
    {"operator": "01", "role": "cashier"},
    {"operator": "02", "role": "cashier"},
    {"operator": "00", "role": "supervisor"},
)

ISSUERS = (
    _issuer(DEBIT_BANK, "江南银行", "622000", "debit"),
    _issuer(CREDIT_BANK, "北海银行", "625000", "credit"),
    _issuer(VISA_BANK, "环球银行", "400000", "credit", "VIS", "increment=keeps;rest=kept"),
    _issuer(MASTERCARD_BANK, "四海银行", "555555", "credit", "MCC", "rest=kept"),
)
_BANK = {issuer["issuer_id"]: issuer for issuer in ISSUERS}


def _card(name: str, issuer_id: str, number: int, available: int = 1_000_000, note: str = "", **differs: Any) -> Row:
    body = f"{_BANK[issuer_id]['prefix']}{number:09d}"
    return {
        "name": name,
        "pan": next(body + digit for digit in "0123456789" if luhn_valid(body + digit)),
        "expiry": EXPIRY,
        "sequence": SEQUENCE,
        "service_code": SERVICE_CODE,
        "issuer": issuer_id,
        "available": available,
        "note": note,
        "kind": _BANK[issuer_id]["kind"],
        "status": "normal",
        "pin": None,
        "frozen_percent": 100,
        **differs,
    }


CARDS = (
    _card("alice", DEBIT_BANK, 1),
    _card("bob", DEBIT_BANK, 2),
    _card("carol", DEBIT_BANK, 3, 2_500_000),
    _card("dave", DEBIT_BANK, 4, 500_000),
    _card("emma", DEBIT_BANK, 5),
    _card("frank", DEBIT_BANK, 6),
    _card("grace", DEBIT_BANK, 7),
    _card("poor", DEBIT_BANK, 8, 10_000, "little money: 51 above 100.00"),
    _card("pin", DEBIT_BANK, 9, note="its PIN is 123456", pin="123456"),
    _card("lost", DEBIT_BANK, 10, note="reported lost to the issuer: 41", status="lost"),
    _card("henry", CREDIT_BANK, 1, 3_000_000),
    _card("iris", CREDIT_BANK, 2, 3_000_000),
    _card("jack", CREDIT_BANK, 3, 3_000_000),
    _card("kate", CREDIT_BANK, 4, 5_000_000),
    _card("leo", CREDIT_BANK, 5, 5_000_000),
    _card("mary", CREDIT_BANK, 6, 5_000_000),
    _card("nick", CREDIT_BANK, 7, 2_000_000),
    _card("frozen115", CREDIT_BANK, 8, 3_000_000, "its issuer freezes 115 % of a hold", frozen_percent=115),
    _card("expired", CREDIT_BANK, 9, 3_000_000, "expired: 54", expiry="2401"),
    _card("stolen", CREDIT_BANK, 10, 3_000_000, "on the acquirer's hot list: 43", status="stolen"),
    _card("victor", VISA_BANK, 1, 3_000_000, "Visa, of a foreign bank"),
    _card("wendy", MASTERCARD_BANK, 1, 3_000_000, "Mastercard, of a foreign bank"),
)


def sample(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the sample merchants, terminals (with their published test keys), operators and cards."""
    if json:
        print_json(published())
        return
    shown = published()
    print_table(
        "merchants",
        ("merchant", "name", "name in English", "category", "pre-auth", "rules"),
        (
            (
                *(row[name] for name in ("merchant_id", "name", "name_en", "mcc")),
                _yes_no(row),
                row["rules"].replace(";", "\n"),
            )
            for row in shown["merchants"]
        ),
    )
    print_table(
        "terminals", ("terminal", "merchant", "published test key (TMK)"), (tuple(row.values()) for row in TERMINALS)
    )
    print_table("operators", ("operator", "role"), (tuple(row.values()) for row in OPERATORS))
    print_table(
        "cards",
        ("name", "number", "expiry (YYMM)", "issuer", "available", ""),
        (
            (row["name"], row["pan"], row["expiry"], row["issuer"], format_amount(row["available"]), row["note"])
            for row in shown["cards"]
        ),
    )


def _yes_no(merchant: Row) -> str:
    return "yes" if merchant["pre_auth_right"] else "no"


def published() -> dict[str, list[Row]]:
    """What `holdfast sample --json` prints."""
    named = ("name", "pan", "expiry", "issuer", "available", "kind", "note", "pin", "sequence", "service_code")
    return {
        "merchants": list(MERCHANTS),
        "terminals": [dict(row) for row in TERMINALS],
        "operators": [dict(row) for row in OPERATORS],
        "cards": [{name: row[name] for name in named} for row in CARDS],
    }


def card(name: str) -> Row | None:
    """A sample card by its name."""
    return next((row for row in CARDS if row["name"] == name), None)


def card_by_pan(pan: str) -> Row | None:
    """A sample card by its number."""
    return next((row for row in CARDS if row["pan"] == pan), None)


def terminal(terminal_id: str) -> dict[str, str] | None:
    """What a sample terminal is loaded with: who it is, its merchant's names, its published test key."""
    merchant = _MERCHANT_OF.get(terminal_id)
    if merchant is None:
        return None
    return {
        "terminal_id": terminal_id,
        "merchant_id": merchant["merchant_id"],
        "merchant_name": merchant["name"],
        "merchant_name_en": merchant["name_en"],
        "tmk": test_key(f"terminal {terminal_id}"),
    }


# --- what the parties are given -----------------------------------------------------------------------------------


def for_acquirer(address: str) -> dict[str, list[Row]]:
    """Arguments of the acquirer's `import`; `address` is where its issuers are."""
    issuers = [
        {"issuer_id": row["issuer_id"], "name": row["name"], "address": address, **_zone_keys(row["issuer_id"])}
        for row in ISSUERS
    ]
    bins = [{name: row[name] for name in ("prefix", "issuer_id", "scheme", "kind")} for row in ISSUERS]
    hot = [{"pan": row["pan"], "response_code": "43"} for row in CARDS if row["status"] == "stolen"]
    terminals: list[Row] = [dict(row) for row in TERMINALS]
    return {"merchants": list(MERCHANTS), "terminals": terminals, "issuers": issuers, "bins": bins, "hot_cards": hot}


def for_issuer() -> dict[str, list[Row]]:
    """Arguments of the issuer's `open-accounts`."""
    links = [
        {
            "issuer_id": row["issuer_id"],
            "habits": row["habits"],
            "imk_ac": test_key(f"IMK AC {row['issuer_id']}"),
            **_zone_keys(row["issuer_id"]),
        }
        for row in ISSUERS
    ]
    accounts = [
        {
            "account_id": account_id(row),
            "issuer_id": row["issuer"],
            "available_minor": row["available"],
            **{name: row[name] for name in ("pan", "kind", "expiry", "status", "pin", "frozen_percent")},
        }
        for row in CARDS
    ]
    return {"accounts": accounts, "links": links}


def account_id(row: Row) -> str:
    """The account of a sample card."""
    return f"{row['issuer']}-{row['name']}"


def _zone_keys(issuer_id: str) -> dict[str, str]:
    return {"zone_mac": test_key(f"zone MAC {issuer_id}"), "zone_pin": test_key(f"zone PIN {issuer_id}")}
