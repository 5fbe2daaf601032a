"""The API: a blueprint a resource."""

from web.api.analyses import analyses
from web.api.artists import artists
from web.api.genres import genres
from web.api.models import models
from web.api.operations import operations
from web.api.playlists import playlists
from web.api.reports import reports
from web.api.runs import runs
from web.api.warehouse import whole

DESCRIPTION = """Analyses, playlists, artists and models of a Mixhouse warehouse.

Errors are problem documents (RFC 9457). What changes something needs an API key, as `Authorization: Bearer KEY`; where
the server can be reached from other machines, everything does, unless it was started otherwise.
`mixhouse apikey create NAME` makes one."""

BLUEPRINTS = (analyses, playlists, artists, genres, models, reports, runs, whole, operations)
