"""Response codes (DE39): names for those that we answer or decide on, and the sets that decisions rest on.

The table itself, with its words in both languages, is in `response_rows`. Classes: A approved, B try again, C do not
try again, D the card, E system fault (domain.md §3). A code that is in no set is a plain no.
"""

from holdfast.domain.response_rows import CLASSES, ROWS

RESPONSES = {row.code: row for row in ROWS}

assert len(RESPONSES) == len(ROWS), "a response code appears twice"
assert {row.action for row in ROWS} == set(CLASSES), "a class has no code, or a code no class"

APPROVED = "00"
REFER = "01"
INVALID_MERCHANT = "03"
NOT_HONOURED = "05"
PARTLY_APPROVED = "10"
INVALID_TRANSACTION = "12"
INVALID_AMOUNT = "13"
INVALID_CARD = "14"
NO_SUCH_ISSUER = "15"
OUT_OF_STEP = "22"
ORIGINAL_NOT_FOUND = "25"
FORMAT_ERROR = "30"
NOT_SUPPORTED = "40"
LOST_CARD = "41"
STOLEN_CARD = "43"
INSUFFICIENT_FUNDS = "51"
EXPIRED_CARD = "54"
WRONG_PIN = "55"
NOT_PERMITTED_CARD = "57"
NOT_PERMITTED = "58"
CARD_CHECK_FAILED = "59"
AMOUNT_LIMIT = "61"
RESTRICTED = "62"
AMOUNT_INCONSISTENT = "64"
COUNT_LIMIT = "65"
REPLY_TOO_LATE = "68"
PIN_TRIES = "75"
SIGN_ON_AGAIN = "77"
CUT_OVER = "90"
ISSUER_DOWN = "91"
DUPLICATE = "94"
SYSTEM_FAULT = "96"
UNKNOWN_TERMINAL = "97"
ISSUER_SILENT = "98"
BAD_PIN_BLOCK = "99"
MAC_ERROR = "A0"

APPROVED_CODES = frozenset({APPROVED, "11", "A2", "A4", "A5", "A6"})
"""Approvals: the others mean what 00 means, and the slip is kept for a question of the issuer (domain.md §3)."""

APPROVALS = APPROVED_CODES | {PARTLY_APPROVED}
"""Answers after which an issuer may have frozen or moved money (class A)."""

OUTCOME_UNKNOWN = frozenset({PARTLY_APPROVED} | {row.code for row in ROWS if not row.outcome_known})
"""Answers that neither decline nor approve what was asked: as unknown as silence, and undone like it.

A part of the amount (10) is something that nobody asked for: a hold cannot be completed on it.
"""

DELIVERED = APPROVED_CODES | {DUPLICATE}
"""Answers to an advice after which it is not sent again: 94 says that the centre has it already (domain.md §4.5)."""

TRANSIENT = frozenset({"06", "19", "20", REPLY_TOO_LATE, SIGN_ON_AGAIN, CUT_OVER, ISSUER_DOWN, "92"}) | {
    SYSTEM_FAULT,
    ISSUER_SILENT,
    MAC_ERROR,
}
"""Answers that say "not now": an advice or refund that is answered so is repeated; any other no is one for good."""

REVERSAL_DONE = frozenset({APPROVED, ORIGINAL_NOT_FOUND, INVALID_TRANSACTION})
"""Answers to a reversal after which there is nothing left to undo (domain.md §4.3)."""


def says(code: str) -> str:
    """What a code means; codes that are not in the table are shown as they are."""
    row = RESPONSES.get(code)
    return row.says if row else f"response {code}"
