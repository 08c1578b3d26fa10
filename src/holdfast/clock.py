"""Time as values. Nothing here reads a clock: `at_us` is always handed in, microseconds since 1970 UTC.

Business time (what a slip and DE12/DE13 say) is local time of the installation, by default Asia/Shanghai.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

DEFAULT_ZONE = "Asia/Shanghai"
DEFAULT_CUT_OVER = time(23, 0)


@lru_cache(maxsize=8)
def zone(name: str = DEFAULT_ZONE) -> tzinfo:
    """The time zone of that name; UTC+8 where the machine knows no zones (Shanghai has no summer time)."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError):
        return timezone(timedelta(hours=8), name)


@lru_cache(maxsize=4096)
def _local_second(second: int, zone_name: str) -> datetime:
    """Many events share a second, and a time zone costs microseconds."""
    return datetime.fromtimestamp(second, zone(zone_name))


def local(at_us: int, zone_name: str = DEFAULT_ZONE) -> datetime:
    """The wall clock of the installation at that instant."""
    return _local_second(at_us // SECOND_US, zone_name).replace(microsecond=at_us % SECOND_US)


def local_date(at_us: int, zone_name: str = DEFAULT_ZONE) -> date:
    """The date of the installation at that instant."""
    return _local_second(at_us // SECOND_US, zone_name).date()


def to_us(moment: datetime) -> int:
    """An aware datetime -> microseconds since 1970 UTC, exact."""
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * SECOND_US + since.microseconds


def rfc3339(at_us: int, zone_name: str = DEFAULT_ZONE) -> str:
    """`2026-11-22T21:34:05.123456+08:00`."""
    return local(at_us, zone_name).isoformat(timespec="microseconds")


@lru_cache(maxsize=4096)
def _digits(second: int, zone_name: str) -> str:
    return _local_second(second, zone_name).strftime("%m%d%H%M%S")


def mmddhhmmss(at_us: int, zone_name: str = DEFAULT_ZONE) -> str:
    """DE7, and DE13 with DE12 behind it."""
    return _digits(at_us // SECOND_US, zone_name)


def mmdd(at_us: int, zone_name: str = DEFAULT_ZONE) -> str:
    """DE13."""
    return _digits(at_us // SECOND_US, zone_name)[:4]


def hhmmss(at_us: int, zone_name: str = DEFAULT_ZONE) -> str:
    """DE12."""
    return _digits(at_us // SECOND_US, zone_name)[4:]


def business_date(at_us: int, zone_name: str = DEFAULT_ZONE, cut_over: time = DEFAULT_CUT_OVER) -> date:
    """The settlement date: after the cut-over (a whole second) it is already the next day."""
    moment = _local_second(at_us // SECOND_US, zone_name)
    return moment.date() + timedelta(days=1) if moment.time() >= cut_over else moment.date()


def date_of_mmdd(text: str, now_us: int, zone_name: str = DEFAULT_ZONE) -> date | None:
    """The newest date with that month and day that is not after tomorrow; None when there is no such day.

    MMDD carries no year (DE13, 61.3). Tomorrow is allowed because a terminal's clock may be ahead; everything later
    lies in the year before, which makes a December hold findable in January.
    """
    latest = local(now_us, zone_name).date() + timedelta(days=1)
    candidates = _dates_of_mmdd(text, range(latest.year, latest.year - 9, -1))
    return next((candidate for candidate in candidates if candidate <= latest), None)


def nearest_date_of_mmdd(text: str, now_us: int, zone_name: str = DEFAULT_ZONE) -> date | None:
    """The date with that month and day that is nearest: what somebody calls today whose clock may differ from ours.

    None where the years about this one have no such day.
    """
    today = local_date(now_us, zone_name)
    candidates = _dates_of_mmdd(text, range(today.year - 1, today.year + 2))
    return min(candidates, key=lambda candidate: abs(candidate - today), default=None)


def _dates_of_mmdd(text: str, years: Iterable[int]) -> Iterator[date]:
    if len(text) != 4 or not text.isdecimal() or not text.isascii():
        return
    for year in years:
        try:
            yield date(year, int(text[:2]), int(text[2:]))
        except ValueError:
            continue
