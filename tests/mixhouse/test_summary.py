"""The summary, in each state that it can be asked in."""

from pathlib import Path
from typing import Any

from rich.console import Console

from mixhouse.summary import Summary, render

OVERVIEW = {
    "playlists": 12_345,
    "track_rows": 999_999,
    "tracks": 5,
    "albums": 4,
    "artists": 3,
    "playlists_rejected": 0,
    "slices_refused": 0,
    "synthetic_playlists": 0,
}


def shown(**fields: Any) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(render(Summary(**fields), Path("/nowhere/report.html"), "mixhouse"))
    return capture.get()


def metric(name: str, scale: str | None, value: float) -> dict[str, Any]:
    constants = dict.fromkeys(("baseline_one", "baseline_median", "baseline_mean"), 2.0)
    return {"metric": name, "scale": scale, "metric_value": value, **constants}


def test_nothing_loaded_says_how_to_load() -> None:
    assert "Next: mixhouse run" in shown(landed=0)


def test_loaded_but_not_built_says_to_build() -> None:
    assert "Next: mixhouse build" in shown(landed=7)


def test_built_but_not_trained_says_so() -> None:
    text = shown(landed=12_345, overview=OVERVIEW)
    assert "12,345 playlists with 999,999 tracks" in text
    assert "playlist popularity: not trained yet" in text
    assert "none found" in text


def test_news_since_the_last_build_are_to_be_built() -> None:
    assert "build what is new       mixhouse build" in shown(landed=12_345, overview=OVERVIEW, has_news=True)
    assert "build what is new" not in shown(landed=12_345, overview=OVERVIEW)


def test_a_model_is_called_better_than_a_constant_only_if_it_is() -> None:
    good, bad = metric("rmse", "raw", 1.9), metric("rmse", "log1p", 2.0)
    lines = shown(
        landed=12_345, overview=OVERVIEW, metrics=[good, bad, metric("r2", "raw", 0.1), metric("r2", "log1p", 0.0)]
    ).splitlines()
    assert [line for line in lines if ", followers: RMSE 1.9, better than a constant" in line]
    assert [line for line in lines if "log followers: RMSE 2, no better than a constant" in line]


def test_refusals_are_counted() -> None:
    text = shown(landed=12_345, overview=OVERVIEW | {"playlists_rejected": 3, "slices_refused": 1})
    assert "kept aside: 3 playlists and 1 slice," in text


def test_made_playlists_are_called_made() -> None:
    assert "they say nothing about music" in shown(landed=12_345, overview=OVERVIEW | {"synthetic_playlists": 12_345})


def test_made_playlists_among_others_are_counted_with_the_way_out() -> None:
    text = shown(landed=12_345, overview=OVERVIEW | {"synthetic_playlists": 12_000})
    assert "12,000 of these playlists are made" in text
    assert "mixhouse db reset" in text


def test_titles_are_shown_and_never_obeyed() -> None:
    row = {"pid": 1, "name": "[red]a\x1b[2Jb\nc[/red]", "action": "take shorter tracks", "reason": "so"}
    text = shown(landed=12_345, overview=OVERVIEW, playlists=[row])
    assert "  [red]a·[2Jb·c[/red] (1): take shorter tracks; so" in text
