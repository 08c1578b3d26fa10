"""What the trade's libraries (psec, pyemv) need around their calls."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.utils import CryptographyDeprecationWarning


@contextmanager
def old_ciphers_unremarked() -> Iterator[None]:
    """They reach for DES where it has been moved from; that is known, and no matter for operators."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield
