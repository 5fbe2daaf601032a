select
    playlists,
    playlists_rejected
from insights.overview
