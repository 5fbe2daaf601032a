"""What Dash shows, by the name of this module, where an address below `/app/` is that of no page."""

import dash
import dash_mantine_components as dmc

from web.pages import shell

PATH = "/not-found"
NAME = None
TITLE = "There is no such page"


def layout(**_: object) -> shell.Component:
    """Return the page."""
    return shell.empty(
        TITLE,
        "The address may be mistyped, or of another version. Choose a page in the navigation, or begin anew:",
        dmc.Anchor("Overview", href="/app/", underline="always"),
    )


def register(app: dash.Dash) -> None:
    """Nothing happens in this page."""
