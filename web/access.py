"""Who may do what: API keys for programs, a session for people who sign in with one, and what needs neither."""

import hashlib
import ipaddress
import os
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import flask
from psycopg import Connection, errors
from werkzeug.wrappers import Response

from web.database import warehouse
from web.problems import NotAllowed, NotSignedIn

Anonymous = Literal["nothing", "reading", "pages"]
"""What may be done without a key: nothing; reading; or reading, and starting runs in pages."""
PREFIX = "mixhouse_"
ASSETS = Path(__file__).with_name("assets")
ALWAYS_OPEN = frozenset(
    {"/healthz", "/readyz", "/sign-in", "/sign-out", *(f"/app/assets/{path.name}" for path in ASSETS.iterdir())}
)
"""What needs no key, by the whole path: one that only begins as these do may lead elsewhere."""
READING_POSTS = ("/analyze_playlist", "/analyze_artist", "/app/_dash-update-component")
"""What is posted and changes nothing; callbacks of pages that start something ask `require_starting`."""


class KeyRefused(Exception):
    """A key that cannot be made or revoked as asked."""


@dataclass(frozen=True)
class Access:
    """What the application allows.

    Attributes:
        anonymous: What needs no key.
        only_local_names: Answer only requests for this machine by its own names, so that a page from elsewhere cannot
            have a browser ask in its name.
    """

    anonymous: Anonymous = "pages"
    only_local_names: bool = True


def is_loopback(host: str) -> bool:
    """Say whether an address or name means this machine and nothing else can reach it."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def create_key(connection: Connection, name: str) -> str:
    """Make a key; it is returned here and never again.

    Args:
        connection: Open, as a user who may write `ops.api_keys`.
        name: For people to know it by; runs that it starts have it.

    Raises:
        KeyRefused: The name is empty, or that of a key that is good.
    """
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise KeyRefused("A name of a key has 1 to 100 printable characters.")
    key = PREFIX + secrets.token_urlsafe(32)
    try:
        connection.execute("insert into ops.api_keys (name, sha256) values (%s, %s)", [name, _digest(key)])
    except errors.UniqueViolation:
        raise KeyRefused(f"There is a key named {name}. Revoke it first, or take another name.") from None
    return key


def revoke_key(connection: Connection, name: str) -> None:
    """Let a key be good no longer, from its next use on.

    Raises:
        KeyRefused: There is no good key of this name.
    """
    done = connection.execute(
        "update ops.api_keys set revoked_at = clock_timestamp() where name = %s and revoked_at is null", [name]
    )
    if not done.rowcount:
        raise KeyRefused(f"There is no key named {name}, or it is revoked already.")


def session_secret(home: Path) -> bytes:
    """Return what sessions are signed with, made at the first call; only its owner may read the file."""
    path = home / "web" / "session-secret"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # In place as a whole, and the first of several to come wins.
        handle, draft = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(draft, path)
        os.unlink(draft)  # noqa: PTH108 - as it was made
    return path.read_bytes()


def caller() -> str | None:
    """Return the name of the key that the request came with; None without one.

    Raises:
        NotSignedIn: It came with a key that is not good.
    """
    if "caller" not in flask.g:
        flask.g.caller = _caller()
    name: str | None = flask.g.caller
    return name


def sign_in(key: str) -> bool:
    """Let the browser that sent the request be known by a key from now on; say whether the key is good."""
    digest = _digest(key.strip())
    if _key_name(digest) is None:
        return False
    # What is signed can be read by who has it: the digest is of no use to them.
    flask.session["key"] = digest.hex()
    return True


def sign_out() -> None:
    """Forget by which key the browser is known."""
    flask.session.pop("key", None)


def is_signed_in() -> bool:
    """Say whether the browser that sent the request has a session, whatever has become of its key since."""
    return "key" in flask.session


def require_starting() -> str:
    """Return in whose name a page may start a run.

    Raises:
        NotSignedIn: Nobody has signed in, and that is needed.
    """
    name = caller()
    if name is not None:
        return name
    if _access().anonymous == "pages":
        return "page"
    raise NotSignedIn("Sign in with an API key to start this.")


def may_start() -> bool:
    """Say whether `require_starting` would let the caller."""
    return caller() is not None or _access().anonymous == "pages"


def register(app: flask.Flask, access: Access) -> None:
    """Ask of every request whether it may."""
    app.extensions["access"] = access

    @app.before_request
    def check() -> Response | None:
        request = flask.request
        if access.only_local_names and not is_loopback(urlsplit(f"//{request.host}").hostname or ""):
            raise NotAllowed("This server answers requests for this machine alone. Use 127.0.0.1 or localhost.")
        _refuse_other_sites()
        if request.path in ALWAYS_OPEN:
            return None
        is_reading = request.method in {"GET", "HEAD", "OPTIONS"} or request.path in READING_POSTS
        if is_reading and access.anonymous != "nothing":
            # A key that is not good is told so even where none is needed.
            if "Authorization" in request.headers:
                caller()
            return None
        if caller() is not None:
            return None
        # Browsers name several forms that they like as much, programs often none.
        if request.method == "GET" and request.accept_mimetypes.best_match(["application/json", "text/html"]) == (
            "text/html"
        ):
            return flask.redirect(flask.url_for("sign_in", next=request.full_path.rstrip("?")))
        raise NotSignedIn(
            "This needs an API key: Authorization: Bearer KEY. Make one with: mixhouse apikey create NAME"
        )


def _refuse_other_sites() -> None:
    """Refuse what a page of another site has a browser send: it would come with the session of who uses it."""
    origin = flask.request.headers.get("Origin")
    if flask.request.method in {"GET", "HEAD", "OPTIONS"} or origin is None:
        return
    # Browsers send a scheme and a host here, and nothing else.
    if origin.partition("://")[2] != flask.request.host:
        raise NotAllowed("This came from a page of another site.")


def _caller() -> str | None:
    header = flask.request.headers.get("Authorization")
    if header is None:
        digest = flask.session.get("key")
        # The key may have been revoked since.
        return None if digest is None else _key_name(bytes.fromhex(digest))
    kind, _, key = header.partition(" ")
    name = _key_name(_digest(key.strip())) if kind.lower() == "bearer" else None
    if name is None:
        raise NotSignedIn("The key is not good: unknown, or revoked. Make one with: mixhouse apikey create NAME")
    return name


def _access() -> Access:
    found: Access = flask.current_app.extensions["access"]
    return found


def _key_name(digest: bytes) -> str | None:
    row = warehouse().row("api_key", sha256=digest)
    return None if row is None else str(row["name"])


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
