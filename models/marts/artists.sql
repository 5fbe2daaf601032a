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

    select * from {{ ref('int_artist_clusters_serving') }}

),

cluster_profiles as (

    select * from {{ ref('int_artist_clusters_profiled') }}

)

select
    artists.artist_id,
    artists.artist_uri,
    artists.artist_name,
    artists.playlist_appearances,
    artists.track_appearances,
    artists.track_count,
    artists.reach,
    artists.avg_followers,
    artists.median_followers,
    clusters.cluster_id,
    cluster_profiles.cluster_name,
    clusters.similarity_score,
    clusters.assigned_at as last_processed
from artists
left join clusters on artists.artist_uri = clusters.artist_uri
left join cluster_profiles on clusters.cluster_id = cluster_profiles.cluster_id
