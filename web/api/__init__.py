"""The API: a blueprint a resource."""

from web.api.operations import blueprint as operations
from web.api.runs import blueprint as runs

DESCRIPTION = """Analyses, playlists, artists and models of a Mixhouse warehouse.

Errors are problem documents (RFC 9457). What changes something needs an API key, as `Authorization: Bearer KEY`; where
the server can be reached from other machines, everything does, unless it was started otherwise.
`mixhouse apikey create NAME` makes one."""

BLUEPRINTS = (operations, runs)
