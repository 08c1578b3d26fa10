"""A message is an MTI and its fields; a received one also keeps the exact bytes it came as.

Text fields are `str`, without the spaces or nibbles that only fill them up; binary fields (`b`) are `bytes`.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Message:
    """One ISO 8583 message of any dialect.

    `fields` maps data element numbers to values. `raw` is the whole body as received (without the length prefix) and
    empty for a message of our own. `tpdu` (5 bytes) and `header` (6 bytes) are empty in a dialect that has none, and
    in a message of our own mean "the dialect's default". `processing_request` is for a message of our own: one digit
    that replaces the header's, whichever header that is, "" to leave it as it is (see wire/header.py).
    """

    mti: str
    fields: dict[int, str | bytes]
    raw: bytes = b""
    tpdu: bytes = b""
    header: bytes = b""
    processing_request: str = ""

    def get(self, number: int) -> str:
        """The text of a field, "" when it is absent."""
        value = self.fields.get(number, "")
        assert isinstance(value, str), f"field {number} is binary: use get_bytes"
        return value

    def get_bytes(self, number: int) -> bytes:
        """The bytes of a binary field, b"" when it is absent."""
        value = self.fields.get(number, b"")
        assert isinstance(value, bytes), f"field {number} is text: use get"
        return value

    def __repr__(self) -> str:
        """Names the fields and never their values: a message may end up in a log or a traceback."""
        return f"Message({self.mti}, fields {sorted(self.fields)})"


def swapped_tpdu(tpdu: bytes) -> bytes:
    """The TPDU of a reply: the destination and the source (2 bytes each, after the id) change places."""
    return tpdu[:1] + tpdu[3:5] + tpdu[1:3]
