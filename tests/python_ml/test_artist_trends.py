import dataclasses

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from python_ml import artist_trends
from python_ml.artist_trends import LOG_SCALED, SPECIFIED, assign, choose_clusters, serving, stable_ids, train
from python_ml.cluster_evaluation import ClusterQuality
from python_ml.errors import NotEnoughData

ORDER = ["playlist_appearances", "avg_followers", "track_count", "followers_per_playlist", "tracks_per_playlist"]


def assigned(artists: pd.DataFrame) -> pd.DataFrame:
    return train(artists, None).clusters


def shuffled_ids(clusters: pd.DataFrame) -> pd.Series:
    """What a run before might have called the same clusters."""
    return clusters["cluster_id"].map({0: 3, 1: 0, 2: 4, 3: 1, 4: 2, 5: 6, 6: 5})


def test_five_planted_groups_are_recovered_exactly(artists):
    trends = train(artists, None)
    assert trends.champion == SPECIFIED
    assert adjusted_rand_score(artists["planted"], trends.clusters["cluster_id"]) == 1


def test_anyone_with_scikit_learn_gets_the_same_clusters(artists, heavy_tailed):
    for frame in (artists, heavy_tailed):
        scaled = StandardScaler().fit_transform(frame[ORDER])
        with threadpool_limits(limits=1):
            kmeans = KMeans(n_clusters=5, n_init=10, random_state=42).fit(scaled)
        fitted = artist_trends.fit(frame)
        assert fitted.kmeans.labels_.tolist() == kmeans.labels_.tolist()
        assert (fitted.kmeans.cluster_centers_ == kmeans.cluster_centers_).all()
    assert assigned(artists)["cluster_id"].to_list() == artist_trends.fit(artists).kmeans.labels_.tolist()


def test_heavy_tails_are_clustered_on_a_log_scale_as_scikit_learn_does(heavy_tailed):
    trends = train(heavy_tailed, None)
    assert trends.champion == LOG_SCALED
    shares = {metric.candidate: metric.value for metric in trends.metrics if metric.metric == "largest_share"}
    assert shares[SPECIFIED] > 0.7
    assert shares[LOG_SCALED] < 0.5
    scaled = StandardScaler().fit_transform(np.log1p(heavy_tailed[ORDER]))
    count = trends.clusters["cluster_id"].nunique()
    with threadpool_limits(limits=1):
        kmeans = KMeans(n_clusters=count, n_init=10, random_state=42).fit(scaled)
    assert trends.clusters["cluster_id"].to_list() == kmeans.labels_.tolist()


def test_both_candidates_are_measured_on_both_scales_and_the_specified_one_as_ever(heavy_tailed):
    metrics = {metric[:4]: metric.value for metric in train(heavy_tailed, None).metrics}
    shapes = [(name, scale) for name in ("silhouette", "davies_bouldin") for scale in ("raw", "log1p")]
    spreads = [("n_clusters", None), ("largest_share", None), ("stability", None)]
    assert set(metrics) == {
        *((None, name, None, None) for name in ("inertia", "stability", "silhouette")),
        *((candidate, *measure, None) for candidate in (SPECIFIED, LOG_SCALED) for measure in shapes + spreads),
    }
    assert metrics[None, "silhouette", None, None] == metrics[SPECIFIED, "silhouette", "raw", None]
    assert metrics[None, "stability", None, None] == metrics[SPECIFIED, "stability", None, None]
    # Each looks better where it was found.
    for scale, at_home, visitor in (("raw", SPECIFIED, LOG_SCALED), ("log1p", LOG_SCALED, SPECIFIED)):
        assert metrics[at_home, "silhouette", scale, None] > metrics[visitor, "silhouette", scale, None]


def test_the_same_features_give_the_same_numbers_whatever_the_number_of_threads(heavy_tailed):
    trends = train(heavy_tailed, None)
    with threadpool_limits(limits=2):
        again = train(heavy_tailed, None)
    assert again.metrics == trends.metrics
    pd.testing.assert_frame_equal(again.clusters, trends.clusters, check_exact=True)


SPECIFIED_QUALITY = ClusterQuality(5, 0.87, 0.98, {"raw": 0.9, "log1p": 0.2}, {})
LOG_QUALITY = ClusterQuality(6, 0.3, 0.85, {"raw": 0.1, "log1p": 0.4}, {})


def test_the_log_scale_serves_when_the_specified_clusters_are_one_heap():
    assert serving(SPECIFIED_QUALITY, LOG_QUALITY) == LOG_SCALED


