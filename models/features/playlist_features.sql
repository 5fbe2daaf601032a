with playlists as (

    select * from {{ ref('int_playlists_measured') }}

),

-- A category, not an order; zero for a title that names no genre.
genres as (

    select * from {{ ref('int_genres_numbered') }}

)

select
    playlists.pid,
    playlists.num_tracks,
    playlists.num_albums,
    playlists.duration_ms,
    playlists.is_collaborative as collaborative,
    playlists.declared_num_artists as num_artists,
    playlists.num_artists as unique_artists,
    playlists.num_tracks::double precision / playlists.num_artists as tracks_per_artist,
    playlists.num_tracks::double precision / playlists.num_albums as avg_tracks_per_album,
    playlists.duration_ms::double precision / playlists.num_tracks as avg_track_duration,
    coalesce(playlists.description, '') != '' as has_description,
    playlists.num_edits,
    -- Not the days until the latest one, which would change for all playlists with each new slice.
    floor(extract(epoch from playlists.modified_at) / 86400)::integer as modified_day,
    {{ title_words('playlists.normalised_title') }} as title_words,
    {{ title_length('playlists.normalised_title') }} as title_length,
    coalesce(genres.genre_number, 0) as genre_number,
    (playlists.num_tracks - playlists.num_distinct_tracks)::double precision / playlists.num_tracks as repeated_share,
    playlists.num_followers,
    {{ record_id([
        'playlists.num_tracks',
        'playlists.num_albums',
        'playlists.duration_ms',
        'playlists.is_collaborative',
        'playlists.declared_num_artists',
        'playlists.num_artists',
        'playlists.description',
        'playlists.num_edits',
        'playlists.modified_at',
        'playlists.normalised_title',
        'genres.genre_number',
        'playlists.num_distinct_tracks',
        'playlists.num_followers',
    ]) }} as features_digest
from playlists
left join genres on playlists.genre = genres.genre
