"""What people see of a load."""

import io
import logging
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from loaders.load import LoadReport, SliceOutcome
from loaders.rejects import Listing
from loaders.slices import SliceSource
from mixhouse import loading


def slice_outcome(name: str, **facts: object) -> SliceOutcome:
    source = SliceSource(Path("/data") / name, None, "1:1")
    return SliceOutcome(source, **({"outcome": "landed", "bytes": 34_000_000, "landed": 1000} | facts))  # type: ignore[arg-type]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    for name in ("OUT", "ERR"):
        monkeypatch.setattr(loading, name, Console(file=text, force_terminal=True, color_system=None, width=120))
    return text


def test_a_terminal_shows_slices_pace_and_the_time_left(screen: io.StringIO) -> None:
    with loading.load_progress() as advance:
        advance(slice_outcome("first"), 1, 10)
        advance(slice_outcome("second"), 2, 10)
    assert re.search(r"2/10 [\d,]+ playlists/s, [\d,]+ MB/s .*\d:\d\d:\d\d left", screen.getvalue())


def test_elsewhere_a_line_is_logged_every_few_seconds_however_long_a_slice_takes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loading, "ERR", Console(file=io.StringIO()))
    monkeypatch.setattr(loading, "LOG_SECONDS", 0.01)
    caplog.set_level(logging.INFO)

    def wait_for_line(pattern: str) -> None:
        deadline = time.monotonic() + 30
        while not any(re.fullmatch(pattern, line) for line in caplog.messages):
            assert time.monotonic() < deadline, caplog.messages

    with loading.load_progress() as advance:
        wait_for_line(r"no slice is through after \d+ s")
        advance(slice_outcome("first"), 1, 10)
        advance(slice_outcome("second"), 2, 10)
        caplog.clear()
        for _ in range(2):
            wait_for_line(r"loaded 2 of 10 slices, [\d,]+ playlists/s, [\d,]+ MB/s, \d:\d\d:\d\d left")
            caplog.clear()
    assert caplog.messages == []


def test_slices_that_were_passed_over_do_not_shorten_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 10.0])
    monkeypatch.setattr(loading.time, "monotonic", lambda: next(now))
    pace = loading._Pace()
    for number in range(90):
        pace.count(slice_outcome(str(number), outcome="skipped", bytes=0, landed=0))
    pace.count(slice_outcome("read"))
    assert str(pace.time_left(9)) == "0:01:30"


def test_the_summary_counts_what_happened_and_lists_what_was_refused(screen: io.StringIO) -> None:
    slices = (
        slice_outcome("sound", superseding=7, unchanged=3),
        slice_outcome("some", rejected=2),
        slice_outcome("none\x1b[2J", outcome="refused", landed=0, reason="not_json", detail="cut"),
        slice_outcome("known", outcome="skipped", bytes=0, landed=0),
    )
    loading.print_load(LoadReport(slices, 2.0))
    shown = screen.getvalue()
    for line in (
        r"2 +slices landed",
        r"1 +slice skipped",
        r"1 +slice refused",
        r"2,000 +playlists landed",
        r"7 +playlists among them in another version",
        r"3 +playlists unchanged",
        r"2 +playlists rejected",
        r"102\.0 MB in 2\.0 s, 51 MB/s",
        r"/data/none·\[2J: refused \(not_json\): cut",
        r"/data/some: 2 playlists rejected",
    ):
        assert re.search(line, shown), line


def test_one_of_a_thing_is_one_thing(screen: io.StringIO) -> None:
    loading.print_load(LoadReport((slice_outcome("one", landed=1, rejected=1),), 1.0))
    loading.print_rejects(Listing((), {"not_json": 1}))
    shown = screen.getvalue()
    for line in (r"1 +slice landed", r"1 +playlist landed", r"one: 1 playlist rejected", r"1 reject, 1 not_json"):
        assert re.search(line, shown), line
    assert not re.search(r"\b1 +\w+s\b", shown)


def test_a_long_list_is_cut_with_where_the_rest_is(screen: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MOST_LISTED", 3)
    loading.print_load(LoadReport(tuple(slice_outcome(str(number), rejected=1) for number in range(10)), 1.0))
    assert "/data/2: " in screen.getvalue()
    assert "/data/3: " not in screen.getvalue()
    assert "and 7 more; all are in staging.slices and staging.rejects" in screen.getvalue()
