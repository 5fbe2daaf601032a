"""Runs: start one, watch it, see what came of those before."""

import dash
import dash_mantine_components as dmc

from web.database import warehouse
from web.pages import shell

PATH = "/runs"
NAME = "Runs"
TITLE = "Runs"


def layout(**_: object) -> shell.Component:
    """Return the page."""
    return dmc.Stack([shell.heading("Runs"), dmc.Text(str(len(warehouse().rows("runs"))))])


def register(app: dash.Dash) -> None:
    """Nothing happens in this page yet."""
