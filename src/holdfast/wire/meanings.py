"""What the codes inside fields mean, in words: data for people, which nothing decides by.

The key is the name of a sub-field in the dialect's rows. A code that is not here is shown without words.
"""

from collections.abc import Mapping

from holdfast.money import CURRENCY_CNY
from holdfast.wire.header import PROCESSING_REQUESTS, TERMINAL_STATUSES
from holdfast.wire.settlement import REPLY_FLAGS, CardClass

_ACCOUNTS = {"00": "default", "10": "savings", "20": "current", "30": "credit"}

MEANINGS: Mapping[str, Mapping[str, str]] = {
    # The message type itself, digit by digit.
    "class": {
        "1": "authorization",
        "2": "financial",
        "3": "batch upload",
        "4": "reversal",
        "5": "settlement",
        "6": "administration",
        "8": "network management",
    },
    "function": {"0": "request", "1": "answer", "2": "advice", "3": "answer to an advice"},
    "origin": {"0": "first time", "1": "repeat"},
    "terminal status": TERMINAL_STATUSES,
    "processing request": PROCESSING_REQUESTS,
    # DE3
    "transaction": {
        "00": "sale or completion",
        "03": "pre-authorization",
        "20": "void or refund",
        "30": "balance",
        "31": "balance",
    },
    "from account": _ACCOUNTS,
    "to account": _ACCOUNTS,
    # DE22
    "card entry": {
        "00": "not told",
        "01": "keyed",
        "02": "stripe",
        "05": "chip",
        "07": "contactless chip",
        "80": "stripe, because the chip failed",
        "90": "stripe, read whole",
        "91": "contactless stripe",
        "95": "chip, its check value unreliable",
        "98": "contactless chip",
    },
    "PIN entry": {"0": "not told", "1": "PIN entered", "2": "no PIN"},
    # DE25
    "condition": {
        "00": "normal",
        "06": "pre-authorization",
        "18": "pre-authorization by mail or telephone",
        "60": "increment of a pre-authorization",
    },
    # DE49 and DE54
    "currency": {CURRENCY_CNY: "renminbi"},
    "account type": _ACCOUNTS,
    "amount type": {"01": "ledger balance", "02": "available balance"},
    "sign": {"C": "credit", "D": "debit"},
    # DE53
    "PIN format": {"0": "no PIN", "1": "without the card number", "2": "with the card number"},
    "algorithm": {"0": "DES", "4": "SM4", "6": "triple DES"},
    "track encrypted": {"0": "no", "1": "yes"},
    # DE60
    "60.1 message type": {
        "00": "network management",
        "01": "balance",
        "10": "pre-authorization",
        "11": "void of a pre-authorization",
        "20": "completion request",
        "21": "void of a completion",
        "22": "sale",
        "23": "void of a sale",
        "24": "completion advice",
        "25": "refund",
    },
    "60.3 network management": {
        "000": "none",
        "001": "sign-on, single-length keys",
        "002": "sign-off",
        "003": "sign-on, double-length keys",
        "004": "sign-on, double-length keys and track key",
        "005": "sign-on, another form of keys",
        "006": "sign-on, SM4 keys",
        "011": "sign-on, another form of keys",
        "201": "settlement",
        "202": "upload ends, totals were not balanced",
        "203": "upload of online chip details, totals balanced",
        "204": "upload of failed chip details, totals balanced",
        "205": "upload of online chip details, totals not balanced",
        "206": "upload of failed chip details, totals not balanced",
        "207": "upload ends, totals were balanced",
        "301": "echo test",
        "360": "parameters, download",
        "362": "parameters, upload",
        **dict.fromkeys(("370", "371", "372", "373"), "CA keys"),
        **dict.fromkeys(("380", "381", "382"), "chip parameters"),
        **dict.fromkeys(("390", "391"), "blacklist"),
        "901": "records for a damaged journal (private)",
        "951": "issuer script result",
    },
    "60.4 read capability": {
        "0": "not told",
        "2": "stripe",
        "5": "stripe and chip",
        "6": "stripe, chip and contactless",
    },
    "60.5 chip condition": {"0": "not told", "1": "the last chip was read well", "2": "the last chip failed"},
    "60.6 partial approval": {"0": "not possible", "1": "possible"},
    # DE48 of a batch
    "domestic reply": REPLY_FLAGS,
    "foreign reply": REPLY_FLAGS,
    "card class": {CardClass.DOMESTIC: "domestic", CardClass.FOREIGN: "foreign"},
    # DE63
    "scheme": {
        "CUP": "UnionPay",
        "VIS": "Visa",
        "MCC": "Mastercard",
        "MAE": "Maestro",
        "JCB": "JCB",
        "DCC": "Diners Club",
        "AMX": "American Express",
    },
}

UPLOAD_MEANINGS = {"201": "upload of stripe details"}
"""60.3 in a batch upload, where it differs: 201 is also the number of a settlement."""


def meaning_of(name: str, code: str, mti: str) -> str:
    """The words for a code in the sub-field of that name, in a message of that type; "" when there are none."""
    if mti[:3] in ("032", "033") and name.startswith("60.3") and code in UPLOAD_MEANINGS:
        return UPLOAD_MEANINGS[code]
    return MEANINGS.get(name, {}).get(code, "")
