select
    artist_uri,
    playlist_appearances,
    avg_followers,
    track_count,
    avg_followers / playlist_appearances as followers_per_playlist,
    track_count::double precision / playlist_appearances as tracks_per_playlist,
    {{ record_id(['playlist_appearances', 'reach', 'track_count']) }} as features_digest
from {{ ref('int_artists_measured') }}
