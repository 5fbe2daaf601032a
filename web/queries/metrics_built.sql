select
    playlists,
    playlists_rejected,
    errors_in_data as data_errors
from insights.overview
