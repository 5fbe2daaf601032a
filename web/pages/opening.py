"""What a browser shows of a page until its scripts have run: the frame and the heading, in the document itself."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import ModuleType

import flask
from werkzeug.exceptions import NotFound as NoSuchPage
from werkzeug.routing import Map, Rule

from web.problems import NotFound, Problem


def about(page: ModuleType, **parts: str) -> str:
    """Return what a page says that it is about: a thing, where it is the page of one that there is.

    Args:
        page: Its module.
        parts: Of its address.
    """
    return _about(page, parts)[0]


def _about(page: ModuleType, parts: Mapping[str, str]) -> tuple[str, HTTPStatus]:
    named = getattr(page, "named", None)
    try:
        return (named(**parts) if named is not None and parts else page.TITLE), HTTPStatus.OK
    except NotFound:
        return page.TITLE, HTTPStatus.NOT_FOUND
    except Problem:
        # The page says what is wrong, and may come back by itself.
        return page.TITLE, HTTPStatus.OK


class Openings:
    """Makes the opening of each page."""

    def __init__(self, pages: Sequence[ModuleType], otherwise: ModuleType) -> None:
        """Prepare them.

        Args:
            pages: All pages.
            otherwise: The one that is shown where an address is that of none.
        """
        self._navigation = [page for page in pages if page.NAME]
        self._otherwise = otherwise
        patterns = [
            (pattern, page)
            for page in pages
            for pattern in (page.PATH, getattr(page, "PATH_TEMPLATE", None))
            if pattern is not None
        ]
        rules = [Rule(pattern, endpoint=page, strict_slashes=False) for pattern, page in patterns]
        self._addresses = Map(rules, merge_slashes=False).bind("localhost")

    def opening(self, path: str) -> str:
        """Return the HTML of the opening of the page at a path below `/app`.

        The answer to the request under way gets the status of an address that is none, if it is.
        """
        page: ModuleType
        try:
            page, parts = self._addresses.match(path)
            heading, status = _about(page, parts)
        except NoSuchPage:
            page, heading, status = self._otherwise, self._otherwise.TITLE, HTTPStatus.NOT_FOUND

        @flask.after_this_request
        def answer(response: flask.Response) -> flask.Response:
            response.status_code = status
            return response

        return flask.render_template("opening.html", heading=heading, navigation=self._navigation, here=page.PATH)
