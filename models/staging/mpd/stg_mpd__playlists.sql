select
    pid,
    slice_id,
    ordinal,
    name as playlist_name,
    description,
    collaborative as is_collaborative,
    num_followers,
    num_edits,
    num_tracks as declared_num_tracks,
    num_albums as declared_num_albums,
    num_artists as declared_num_artists,
    duration_ms as declared_duration_ms,
    to_timestamp(modified_at) as modified_at,
    landed_at
from {{ source('mpd', 'playlists') }}
where superseded_at is null
