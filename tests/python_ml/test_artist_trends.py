import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from python_ml import artist_trends
from python_ml.errors import NotEnoughData

ORDER = ["playlist_appearances", "avg_followers", "track_count", "followers_per_playlist", "tracks_per_playlist"]


def assigned(artists: pd.DataFrame) -> pd.DataFrame:
    return artist_trends.assign(artist_trends.fit(artists), artists.index)


def test_five_planted_groups_are_recovered_exactly(artists):
    assert adjusted_rand_score(artists["planted"], assigned(artists)["cluster_id"]) == 1


def test_anyone_with_scikit_learn_gets_the_same_clusters(artists):
    scaled = StandardScaler().fit_transform(artists[ORDER])
    with threadpool_limits(limits=1):
        kmeans = KMeans(n_clusters=5, n_init=10, random_state=42).fit(scaled)
    assert assigned(artists)["cluster_id"].to_list() == kmeans.labels_.tolist()
    assert (artist_trends.fit(artists).kmeans.cluster_centers_ == kmeans.cluster_centers_).all()


def test_similarity_is_the_share_of_other_members_strictly_farther_from_the_centre(artists):
    model = artist_trends.fit(artists)
    clusters = artist_trends.assign(model, artists.index)
    for position, (cluster, score) in enumerate(clusters.itertuples(index=False)):
        centre = model.kmeans.cluster_centers_[cluster]
        others = [
            np.linalg.norm(model.scaled[other] - centre)
            for other in range(len(artists))
            if other != position and clusters["cluster_id"].iloc[other] == cluster
        ]
        own = np.linalg.norm(model.scaled[position] - centre)
        assert score == pytest.approx(np.mean([distance > own for distance in others]))


def test_equal_artists_are_equally_similar(artists):
    twice = pd.concat([artists, artists.set_axis(artists.index + "x")])
    scores = assigned(twice)["similarity_score"].to_numpy()
    assert (scores[: len(artists)] == scores[len(artists) :]).all()
    assert scores.min() == 0
    assert scores.max() < 1


def test_a_cluster_of_one_is_wholly_similar_to_itself(artists):
    five = artists.drop_duplicates("planted")
    clusters = assigned(five)
    assert sorted(clusters["cluster_id"]) == [0, 1, 2, 3, 4]
    assert (clusters["similarity_score"] == 1).all()


def test_fewer_different_artists_than_clusters_are_refused_with_the_numbers(artists):
    four = artists.drop_duplicates("planted").head(4)
    again = pd.concat([four, four.set_axis(four.index + "x")])
    with pytest.raises(NotEnoughData, match=r"at least 5 artists .* there are 4 among 8 artists;"):
        artist_trends.fit(again)
    with pytest.raises(NotEnoughData, match="there are 0 among 0 artists;"):
        artist_trends.fit(four.head(0))


def test_a_feature_without_variance_does_no_harm(artists):
    flat = artists.assign(followers_per_playlist=1.0)
    assert adjusted_rand_score(artists["planted"], assigned(flat)["cluster_id"]) == 1