@pytest.mark.parametrize(
    ("specified", "log_scaled"),
    [
        pytest.param({"largest_share": 0.5}, {}, id="the specified clusters split the artists"),
        pytest.param({}, {"largest_share": 0.87}, id="on the log scale there is as large a heap"),
        pytest.param({}, {"stability": 0.79}, id="the clusters are not found again"),
        pytest.param({}, {"silhouette": {"raw": 0.1, "log1p": 0.2}}, id="no better separated, not even at home"),
        pytest.param({}, {"silhouette": {}}, id="separation is undefined"),
    ],
)
def test_the_specified_clusters_serve_unless_others_are_better_in_every_way_that_counts(specified, log_scaled):
    one = dataclasses.replace(SPECIFIED_QUALITY, **specified)
    assert serving(one, dataclasses.replace(LOG_QUALITY, **log_scaled)) == SPECIFIED


def test_who_is_no_less_stable_than_the_specified_clusters_is_stable_enough():
    unstable = dataclasses.replace(SPECIFIED_QUALITY, stability=0.6)
    assert serving(unstable, dataclasses.replace(LOG_QUALITY, stability=0.6)) == LOG_SCALED
    assert serving(unstable, dataclasses.replace(LOG_QUALITY, stability=0.59)) == SPECIFIED


def tried(*measures: tuple[int, float, float, float]) -> dict[int, ClusterQuality]:
    """Quality by number of clusters, from silhouette, stability and largest share."""
    return {
        number: ClusterQuality(number, share, stability, {"log1p": silhouette}, {})
        for number, silhouette, stability, share in measures
    }


def test_the_best_separated_of_the_stable_numbers_of_clusters_is_chosen():
    measured = tried((3, 0.30, 0.9, 0.4), (4, 0.38, 0.8, 0.4), (5, 0.32, 0.95, 0.4), (6, 0.50, 0.79, 0.4))
    assert choose_clusters(measured, 5) == 4
    assert choose_clusters(tried((3, 0.30, 0.5, 0.4), (4, 0.25, 0.7, 0.4), (5, 0.35, 0.6, 0.4)), 5) == 4
    assert choose_clusters(tried((3, 0.40, 0.9, 0.4), (4, 0.40, 0.9, 0.4)), 5) == 3


def test_a_number_of_clusters_that_leaves_no_heap_is_preferred():
    heap = (3, 0.45, 0.9, 0.51)
    assert choose_clusters(tried(heap, (4, 0.38, 0.9, 0.5), (5, 0.32, 0.9, 0.3)), 5) == 4
    assert choose_clusters(tried(heap, (4, 0.38, 0.79, 0.4), (5, 0.32, 0.9, 0.6)), 5) == 3


def test_the_number_of_clusters_stays_unless_another_one_is_clearly_better():
    best, others = (4, 0.40, 0.9, 0.4), (6, 0.39, 0.9, 0.4)
    assert choose_clusters(tried(best, (5, 0.355, 0.9, 0.4), others), 5) == 5
    assert choose_clusters(tried(best, (5, 0.345, 0.9, 0.4), others), 5) == 4
    assert choose_clusters(tried(best, (5, 0.355, 0.79, 0.4), others), 5) == 4
    assert choose_clusters(tried(best, others), 5) == 4


def planted_groups(groups: int) -> pd.DataFrame:
    draw = np.random.default_rng(3)
    levels = np.array([[1, 1, 1], [1_000, 2, 50], [2, 500, 2], [50, 3, 2_000]])[:groups]
    values = levels[np.repeat(np.arange(groups), 100)] * draw.uniform(0.8, 1.25, (groups * 100, 3))
    frame = pd.DataFrame(values, columns=ORDER[:3])
    frame[ORDER[3]] = frame["avg_followers"] / frame["playlist_appearances"]
    frame[ORDER[4]] = frame["track_count"] / frame["playlist_appearances"]
    return frame


@pytest.mark.parametrize("groups", [3, 4])
def test_as_many_clusters_are_found_as_there_are_groups(groups):
    frame = planted_groups(groups)
    counts = {metric.candidate: metric.value for metric in train(frame, None).metrics if metric.metric == "n_clusters"}
    assert counts == {SPECIFIED: 5, LOG_SCALED: groups}
    labels = artist_trends.fit_log_scaled(frame, groups).kmeans.labels_
    assert adjusted_rand_score(np.repeat(np.arange(groups), 100), labels) == 1


