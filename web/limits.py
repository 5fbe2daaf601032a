"""How often what is dear, or could be guessed at, may be asked for."""

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

STARTING = "30 per minute"
"""Runs and playlists that are sent, by address."""
SIGNING_IN = "10 per minute"
"""Keys tried, by address."""

limiter = Limiter(get_remote_address, storage_uri="memory://", headers_enabled=True)
