-- Playlists whose title begins so, whatever its case, punctuation and emoji: the prefix is normalised as titles are, by
-- macros/normalised_title.sql, and compared as a range, so that no character in it means anything else. The title
-- itself comes before longer ones, and the most followed first.
with wanted as (

    select
        coalesce(
            nullif(
                trim(
                    regexp_replace(
                        lower((:prefix)::text collate "C"),
                        '[\s!-/:-@\[-`{-~\u00A0\u2000-\u206F\u20E3\u2190-\u21FF\u2300-\u23FF\u2600-\u27BF\u2B00-\u2BFF'
                        '\u3000\uFE00-\uFE0F\U0001F000-\U0001FAFF]+', ' ', 'g'
                    )
                ),
                ''
            ),
            :prefix
        ) as prefix

)

select
    playlists.pid,
    playlists.name,
    playlists.num_followers,
    playlists.predicted_followers,
    playlists.num_tracks,
    playlists.genre
from wanted
cross join
    lateral (
        select titled.*
        from marts.playlists as titled
        where titled.normalised_title >= wanted.prefix and titled.normalised_title < wanted.prefix || chr(1114111)
        order by titled.normalised_title asc, titled.num_followers desc, titled.pid asc
        limit :limit
    ) as playlists
order by playlists.normalised_title asc, playlists.num_followers desc, playlists.pid asc
