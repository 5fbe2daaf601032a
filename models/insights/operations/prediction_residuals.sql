with serving as (

    select run_id from {{ ref('stg_ml__model_runs') }}
    where is_serving and model_name = 'playlist_popularity'

),

unseen as (

    select pid from {{ ref('stg_ml__serving_predictions') }}
    where is_held_out

),

playlists as (

    select
        playlists.pid,
        playlists.follower_band,
        playlists.num_followers,
        playlists.predicted_followers,
        playlists.predicted_followers / playlists.num_followers as predicted_ratio,
        playlists.num_followers between playlists.predicted_low and playlists.predicted_high as is_in_interval
    from {{ ref('playlists') }} as playlists
    inner join unseen on playlists.pid = unseen.pid

),

measured as (

    select
        follower_band,
        count(*) as num_playlists,
        percentile_cont(array[0.25, 0.5, 0.75]) within group (order by predicted_ratio) as quartiles,
        percentile_cont(0.5) within group (order by predicted_followers) as median_predicted_followers,
        count(*) filter (where predicted_ratio < 0.5) as too_low,
        count(*) filter (where predicted_ratio > 2) as too_high,
        count(*) filter (where is_in_interval) as in_interval
    from playlists
    group by follower_band

),

shares as (

    select
        measured.*,
        100.0::double precision
        * measured.num_playlists
        / sum(measured.num_playlists) over () as share_of_playlists_pct,
        100.0::double precision * measured.too_low / measured.num_playlists as too_low_pct,
        100.0::double precision
        * (measured.num_playlists - measured.too_low - measured.too_high)
        / measured.num_playlists as within_factor_two_pct,
        100.0::double precision * measured.too_high / measured.num_playlists as too_high_pct,
        100.0::double precision * measured.in_interval / measured.num_playlists as in_interval_pct
    from measured

)

select
    bands.follower_band,
    bands.min_followers,
    bands.max_followers,
    shares.num_playlists,
    shares.share_of_playlists_pct,
    shares.median_predicted_followers,
    shares.quartiles[1] as lower_quartile_ratio,
    shares.quartiles[2] as median_ratio,
    shares.quartiles[3] as upper_quartile_ratio,
    shares.too_low_pct,
    shares.within_factor_two_pct,
    shares.too_high_pct,
    shares.in_interval_pct,
    case
        when shares.too_low_pct > 50 then 'too low'
        when shares.too_high_pct > 50 then 'too high'
        when shares.within_factor_two_pct > 50 then 'within a factor of two'
        else 'mixed'
    end as usual_error,
    serving.run_id
from shares
inner join {{ ref('follower_bands') }} as bands on shares.follower_band = bands.follower_band
cross join serving
