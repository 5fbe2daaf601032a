-- Playlists whose title begins so, whatever its case, punctuation and emoji: the title itself before longer ones, and
-- of the same title the most followed first. The prefix is compared as a range: no character in it means anything.
with wanted as (

    select normalised_title as prefix from insights.title_features(:q)

)

select playlists.*
from wanted
cross join
    lateral (
        select titled.*
        from marts.playlists as titled
        where titled.normalised_title >= wanted.prefix and titled.normalised_title < wanted.prefix || chr(1114111)
        order by titled.normalised_title asc, titled.num_followers desc, titled.pid asc
        limit :limit offset :offset
    ) as playlists
order by playlists.normalised_title asc, playlists.num_followers desc, playlists.pid asc
