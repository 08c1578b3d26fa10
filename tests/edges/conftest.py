"""What the tests of commands share: a real PostgreSQL."""

from tests.store.conftest import postgres

__all__ = ["postgres"]
