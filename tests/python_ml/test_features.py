import hashlib
import struct

import numpy as np
import pandas as pd
import pytest

from python_ml import artist_trends, features, playlist_popularity
from python_ml.errors import FeaturesInvalid, FeaturesMissing


def test_playlists_come_ordered_by_pid_with_the_columns_of_the_model_in_its_order(
    connection, store, playlists, artists
):
    store(connection, playlists, artists)
    frame = features.read(connection, features.PLAYLISTS).frame
    assert list(frame.columns) == [*playlist_popularity.ALL_FEATURES, "num_followers"]
    assert set(frame.dtypes) == {np.dtype("float64")}
    pd.testing.assert_frame_equal(frame, playlists[list(frame.columns)], check_index_type=False, check_exact=True)


def test_artists_come_ordered_by_code_points_whatever_the_collation(connection, store, playlists, artists):
    uris = ["a", "B", "é", "Z", "spotify:artist:1", 'quo"te', "com,ma", "NA", "two\nlines", "nan"]
    artists = artists.head(len(uris)).set_axis(pd.Index(uris, name="artist_uri"))
    store(connection, playlists, artists)
    frame = features.read(connection, features.ARTISTS).frame
    assert list(frame.index) == sorted(uris)
    assert list(frame.columns) == list(artist_trends.FEATURES)
    expected = artists.loc[sorted(uris), list(artist_trends.FEATURES)]
    pd.testing.assert_frame_equal(frame, expected, check_index_type=False, check_exact=True)


def test_floats_arrive_to_the_last_bit(connection, store, playlists, artists):
    awkward = np.array([0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 2**53 + 1, 123456.78901234567, 100.1, 2 / 7, np.pi])
    artists = artists.head(len(awkward)).assign(avg_followers=awkward)
    store(connection, playlists, artists)
    assert features.read(connection, features.ARTISTS).frame["avg_followers"].to_list() == awkward.tolist()


@pytest.mark.parametrize("value", ["null", "'NaN'", "'Infinity'", "'-Infinity'"])
def test_a_value_that_cannot_be_fitted_is_refused_and_named(connection, store, playlists, artists, value):
    store(connection, playlists, artists)
    connection.execute(f"update features.playlist_features set avg_track_duration = {value} where pid in (7, 9)")
    with pytest.raises(FeaturesInvalid, match=r"playlist_features\.avg_track_duration .* 2 of 300 .* pid is 7;"):
        features.read(connection, features.PLAYLISTS)


def test_absent_views_say_which_command_builds_them(connection):
    with pytest.raises(FeaturesMissing, match=r"features\.playlist_features.*mixhouse build"):
        features.read(connection, features.PLAYLISTS)
    connection.rollback()
    with pytest.raises(FeaturesMissing, match=r"features\.artist_features.*mixhouse build"):
        features.read(connection, features.ARTISTS)


def test_an_absent_column_is_named(connection, store, playlists, artists):
    store(connection, playlists, artists)
    connection.execute("alter table features.artist_features drop column track_count")
    with pytest.raises(FeaturesMissing, match="track_count"):
        features.read(connection, features.ARTISTS)


def test_an_empty_view_gives_an_empty_frame(connection, store, playlists, artists):
    store(connection, playlists.head(0), artists.head(0))
    assert (
        len(features.read(connection, features.PLAYLISTS).frame)
        == len(features.read(connection, features.ARTISTS).frame)
        == 0
    )


def test_the_digest_is_known_for_known_content():
    by_pid = pd.DataFrame({"x": [0.5, -0.0]}, index=pd.Index([3, 4], name="pid"))
    by_uri = pd.DataFrame({"x": [0.5, -0.0]}, index=pd.Index(["a", "é"], name="artist_uri"))
    numbers = struct.pack("<2d", 0.5, 0.0)
    assert features.digest(by_pid) == hashlib.sha256(b"pid\0x" + struct.pack("<2q", 3, 4) + numbers).hexdigest()
    assert features.digest(by_uri) == hashlib.sha256("artist_uri\0xa\0é".encode() + numbers).hexdigest()


def test_the_digest_does_not_depend_on_how_the_frame_is_held(playlists):
    reread = playlists.set_axis(playlists.index.astype("int32")).rename_axis("pid")
    by_column = pd.DataFrame({name: playlists[name].copy() for name in playlists})
    assert features.digest(playlists) == features.digest(reread) == features.digest(by_column)


def test_any_change_changes_the_digest(playlists):
    nudged = playlists.copy()
    nudged.iloc[17, 3] = np.nextafter(nudged.iloc[17, 3], np.inf)
    variants = [
        playlists,
        nudged,
        playlists.iloc[::-1],
        playlists.head(-1),
        playlists[playlists.columns[::-1]],
        playlists.rename(columns={"num_tracks": "tracks"}),
        playlists.set_axis(playlists.index + 1),
    ]
    assert len({features.digest(frame) for frame in variants}) == len(variants)
