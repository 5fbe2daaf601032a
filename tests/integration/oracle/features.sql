-- The features from the marts of marts.sql.

create table playlist_features as
select
    pid,
    num_tracks,
    num_albums,
    duration_ms,
    collaborative,
    declared_num_artists as num_artists,
    num_artists as unique_artists,
    num_tracks / num_artists as tracks_per_artist,
    num_tracks / num_albums as avg_tracks_per_album,
    duration_ms / num_tracks as avg_track_duration,
    has_description,
    num_edits,
    date_diff('day', date '1970-01-01', modified_at::date) as modified_day,
    len(regexp_extract_all(normalised_title, '[^ ]+')) as title_words,
    length(normalised_title) as title_length,
    genre_number,
    (num_tracks - num_distinct_tracks) / num_tracks as repeated_share,
    num_followers
from playlists;

create table artist_features as
select
    artist_uri,
    playlist_appearances,
    avg_followers,
    track_count,
    avg_followers / playlist_appearances as followers_per_playlist,
    track_count / playlist_appearances as tracks_per_playlist
from artists;
