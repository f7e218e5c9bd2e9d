"""When frames were captured, and when to try again."""

from datetime import UTC, datetime

from framedb.capture.backoff import Backoff
from framedb.capture.clock import DistinctTimes, LiveClock
from framedb.capture.health import HealthRecord

NOW = 1_800_000_000.0


def test_network_jitter_does_not_reach_capture_times() -> None:
    clock = LiveClock()
    lateness = [0.05, 0.02, 0.0, 0.3, 0.27, 0.24]
    for number, late in enumerate(lateness):
        clock.arrived(number * 0.04, NOW + number * 0.04 + late)
    times = [clock.time_of(number * 0.04, NOW + 9) for number in range(6)]
    assert [round(time - NOW, 6) for time in times] == [round(number * 0.04, 6) for number in range(6)]


def test_a_camera_whose_clock_is_slow_is_followed() -> None:
    clock = LiveClock()
    for second in range(3600):
        clock.arrived(second * 0.9999, NOW + second)
    assert abs(clock.time_of(3599 * 0.9999, NOW + 3599) - (NOW + 3599)) < 0.01


def test_a_clock_that_is_set_is_believed_at_once() -> None:
    clock = LiveClock()
    clock.arrived(1.0, NOW)
    clock.arrived(1.04, NOW + 3600)
    assert clock.time_of(1.04, NOW + 3600) == NOW + 3600
    clock.arrived(1.08, NOW)
    assert clock.time_of(1.08, NOW) == NOW
    clock.arrived(500.0, NOW + 0.04)
    assert clock.time_of(500.0, NOW) == NOW + 0.04


def test_a_stream_without_timestamps_is_timed_by_arrival() -> None:
    clock = LiveClock()
    clock.arrived(None, NOW)
    assert clock.time_of(None, NOW) == NOW


def test_no_two_frames_have_the_same_time() -> None:
    times = DistinctTimes()
    given = [times.next(seconds) for seconds in (NOW, NOW, NOW - 5, NOW + 1)]
    assert given == sorted(set(given))
    assert given[0] == datetime.fromtimestamp(NOW, UTC)
    assert (given[2] - given[0]).total_seconds() == 2e-6


def test_waits_grow_to_the_longest_and_begin_anew_when_it_worked() -> None:
    backoff = Backoff(first=1.0, longest=30.0)
    waits = [backoff.failed() for _ in range(12)]
    for attempt, wait in enumerate(waits):
        assert min(30.0, 2.0**attempt) / 2 <= wait <= min(30.0, 2.0**attempt)
    assert backoff.until > 0
    assert backoff.worked()
    assert backoff.until == 0
    assert not backoff.worked()
    assert backoff.failed() <= 1.0


def test_health_tells_no_password_and_counts_by_reason() -> None:
    record = HealthRecord("lab:1", fps=1.0)
    assert record.enter("reconnecting", error=OSError("rtsp://me:secret@host/x is gone"))
    assert not record.enter("reconnecting")
    record.dropped("slow")
    record.dropped("slow", 2)
    record.lost(stalled=True)
    record.captured(datetime.fromtimestamp(NOW, UTC))
    health = record.snapshot()
    assert health.last_error == "rtsp://***@host/x is gone"
    assert health.drops == {"slow": 3}
    assert (health.reconnects, health.stalls) == (1, 1)
    assert health.fps > 0
