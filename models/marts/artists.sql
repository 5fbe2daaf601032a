{{ config(
    meta={'primary_key': ['artist_id']},
    indexes=[
        {'columns': ['artist_uri'], 'unique': true},
        {'columns': ['playlist_appearances']},
        {'columns': ['reach']},
    ],
) }}

with artists as (

    select * from {{ ref('int_artists_measured') }}

),

clusters as (

    select * from {{ ref('stg_ml__serving_clusters') }}

),

totals as (

    select
        count(*) as playlists,
        sum(num_tracks) as track_rows
    from {{ ref('int_playlists_measured') }}

),

cluster_profiles as (

    select * from {{ ref('int_artist_clusters_profiled') }}

)

select
    artists.artist_id,
    artists.artist_uri,
    artists.artist_name,
    artists.playlist_appearances,
    100.0::double precision * artists.playlist_appearances / totals.playlists as share_of_playlists_pct,
    artists.track_appearances,
    100.0::double precision * artists.track_appearances / totals.track_rows as share_of_tracks_pct,
    artists.track_count,
    artists.reach,
    artists.avg_followers,
    artists.median_followers,
    artists.first_modified_month,
    artists.last_modified_month,
    clusters.cluster_id,
    cluster_profiles.cluster_name,
    clusters.similarity_score,
    clusters.assigned_at as last_processed
from artists
cross join totals
left join clusters on artists.artist_uri = clusters.artist_uri
left join cluster_profiles on clusters.cluster_id = cluster_profiles.cluster_id
