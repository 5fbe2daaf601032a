-- Artist URIs that occur with more than one name. A warning, not an error: none is known in the dataset, but nothing
-- in its format rules it out; the mart shows the name that occurs most.
{{ config(severity='warn') }}

select
    artist_uri,
    artist_name,
    num_names
from {{ ref('int_artists_named') }}
where num_names > 1