def test_training_again_on_the_same_features_changes_nothing(artists, heavy_tailed):
    for frame in (artists, heavy_tailed):
        trends = train(frame, None)
        again = train(frame, trends.clusters["cluster_id"])
        pd.testing.assert_frame_equal(again.clusters, trends.clusters, check_exact=True)
        assert again.metrics == trends.metrics


def test_clusters_keep_the_ids_that_they_had(artists, heavy_tailed):
    for frame in (artists, heavy_tailed):
        clusters = assigned(frame)
        before = shuffled_ids(clusters)
        assert (before != clusters["cluster_id"]).any()
        again = train(frame, before).clusters
        pd.testing.assert_series_equal(again["cluster_id"], before)
        pd.testing.assert_series_equal(again["similarity_score"], clusters["similarity_score"], check_exact=True)


def test_clusters_keep_their_ids_with_another_seed(artists, monkeypatch):
    before = shuffled_ids(assigned(artists))
    monkeypatch.setattr(artist_trends, "SEED", 7)
    assert artist_trends.fit(artists).kmeans.labels_.tolist() != before.to_list()
    pd.testing.assert_series_equal(train(artists, before).clusters["cluster_id"], before)


def test_clusters_keep_their_ids_when_some_artists_change_come_and_go(heavy_tailed):
    before = shuffled_ids(assigned(heavy_tailed))
    changed = heavy_tailed.iloc[100:].copy()
    changed.iloc[::10, 0] += 1
    new = heavy_tailed.iloc[:50].set_axis([f"spotify:artist:new{number:019d}" for number in range(50)])
    now = train(pd.concat([changed, new]), before).clusters["cluster_id"]
    common = now.index.intersection(before.index)
    assert len(common) == 1_900
    assert (now[common] == before[common]).mean() > 0.95


def test_clusters_keep_their_ids_when_there_are_more_or_fewer_than_before(artists):
    clusters = assigned(artists)["cluster_id"]
    split = clusters.where(artists.reset_index().index % 30 != 0, 9)
    pd.testing.assert_series_equal(train(artists, split).clusters["cluster_id"], clusters)
    merged = clusters.replace({4: 3})
    grown = train(artists, merged).clusters["cluster_id"]
    # Both halves are of one size: either may keep the number 3, and the other one gets the number that is free.
    assert (grown == clusters).all() or (grown == clusters.replace({3: 4, 4: 3})).all()


def series(ids: list[int], first: int = 0) -> pd.Series:
    return pd.Series(ids, index=[f"artist {number}" for number in range(first, first + len(ids))])


def test_without_a_run_before_clusters_keep_the_numbers_of_k_means():
    assert stable_ids(series([2, 0, 1, 1]), None) == {0: 0, 1: 1, 2: 2}


def test_without_a_common_artist_clusters_keep_the_numbers_of_k_means():
    assert stable_ids(series([1, 0, 1]), series([0, 1, 2], first=10)) == {0: 0, 1: 1}


def test_as_many_artists_as_possible_keep_their_number():
    # Most of 0 were in 5. If it took over that number, 4 artists would keep theirs; this way 3 + 3 do.
    assert stable_ids(series([0] * 7 + [1] * 3), series([5, 5, 5, 5, 6, 6, 6, 5, 5, 5])) == {0: 6, 1: 5}


def test_a_cluster_that_is_split_off_gets_the_smallest_free_number():
    before = series([3, 3, 3, 3, 3, 0, 0, 2])
    assert stable_ids(series([0, 0, 0, 1, 1, 2, 2, 3]), before) == {0: 3, 1: 1, 2: 0, 3: 2}


def test_when_clusters_merge_the_larger_one_keeps_its_number():
    assert stable_ids(series([0, 0, 0, 1, 1]), series([4, 4, 2, 1, 1])) == {0: 4, 1: 1}


def test_similarity_is_the_share_of_other_members_strictly_farther_from_the_centre(artists):
    fitted = artist_trends.fit(artists)
    clusters = assigned(artists)
    for position, (cluster, score) in enumerate(clusters.itertuples(index=False)):
        centre = fitted.kmeans.cluster_centers_[cluster]
        others = [
            np.linalg.norm(fitted.scaled[other] - centre)
            for other in range(len(artists))
            if other != position and clusters["cluster_id"].iloc[other] == cluster
        ]
        own = np.linalg.norm(fitted.scaled[position] - centre)
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


