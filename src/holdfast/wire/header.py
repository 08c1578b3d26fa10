"""The six bytes between TPDU and MTI: what each of their twelve digits says, and what a reply asks of the terminal.

Digits are hex digits, not decimal ones: sub-versions like FFF1 occur. A terminal may put anything there, so reading
refuses only a wrong length; what a digit means to us is looked up, never assumed.
"""

import string
from typing import NamedTuple

from holdfast.errors import WireError

HEADER_BYTES = 6

NOTHING = "0"
DOWNLOAD_PARAMETERS = "1"
UPLOAD_STATUS = "2"
SIGN_ON_AGAIN = "3"
CA_KEYS = "4"
CHIP_PARAMETERS = "5"
CONTACTLESS_PARAMETERS = "9"

PROCESSING_REQUESTS = {
    NOTHING: "nothing",
    DOWNLOAD_PARAMETERS: "download parameters",
    UPLOAD_STATUS: "upload status",
    SIGN_ON_AGAIN: "sign on again",
    CA_KEYS: "update CA keys",
    CHIP_PARAMETERS: "update chip parameters",
    CONTACTLESS_PARAMETERS: "update contactless parameters",
}
"""What the processing request of a reply asks of the terminal."""

TERMINAL_STATUSES = {"0": "in use", "1": "test"}

_REQUEST_BYTE = 2
"""Terminal status and processing request share the third byte: the request is its lower half."""


class Header(NamedTuple):
    """The header in its parts, upper-case hex digits: 2, 2, 1, 1 and 6 of them."""

    application_class: str
    version: str
    terminal_status: str
    processing_request: str
    sub_version: str


HEADER_LAYOUT = (
    ("application class", 2),
    ("version", 2),
    ("terminal status", 1),
    ("processing request", 1),
    ("sub-version", 6),
)
"""The same parts in words, and how many digits each has."""


def parse_header(header: bytes) -> Header:
    """The parts of a header; WireError when it is not six bytes long."""
    _six_bytes(header)
    digits = header.hex().upper()
    return Header(digits[:2], digits[2:4], digits[4], digits[5], digits[6:])


def pack_header(header: Header) -> bytes:
    """The six bytes; WireError naming the part that has another number of digits, or others than hex digits."""
    for (name, width), digits in zip(HEADER_LAYOUT, header, strict=True):
        if len(digits) != width or not set(string.hexdigits).issuperset(digits):
            raise WireError("header", 0, f"the {name} is not {width} hex digits")
    return bytes.fromhex("".join(header))


def with_processing_request(header: bytes, request: str) -> bytes:
    """The same header, asking this of the terminal: one decimal digit."""
    _six_bytes(header)
    if len(request) != 1 or request not in string.digits:
        raise WireError("header", _REQUEST_BYTE, "the processing request is not one digit")
    asking = header[_REQUEST_BYTE] & 0xF0 | int(request)
    return header[:_REQUEST_BYTE] + bytes((asking,)) + header[_REQUEST_BYTE + 1 :]


def _six_bytes(header: bytes) -> None:
    if len(header) != HEADER_BYTES:
        raise WireError("header", 0, f"{len(header)} bytes are not {HEADER_BYTES}")
