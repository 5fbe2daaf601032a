select
    -- One number for what (slice_id, pid) says: a pid takes less than 20 bits.
    slice_id::bigint << 20 | pid as version_id,
    pid,
    slice_id,
    ordinal,
    name as playlist_name,
    description,
    collaborative as is_collaborative,
    -- The object itself is kept only where it holds more than the columns.
    document is null or jsonb_typeof(document -> 'collaborative') = 'string' as is_collaborative_a_string,
    document is not null and (
        document - array[
            'pid', 'name', 'description', 'collaborative', 'modified_at', 'num_tracks', 'num_albums', 'num_artists',
            'num_followers', 'num_edits', 'duration_ms', 'tracks'
        ] != '{}'
        or exists (
            select 1 as found
            from jsonb_array_elements(playlists.document -> 'tracks') as track
            where
                track - array[
                    'pos', 'track_uri', 'track_name', 'album_uri', 'album_name', 'artist_uri', 'artist_name',
                    'duration_ms'
                ] != '{}'
        )
    ) as has_unknown_fields,
    num_followers,
    num_edits,
    num_tracks as declared_num_tracks,
    num_albums as declared_num_albums,
    num_artists as declared_num_artists,
    duration_ms as declared_duration_ms,
    to_timestamp(modified_at) as modified_at,
    landed_at,
    superseded_at,
    track_ids,
    track_names,
    album_ids,
    album_names,
    artist_ids,
    artist_names,
    track_durations_ms
from {{ source('mpd', 'playlists') }} as playlists
