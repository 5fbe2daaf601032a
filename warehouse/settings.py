"""Where things lie, whatever the working directory."""

import os
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
"""The checkout: the folder of `dbt_project.yml`."""


def home() -> Path:
    """Return the folder where Mixhouse keeps what it must remember, the embedded database among it.

    Returns:
        `$MIXHOUSE_HOME` if set, else `.mixhouse` in the checkout; absolute, and not necessarily there yet.
    """
    chosen = os.environ.get("MIXHOUSE_HOME")
    return Path(chosen).expanduser().absolute() if chosen else PROJECT_ROOT / ".mixhouse"


def reports_folder() -> Path:
    """Return the folder of the reports that people open.

    Returns:
        `reports` in `$MIXHOUSE_HOME` if that is set, else in the checkout; not necessarily there yet.
    """
    return (home() if os.environ.get("MIXHOUSE_HOME") else PROJECT_ROOT) / "reports"
