from producers.backoff import Backoff


def test_waits_double_up_to_the_most() -> None:
    """With the random number at its top, waits are first, 2·first, 4·first … and never above the most."""
    backoff = Backoff(0.5, 5, lambda: 1.0)
    assert [backoff.wait() for _ in range(6)] == [0.5, 1, 2, 4, 5, 5]


def test_jitter_is_full() -> None:
    """The wait is anything from nothing to its ceiling: producers cut off together do not come back together."""
    assert Backoff(8, 30, lambda: 0.0).wait() == 0
    assert Backoff(8, 30, lambda: 0.25).wait() == 2


def test_a_connection_that_flaps_is_no_success() -> None:
    """Only success as long as the longest wait begins anew."""
    backoff = Backoff(1, 10, lambda: 1.0)
    backoff.wait()
    backoff.succeeded(9.9)
    assert backoff.wait() == 2
    backoff.succeeded(10)
    assert backoff.wait() == 1


def test_waits_stay_bounded_after_very_many_failures() -> None:
    """A venue that is away for a year overflows nothing."""
    backoff = Backoff(1, 30, lambda: 1.0)
    assert max(backoff.wait() for _ in range(5000)) == 30
