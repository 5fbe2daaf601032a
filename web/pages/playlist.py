"""One playlist: its numbers, its tracks, its prediction, what would help it, and what if it were another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import dash
import dash_mantine_components as dmc
from dash import Input, Output, State, dcc, html
from pydantic import Field

from python_ml import charts
from web.database import Row, warehouse
from web.pages import components, shell
from web.pages.artist import path_of
from web.pages.callbacks import Clicks, typed
from web.pages.popularity import HIGHEST_PID, counted, path, title, upper_first
from web.predictions import predict_playlist
from web.problems import NotFound, Problem

PATH = "/playlists"
PATH_TEMPLATE = "/playlists/<pid>"
NAME = None
TITLE = "Playlist"

_MS_A_MINUTE = 60_000
_TRACK_LENGTH = (
    "params.value == null ? '' : Math.floor(params.value / 60000) + ':' + "
    "d3.format('02')(Math.floor(params.value / 1000) % 60)"
)
_EVIDENCE = {
    "clear": ("clear", "green"),
    "unclear": ("unclear", "yellow"),
    "none": ("too few to compare", "gray"),
}

_Count = Annotated[int, Field(ge=1, le=1_000_000)]
_Minutes = Annotated[float, Field(gt=0, le=10_000)]


@dataclass(frozen=True)
class Change:
    """What a playlist would be like.

    Attributes:
        num_tracks: Of its positions.
        num_artists: Different ones.
        num_albums: Different ones.
        track_minutes: Average length of a track.
        has_description: Whether it has one.
        collaborative: Whether several people may edit it.
    """

    num_tracks: int
    num_artists: int
    num_albums: int
    track_minutes: float
    has_description: bool
    collaborative: bool


def layout(pid: str = "", **_: object) -> shell.Component:
    """Return the page."""
    playlist = _playlist(pid)
    number = playlist["pid"]
    return dmc.Stack(
        [
            _head(playlist),
            components.figures(_numbers(playlist)),
            _prediction(playlist),
            _recommendations(playlist),
            _what_if(playlist),
            _comparable(playlist),
            _growth(number),
            _tracks(number),
        ]
    )


def own_features(playlist: Row) -> dict[str, float]:
    """Return what models read of a playlist: `playlist_popularity.ALL_FEATURES`, as the view of features has them.

    Args:
        playlist: The row of `playlist`.
    """
    tracks = playlist["num_tracks"]
    return {
        "num_tracks": tracks,
        "num_artists": playlist["declared_num_artists"],
        "num_albums": playlist["num_albums"],
        "duration_ms": playlist["duration_ms"],
        "collaborative": float(playlist["collaborative"]),
        "tracks_per_artist": tracks / playlist["num_artists"],
        "avg_tracks_per_album": tracks / playlist["num_albums"],
        "avg_track_duration": playlist["duration_ms"] / tracks,
        "unique_artists": playlist["num_artists"],
        "has_description": float(playlist["has_description"]),
        "num_edits": playlist["num_edits"],
        "modified_day": playlist["modified_day"],
        "title_words": playlist["title_words"],
        "title_length": playlist["title_length"],
        "genre_number": playlist["genre_number"],
        "repeated_share": playlist["duplicate_tracks"] / tracks,
    }


def as_it_is(playlist: Row) -> Change:
    """Return where a what-if starts."""
    return Change(
        playlist["num_tracks"],
        playlist["num_artists"],
        playlist["num_albums"],
        round(playlist["duration_ms"] / playlist["num_tracks"] / _MS_A_MINUTE, 1),
        playlist["has_description"],
        playlist["collaborative"],
    )


def changed_features(playlist: Row, change: Change) -> dict[str, float]:
    """Return the features of a playlist that is changed; what is not stays as it is to the last digit.

    It has no more artists and albums than tracks, whatever the change says.
    """
    now, features = as_it_is(playlist), own_features(playlist)
    artists, albums = min(change.num_artists, change.num_tracks), min(change.num_albums, change.num_tracks)
    is_as_long = change.track_minutes == now.track_minutes
    length = features["avg_track_duration"] if is_as_long else change.track_minutes * _MS_A_MINUTE
    changed = {
        "num_tracks": change.num_tracks,
        "num_artists": features["num_artists"] + artists - now.num_artists,
        "num_albums": albums,
        "collaborative": float(change.collaborative),
        "tracks_per_artist": change.num_tracks / artists,
        "avg_tracks_per_album": change.num_tracks / albums,
        "avg_track_duration": length,
        "unique_artists": artists,
        "has_description": float(change.has_description),
    }
    if not is_as_long or change.num_tracks != now.num_tracks:
        changed["duration_ms"] = round(length * change.num_tracks)
    return features | changed


def changes_in_words(now: Change, change: Change) -> list[str]:
    """Say what is other than it is; empty if nothing is."""
    words = [
        f"{getattr(change, field):,} {unit} instead of {getattr(now, field):,}"
        for field, unit in (("num_tracks", "tracks"), ("num_artists", "artists"), ("num_albums", "albums"))
        if getattr(change, field) != getattr(now, field)
    ]
    if change.track_minutes != now.track_minutes:
        words.append(f"tracks of {change.track_minutes:.1f} minutes instead of {now.track_minutes:.1f}")
    if change.has_description != now.has_description:
        words.append("with a description" if change.has_description else "without its description")
    if change.collaborative != now.collaborative:
        words.append("open to several editors" if change.collaborative else "edited by one person")
    return words


def named(pid: str) -> str:
    """Return what the page is about."""
    name: str = title(_playlist(pid)["name"])
    return name


def register(app: dash.Dash) -> None:
    """Predict again whenever a slider moves."""
    inputs = [
        Input("playlist-tracks", "value"),
        Input("playlist-artists", "value"),
        Input("playlist-albums", "value"),
        Input("playlist-minutes", "value"),
        Input("playlist-description", "checked"),
        Input("playlist-collaborative", "checked"),
    ]

    @app.callback(
        Output("playlist-answer", "children"), *inputs, State("playlist-pid", "data"), prevent_initial_call=True
    )
    @typed
    def ask(
        tracks: _Count,
        artists: _Count,
        albums: _Count,
        minutes: _Minutes,
        description: bool,
        collaborative: bool,
        pid: int,
    ) -> shell.Component:
        change = Change(tracks, artists, albums, minutes, description, collaborative)
        return components.told(lambda: _answer(_playlist(str(pid)), change))

    @app.callback(
        *[Output(part.component_id, part.component_property, allow_duplicate=True) for part in inputs],
        Output("playlist-answer", "children", allow_duplicate=True),
        Input("playlist-reset", "n_clicks"),
        State("playlist-pid", "data"),
        prevent_initial_call=True,
    )
    @typed
    def start_over(_: Clicks, pid: int) -> tuple[object, ...]:
        try:
            now = as_it_is(_playlist(str(pid)))
        except Problem as problem:
            # The sliders stay where they are, and what keeps them there is said beside them.
            return *[dash.no_update] * len(inputs), components.alert(problem.detail, "red")
        return (
            now.num_tracks,
            now.num_artists,
            now.num_albums,
            now.track_minutes,
            now.has_description,
            now.collaborative,
            dash.no_update,
        )


def _playlist(pid: str) -> Row:
    """Return the row of a playlist.

    Raises:
        NotFound: There is none.
    """
    is_number = pid.isascii() and pid.isdigit() and len(pid) <= 10 and int(pid) <= HIGHEST_PID
    found = warehouse().cached("playlist", pid=int(pid)) if is_number else []
    if not found:
        raise NotFound("No playlist has that number. Search for one by its title on the page Playlist popularity.")
    return found[0]


def _head(playlist: Row) -> shell.Component:
    badges = [
        dmc.Badge(words, variant="light", color=colour, tt="none")
        for words, colour, is_so in (
            (playlist["genre"], "green", playlist["genre"]),
            ("collaborative", "blue", playlist["collaborative"]),
            ("behind its prediction", "yellow", playlist["is_underperforming"]),
            (f"the same tracks as playlist {playlist['duplicate_of_pid']}", "gray", playlist["is_duplicate"]),
        )
        if is_so
    ]
    return dmc.Stack(
        [
            dmc.Anchor("Playlist popularity", href="/app/popularity", size="sm"),
            dmc.Title(title(playlist["name"]), order=1, size="h2", className="title"),
            dmc.Group([dmc.Text(f"Playlist {playlist['pid']}", c="dimmed"), *badges], gap="xs"),
            *([dmc.Text(playlist["description"], className="title")] if playlist["has_description"] else []),
        ],
        gap=4,
        mb="md",
    )


def _numbers(playlist: Row) -> list[tuple[str, str, str | None]]:
    number = components.number
    repeated = playlist["duplicate_tracks"]
    tiles: list[tuple[str, str, str | None]] = [
        ("Followers", number(playlist["num_followers"]), None),
        ("Tracks", number(playlist["num_tracks"]), f"{number(repeated)} repeated" if repeated else "each once"),
        (
            "Artists",
            number(playlist["num_artists"]),
            f"{100 * playlist['num_artists'] / playlist['num_tracks']:.0f} for 100 tracks",
        ),
        ("Albums", number(playlist["num_albums"]), None),
        (
            "Length",
            duration(playlist["duration_ms"]),
            f"{playlist['duration_ms'] / playlist['num_tracks'] / _MS_A_MINUTE:.1f} minutes a track",
        ),
        ("Edits", number(playlist["num_edits"]), "those within two hours count once"),
        ("Last changed", f"{playlist['modified_at']:%-d %b %Y}", None),
    ]
    if playlist["predicted_followers"] is not None:
        tiles.insert(
            1,
            (
                "Predicted followers",
                number(playlist["predicted_followers"], 1),
                f"80 in 100 such: {between(playlist['predicted_low'], playlist['predicted_high'])}",
            ),
        )
    return tiles


def _prediction(playlist: Row) -> shell.Component:
    if playlist["predicted_followers"] is None:
        return shell.panel(
            "No prediction yet",
            dmc.Text("It was not here when the model scored last. A build or a training brings one:"),
            dmc.Anchor("Start one", href="/app/runs"),
        )
    low, high = playlist["predicted_low"], playlist["predicted_high"]
    followers, predicted = playlist["num_followers"], playlist["predicted_followers"]
    sentences = [
        f"What it is made of suggests {predicted:,.1f} followers; it has {followers:,}.",
        f"Of playlists with such a prediction, at least 80 in 100 have {between(low, high)}.",
        f"{sureness(playlist['confidence_score'])}",
    ]
    if playlist["share_further_behind"] is not None:
        sentences.append(_standing(playlist))
    return shell.panel(
        "Prediction",
        html.Ul([html.Li(sentence) for sentence in sentences], className="words"),
        components.chart(
            "playlist-prediction",
            charts.prediction(predicted, (low, high), followers),
            f"Predicted {predicted:,.1f}, interval {low:,} to {high:,}, actual {followers:,} followers.",
        ),
        note=f"By the model that serves, {components.moment(playlist['last_processed'])}.",
    )


def _standing(playlist: Row) -> str:
    if playlist["is_underperforming"]:
        return "It is among the tenth of all playlists that are furthest behind their prediction."
    where = "behind" if playlist["follower_gap"] > 0 else "ahead of"
    return (
        f"It is {where} its prediction; {playlist['share_further_behind']:.0%} of the other playlists do worse beside "
        "theirs."
    )


def _recommendations(playlist: Row) -> shell.Component:
    found = warehouse().cached("playlist_recommendations", pid=playlist["pid"])
    if not found:
        return shell.panel(
            "What would help",
            dmc.Text(
                "Nothing that the evidence supports: comparable playlists that differ from it in a way that can be "
                "changed do not clearly have more followers.",
                c="dimmed",
            ),
        )
    return shell.panel(
        "What would help",
        dmc.Stack([_recommendation(row) for row in found], gap="sm"),
        note="What comparable playlists with more followers have. It need not be why they have them.",
    )


def _recommendation(row: Row) -> shell.Component:
    words, colour = _EVIDENCE.get(row["evidence"], (row["evidence"], "gray"))
    number = components.number
    facts = []
    if row["recommendation"] != "add_description":
        digits = 0 if float(row["current_value"]).is_integer() and float(row["suggested_value"]).is_integer() else 1
        facts.append(
            (
                "Now, and predicted" if row["recommendation"] == "review_collaborative" else "Now, and suggested",
                f"{number(row['current_value'], digits)} → {number(row['suggested_value'], digits)} {row['unit']}",
            )
        )
    if row["expected_gain"] is not None:
        facts.append(
            (
                "Difference in followers",
                f"{row['expected_gain_pct']:+.1f} %  (log {row['expected_gain']:.3f}, standard error "
                f"{row['gain_standard_error']:.3f})",
            )
        )
    if row["weak_playlists"] is not None and row["other_playlists"] is not None:
        facts.append(
            (
                "Compared",
                f"{number(row['weak_playlists'])} like this one, {number(row['other_playlists'])} as is suggested",
            )
        )
    return dmc.Paper(
        [
            dmc.Group(
                [
                    dmc.Title(
                        f"{row['recommendation_rank']}. {upper_first(row['action'])}",
                        order=3,
                        size="h5",
                    ),
                    dmc.Badge(f"evidence: {words}", color=colour, variant="light", tt="none"),
                ],
                gap="xs",
            ),
            dmc.Text(f"{upper_first(row['reason'])}.", mt=4),
            html.Dl([html.Div([html.Dt(term), html.Dd(fact)]) for term, fact in facts], className="terms inline"),
        ],
        p="sm",
        withBorder=True,
        className="panel",
    )


def _what_if(playlist: Row) -> shell.Component:
    if playlist["predicted_followers"] is None:
        return None
    now = as_it_is(playlist)
    most = max(250, now.num_tracks)
    return shell.panel(
        "What if",
        dcc.Store(id="playlist-pid", data=playlist["pid"]),
        dmc.Grid(
            [
                dmc.GridCol(
                    dmc.Stack(
                        [
                            _slider("tracks", "Tracks", 5, most, 1, now.num_tracks),
                            _slider("artists", "Different artists", 1, most, 1, now.num_artists),
                            _slider("albums", "Different albums", 1, most, 1, now.num_albums),
                            _slider("minutes", "Average length of a track, minutes", 1, 10, 0.1, now.track_minutes),
                            dmc.Switch(
                                id="playlist-description", label="Has a description", checked=now.has_description
                            ),
                            dmc.Switch(
                                id="playlist-collaborative",
                                label="Collaborative: several people may edit it",
                                checked=now.collaborative,
                            ),
                            dmc.Button(
                                "As it is", id="playlist-reset", variant="default", size="compact-sm", w="fit-content"
                            ),
                        ],
                        gap="md",
                    ),
                    span={"base": 12, "md": 6},
                ),
                dmc.GridCol(
                    html.Div(
                        components.told(lambda: _answer(playlist, now)),
                        id="playlist-answer",
                        **{"aria-live": "polite"},
                    ),
                    span={"base": 12, "md": 6},
                ),
            ],
            gutter="xl",
        ),
        note="What the model that serves would predict if the playlist were another. Title, genre, edits and the day "
        "of the last change stay.",
    )


def _slider(name: str, label: str, low: float, high: float, step: float, value: float) -> shell.Component:
    return html.Div(
        [
            dmc.Text(label, size="sm", fw=500),
            dmc.Slider(
                id=f"playlist-{name}",
                min=min(low, value),
                max=max(high, value),
                step=step,
                precision=1 if step < 1 else 0,
                value=value,
                thumbLabel=label,
                labelAlwaysOn=True,
                marks=[{"value": value}],
                mt=34,
            ),
        ]
    )


def _answer(playlist: Row, change: Change) -> shell.Component:
    now = as_it_is(playlist)
    words = changes_in_words(now, change)
    predicted = predict_playlist(changed_features(playlist, change))
    if not words:
        sentence = "Nothing is changed yet: this is the prediction of the playlist as it is."
    else:
        sentence = f"With {_listed(words)}, the model predicts {_beside(predicted, playlist['predicted_followers'])}."
    beyond = [
        f"No playlist has more {unit} than tracks: counted as {change.num_tracks:,}."
        for unit, count in (("artists", change.num_artists), ("albums", change.num_albums))
        if count > change.num_tracks
    ]
    return dmc.Stack(
        [
            dmc.Text("Predicted followers", c="dimmed", size="sm"),
            dmc.Text(f"{predicted['predicted_followers']:,.1f}", fw=700, fz=36, lh=1, className="figure"),
            dmc.Text(
                f"{between(predicted['interval_low'], predicted['interval_high'])} in at least 80 of 100 such cases. "
                f"{sureness(predicted['confidence_score'])}",
                size="sm",
                c="dimmed",
            ),
            components.chart(
                "playlist-answer-chart",
                charts.prediction(
                    predicted["predicted_followers"],
                    (predicted["interval_low"], predicted["interval_high"]),
                    playlist["num_followers"],
                ),
                f"Predicted {predicted['predicted_followers']:,.1f}, interval {predicted['interval_low']:,} to "
                f"{predicted['interval_high']:,}, actual {playlist['num_followers']:,} followers.",
            ),
            dmc.Text(sentence),
            *[dmc.Text(line, size="sm", c="yellow.4") for line in beyond],
            dmc.Text(
                "An answer of the model is no promise: it has seen which playlists have more followers, and not what "
                "happens to one that is changed.",
                size="sm",
                c="dimmed",
            ),
        ],
        gap="xs",
    )


def _beside(predicted: Mapping[str, Any], before: float) -> str:
    after = predicted["predicted_followers"]
    change = after / before - 1
    if abs(change) < 0.005:
        return f"{after:,.1f} followers, about as many as for the playlist as it is"
    return (
        f"{after:,.1f} followers, {abs(change):.1%} {'more' if change > 0 else 'fewer'} than the {before:,.1f} as it is"
    )


def _comparable(playlist: Row) -> shell.Component:
    if playlist["comparable_group"] is None:
        return None
    found = warehouse().cached(
        "playlists_comparable", comparable_group=playlist["comparable_group"], pid=playlist["pid"]
    )
    rows = [
        row
        | {
            "name": title(row["name"]),
            "path": path(row["pid"]),
            "minutes": row["duration_ms"] / _MS_A_MINUTE,
            "artists_per_100": 100 * row["artists_per_track"],
            "description": "yes" if row["has_description"] else "no",
        }
        for row in found
    ]
    usual = (
        f"It is one of {counted(playlist['comparable_playlists'], 'playlist')} in the group “"
        f"{playlist['comparable_group']}”, which usually have {100 * playlist['comparable_artists_per_track']:.0f} "
        "artists for 100 tracks; with tracks of their usual length it would last "
        f"{duration(playlist['comparable_duration_ms'])}."
    )
    return shell.panel(
        "Comparable playlists",
        components.table(
            "playlist-comparable",
            "The most followed of the playlists that it is compared with",
            rows,
            [
                components.column("name", "Playlist", link="path", flex=2, minWidth=160),
                components.column("num_followers", "Followers", "whole"),
                components.column("predicted_followers", "Predicted", "decimal"),
                components.column("num_tracks", "Tracks", "whole"),
                components.column("artists_per_100", "Artists for 100 tracks", "whole", **components.WRAPPED),
                components.column("minutes", "Minutes", "whole"),
                components.column("description", "Description", minWidth=110),
            ],
            file=f"comparable-with-playlist-{playlist['pid']}",
            page_size=5,
        ),
        note=f"{usual} The most followed others:",
    )


def _growth(pid: int) -> shell.Component:
    found = warehouse().cached("playlist_growth", pid=pid)
    if not found:
        return None
    rows = [
        row
        | {
            "name": title(row["name"]),
            "landed": f"{row['landed_at']:%Y-%m-%d}",
            "modified": f"{row['modified_at']:%Y-%m-%d}",
        }
        for row in found
    ]
    return shell.panel(
        "How it grew",
        dmc.Text(growth_in_words(found), mb="sm"),
        components.table(
            "playlist-growth",
            "Versions of the playlist",
            rows,
            [
                components.column("version", "Version", "whole", width=100),
                components.column("landed", "Landed", "date"),
                components.column("modified", "Last changed", "date"),
                components.column("name", "Title", flex=1),
                components.column("num_followers", "Followers", "whole"),
                components.column("followers_change", "Change", "whole"),
                components.column("num_tracks", "Tracks", "whole"),
                components.column("tracks_added", "Added", "whole"),
                components.column("tracks_removed", "Removed", "whole"),
            ],
            file=f"versions-of-playlist-{pid}",
        ),
    )


def growth_in_words(versions: Sequence[Row]) -> str:
    """Say what became of a playlist from its first version to its last.

    Args:
        versions: Rows of `playlist_growth`, two or more.
    """
    first, last = versions[0], versions[-1]
    change = last["num_followers"] - first["num_followers"]
    what = (
        "as many followers as at first"
        if change == 0
        else f"{counted(abs(change), 'follower')} {'more' if change > 0 else 'fewer'} than at first"
    )
    added = sum(row["tracks_added"] or 0 for row in versions)
    removed = sum(row["tracks_removed"] or 0 for row in versions)
    return (
        f"It landed {len(versions)} times. It has {what}; {counted(added, 'track')} came in and "
        f"{counted(removed, 'track')} went out."
    )


def _tracks(pid: int) -> shell.Component:
    found = warehouse().cached("playlist_tracks", pid=pid)
    rows = [
        row
        | {
            "position": row["pos"] + 1,
            "artist_path": path_of(row["artist_uri"]),
        }
        for row in found
    ]
    return shell.panel(
        "Tracks",
        components.table(
            "playlist-tracks",
            "Tracks of the playlist in their order",
            rows,
            [
                components.column("position", "No.", "whole", width=80, minWidth=70, sort="asc"),
                components.column("track_name", "Track", flex=2),
                components.column("artist_name", "Artist", link="artist_path", flex=2),
                components.column("album_name", "Album", flex=2),
                components.column("duration_ms", "Length", "whole", valueFormatter={"function": _TRACK_LENGTH}),
                components.column("playlist_appearances", "Playlists", "whole", note="Playlists that have the track"),
            ],
            file=f"tracks-of-playlist-{pid}",
            page_size=20,
        ),
    )


def duration(milliseconds: float) -> str:
    """Return a duration as people say it: `3 h 41 min`, `47 min`."""
    minutes = round(milliseconds / _MS_A_MINUTE)
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def between(low: int, high: int) -> str:
    """Return an interval of followers in words."""
    return f"{counted(low, 'follower')}" if low == high else f"{low:,} to {high:,} followers"


def sureness(confidence: float) -> str:
    """Say what a confidence means."""
    return f"About {round(100 * confidence)} in 100 such predictions are within a factor of two."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
