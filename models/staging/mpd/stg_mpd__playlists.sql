select
    pid,
    slice_id,
    ordinal,
    doc ->> 'name' as playlist_name,
    doc ->> 'description' as description,
    -- The string "true" in real slices, a boolean in the official README: both cast alike.
    (doc ->> 'collaborative')::boolean as is_collaborative,
    (doc ->> 'num_followers')::integer as num_followers,
    (doc ->> 'num_edits')::integer as num_edits,
    (doc ->> 'num_tracks')::integer as declared_num_tracks,
    (doc ->> 'num_albums')::integer as declared_num_albums,
    (doc ->> 'num_artists')::integer as declared_num_artists,
    (doc ->> 'duration_ms')::bigint as declared_duration_ms,
    to_timestamp((doc ->> 'modified_at')::bigint) as modified_at,
    landed_at
from {{ source('mpd', 'playlists') }}
where superseded_at is null
