import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from python_ml import playlist_popularity
from python_ml.errors import NotEnoughData

ORDER = [
    "num_tracks",
    "num_artists",
    "num_albums",
    "duration_ms",
    "collaborative",
    "tracks_per_artist",
    "avg_tracks_per_album",
    "avg_track_duration",
    "unique_artists",
]


def fitted_predictions(playlists: pd.DataFrame) -> pd.DataFrame:
    return playlist_popularity.predict(playlist_popularity.fit(playlists), playlists)


def held_out_r2(playlists: pd.DataFrame) -> float:
    predictions = fitted_predictions(playlists)
    held_out = predictions["is_held_out"]
    return r2_score(playlists.loc[held_out, "num_followers"], predictions.loc[held_out, "predicted_followers"])


def test_anyone_with_scikit_learn_gets_the_same_predictions_to_the_last_digit(playlists):
    train, test, target, _ = train_test_split(
        playlists[ORDER], playlists["num_followers"], test_size=0.2, random_state=42
    )
    forest = RandomForestRegressor(n_estimators=100, max_depth=10, random_state=42).fit(train, target)
    predictions = fitted_predictions(playlists)
    assert predictions["predicted_followers"].to_list() == forest.predict(playlists[ORDER]).tolist()
    assert set(predictions.index[predictions["is_held_out"]]) == set(test.index)
    importances = playlist_popularity.importances(playlist_popularity.fit(playlists))
    assert importances.to_dict() == dict(zip(ORDER, forest.feature_importances_, strict=True))


def test_a_planted_effect_is_found_on_playlists_the_model_never_saw(playlists):
    assert held_out_r2(playlists) > 0.95
    importances = playlist_popularity.importances(playlist_popularity.fit(playlists))
    assert importances.idxmax() == "num_tracks"
    assert importances.sum() == pytest.approx(1)


def test_no_effect_is_found_where_there_is_none(playlists):
    shuffled = np.random.default_rng(3).permutation(playlists["num_followers"])
    assert held_out_r2(playlists.assign(num_followers=shuffled)) < 0.1


def test_every_playlist_gets_a_prediction_and_one_in_five_was_held_out(playlists):
    predictions = fitted_predictions(playlists)
    assert predictions.index.equals(playlists.index)
    assert predictions["predicted_followers"].between(1, playlists["num_followers"].max()).all()
    assert predictions["is_held_out"].sum() == 60


def test_ten_playlists_are_enough_and_nine_are_refused_with_both_numbers(playlists):
    assert len(fitted_predictions(playlists.head(10))) == 10
    with pytest.raises(NotEnoughData, match=r"at least 10 playlists .* there are 9;"):
        playlist_popularity.fit(playlists.head(9))


def test_no_playlists_are_refused_not_crashed_on(playlists):
    with pytest.raises(NotEnoughData, match="there are 0;"):
        playlist_popularity.fit(playlists.head(0))


def test_a_constant_target_is_predicted_and_has_no_important_feature(playlists):
    constant = playlists.assign(num_followers=1.0)
    assert (fitted_predictions(constant)["predicted_followers"] == 1).all()
    assert (playlist_popularity.importances(playlist_popularity.fit(constant)) == 0).all()
