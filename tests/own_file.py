"""Lines of import files: one of each type, which together are a whole installation, and more like them."""

from psec import tr31

TMK = "00112233445566778899AABBCCDDEEFF"
HEADER = (
    "type,merchant_id,name,mcc,terminal_id,tmk,issuer_id,address,zone_mac,zone_pin,prefix,pan,reason,"
    "account_id,expiry,available,scheme,rules,ceiling_percent,validity_days,habits,imk_ac,mac_algorithm,notice\n"
)
COLUMNS = HEADER.strip().split(",")


def line(kind: str, **cells: str) -> str:
    """A line of a file with that header."""
    assert cells.keys() <= set(COLUMNS), "the header has no such column"
    row = {"type": kind, **cells}
    return ",".join(row.get(name, "") for name in COLUMNS) + "\n"


MERCHANT_ROW = {"merchant_id": "104290070110009", "name": "云海酒店", "mcc": "7011"}
TERMINAL_ROW = {"merchant_id": "104290070110009", "terminal_id": "T0000009", "tmk": TMK}
ISSUER_ROW = {"issuer_id": "99030000", "name": "远洋银行", "address": "here", "zone_mac": TMK, "zone_pin": TMK}
BIN_ROW = {"issuer_id": "99030000", "prefix": "621000"}
PAN = "6210000000000011"
ACCOUNT_ROW = {
    "issuer_id": "99030000",
    "pan": PAN,
    "account_id": "ACC-1",
    "expiry": "3012",
    "available": "100.00",
}
HOT_ROW = {"pan": "6210000000000029", "reason": "stolen"}
SCHEME_ROW = {"scheme": "VIS/7011", "rules": "validity_days=31"}

SCHEME = line("scheme", **SCHEME_ROW)
MERCHANT = line("merchant", **MERCHANT_ROW)
TERMINAL = line("terminal", **TERMINAL_ROW)
ISSUER = line("issuer", **ISSUER_ROW)
BIN = line("bin", **BIN_ROW)
ACCOUNT = line("account", **ACCOUNT_ROW)
HOT = line("hot-card", **HOT_ROW)
WHOLE = HEADER + MERCHANT + TERMINAL + ISSUER + BIN + ACCOUNT + HOT + SCHEME

OTHERS_BLOCK = tr31.wrap(bytes(range(32)), "D0000K0TB00N0000", bytes.fromhex(TMK))
"""A key block, wrapped under a key that no installation has."""
