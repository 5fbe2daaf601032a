"""What there is, how fresh and how good it is, and what happened last."""

import dash
import dash_mantine_components as dmc

from web.database import warehouse
from web.pages import shell

PATH = "/"
NAME = "Overview"
TITLE = "Overview"


def layout(**_: object) -> shell.Component:
    """Return the page."""
    [found] = warehouse().cached("overview")
    return dmc.Stack([shell.heading("Overview"), dmc.Text(f"{found['playlists']:,} playlists")])


def register(app: dash.Dash) -> None:
    """Nothing happens in this page yet."""