@pytest.mark.parametrize("made", ["artists", "heavy_tailed"])
def test_one_artist_is_told_what_it_is_told_among_all(made, request):
    frame = request.getfixturevalue(made)
    trends = train(frame, None)
    for position in range(0, len(frame), 37):
        alone = assign(trends.model, frame.iloc[[position]])
        pd.testing.assert_frame_equal(alone, trends.clusters.iloc[[position]], check_exact=True)
    backwards = assign(trends.model, frame.iloc[::-1])
    pd.testing.assert_frame_equal(backwards.iloc[::-1], trends.clusters, check_exact=True)
    assert len(assign(trends.model, frame.iloc[:0])) == 0


def test_an_artist_not_seen_is_compared_with_all_members_of_its_cluster(artists):
    trends = train(artists, None)
    centres, mean, deviation = (trends.model[name] for name in ("centres", "mean", "deviation"))
    typical = pd.DataFrame(centres * deviation + mean, columns=ORDER, index=[f"new {number}" for number in range(5)])
    found = assign(trends.model, typical)
    assert found["cluster_id"].to_list() == trends.model["cluster_ids"]
    assert (found["similarity_score"] == 1).all()

    group = artists[artists["planted"] == 1]
    stretched = group.iloc[[0]].assign(playlist_appearances=group["playlist_appearances"].max() * 1.2)
    outermost = assign(trends.model, stretched.set_axis(["new"]))
    assert outermost["cluster_id"].item() == trends.clusters.loc[group.index[0], "cluster_id"]
    assert outermost["similarity_score"].item() == 0

    # Halfway between the distances of two members: nearer than all members but the 10 nearest.
    number = trends.model["cluster_ids"].index(outermost["cluster_id"].item())
    members = trends.model["member_distances"][number]
    offset = np.zeros(5)
    offset[0] = np.sqrt((members[9] + members[10]) / 2)
    between = pd.DataFrame([(centres[number] + offset) * deviation + mean], columns=ORDER)
    score = assign(trends.model, between)["similarity_score"].item()
    assert score == (len(members) - 10) / len(members)


def test_an_artist_like_a_member_is_as_similar_as_that_member(artists):
    trends = train(artists, None)
    twin = assign(trends.model, artists.iloc[[8]].set_axis(["not seen"]))
    assert twin.iloc[0].to_list() == trends.clusters.iloc[8].to_list()


@pytest.mark.parametrize("made", ["artists", "heavy_tailed"])
def test_a_model_that_was_stored_assigns_as_before(made, request):
    frame = request.getfixturevalue(made)
    trends = train(frame, None)
    stored = skops.io.dumps(trends.model)
    assert skops.io.get_untrusted_types(data=stored) == []
    pd.testing.assert_frame_equal(assign(skops.io.loads(stored), frame), trends.clusters, check_exact=True)


def test_artists_that_differ_by_less_than_the_scale_can_hold_are_still_assigned(artists):
    four = artists.drop_duplicates("planted").head(4)
    least = four["tracks_per_playlist"].idxmin()
    nearly = four.loc[[least]].assign(tracks_per_playlist=np.nextafter(four.loc[least, "tracks_per_playlist"], 1))
    with pytest.warns(match="distinct clusters"):
        clusters = assigned(pd.concat([four, nearly.set_axis(["nearly"])]))
    assert sorted(clusters["cluster_id"]) == [0, 0, 1, 2, 3]


def test_fewer_different_artists_than_clusters_are_refused_with_the_numbers(artists):
    four = artists.drop_duplicates("planted").head(4)
    again = pd.concat([four, four.set_axis(four.index + "x")])
    with pytest.raises(NotEnoughData, match=r"at least 5 artists .* there are 4 among 8 artists;"):
        train(again, None)
    with pytest.raises(NotEnoughData, match="there are 0 among 0 artists;"):
        train(four.head(0), None)


def test_a_feature_without_variance_does_no_harm(artists):
    flat = artists.assign(followers_per_playlist=1.0)
    assert adjusted_rand_score(artists["planted"], assigned(flat)["cluster_id"]) == 1


@pytest.mark.parametrize(
    ("silhouette", "words"),
    [(0.51, "clearly"), (0.5, "somewhat"), (0.26, "somewhat"), (0.25, "barely"), (-0.3, "barely")],
)
def test_a_silhouette_is_read_as_is_customary(silhouette: float, words: str) -> None:
    assert artist_trends.apartness(silhouette) == words
