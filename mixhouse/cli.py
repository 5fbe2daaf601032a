"""`mixhouse`: from Million Playlist Dataset JSON to recommendations, step by step or in one go."""

import logging
import os
import shlex
import shutil
import signal
import sys
import traceback
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import psycopg

from loaders.load import LoadReport, WorkerDied
from loaders.load import load as load_slices
from loaders.schema import PLAYLIST_REASONS
from loaders.slices import LoadError
from mixhouse import summary
from mixhouse.console import ERR, OUT, counted, printable, progress, set_up_logging
from mixhouse.loading import load_progress, print_load, print_rejects
from warehouse import embedded, pipeline
from warehouse.database import connect, environment, uses_embedded_server
from warehouse.dbt import write_docs
from warehouse.errors import BuildError, DatabaseError
from warehouse.roles import ROLES, apply_roles, create_user, exists, grant_roles
from warehouse.settings import home, reports_folder

if TYPE_CHECKING:
    from python_ml.train_models import RunOutcome

logger = logging.getLogger(__name__)

REFUSED, USAGE, NO_DATABASE, BUILD_FAILED, TRAINING_FAILED, UNEXPECTED, INTERRUPTED = 1, 2, 3, 4, 5, 70, 130

EXIT_CODES = """
\b
Exit codes:
    0  done
    1  done, but some input was refused; the list is printed
    2  a wrong option, path or setting
    3  the database cannot be reached or used
    4  a build failed
    5  a model could not be trained
   70  an unexpected error
  130  interrupted, or answered with no
"""

NOT_BUILT = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)
"""What the database says of marts that were never built, or built by an older version."""


STRICT = click.option(
    "--strict",
    is_flag=True,
    help="Refuse a slice as a whole for a single playlist that breaks a rule; fail on one that landed with such.",
)
WORKERS = click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=lambda: min(16, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1),
    show_default="one a processor, 16 at most",
    help="How many processes load side by side; each takes up to 400 MB.",
)


class InputPath(click.Path):
    """A path to load. What is wrong with it, the load says, and loads the others; an empty one is a mistake."""

    def __init__(self) -> None:
        super().__init__(readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse what `Path` would take for the current folder, such as a variable of the shell that is not set."""
        if not os.fspath(value):
            self.fail("A path is empty; for the current folder, name .", param, ctx)
        return super().convert(value, param, ctx)


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="mixhouse")
@click.option("--debug", is_flag=True, help="Log everything, and show tracebacks.")
def cli(debug: bool) -> None:
    """Turn the Million Playlist Dataset into a PostgreSQL warehouse with predictions and recommendations.

    The database is the one that DATABASE_URL or the libpq variables (PGHOST, ...) name, else an embedded PostgreSQL
    in .mixhouse/.

    \b
    Example:
      mixhouse run ~/spotify_million_playlist_dataset.zip
      mixhouse status
    """
    set_up_logging(debug=debug)


@cli.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--playlists", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed, the same bytes.")
def synth(out: Path, playlists: int, seed: int) -> None:
    """Make playlists in the format of the dataset, for trying things out.

    Their figures follow those published of the real dataset; they prove plumbing, not insight.

    \b
    Example:
      mixhouse synth data/synthetic --playlists 10000 --seed 1
    """
    from loaders.synthetic import write_slices

    with progress("Making playlists") as advance:
        paths = write_slices(out, playlists, seed, progress=lambda done: advance(done, playlists, ""))
    size = sum(path.stat().st_size for path in paths)
    made = counted(playlists, "made playlist")
    OUT.print(f"{made} in {counted(len(paths), 'slice')}, {size / 1e6:,.0f} MB, in {out}", markup=False)


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=InputPath())
@STRICT
@WORKERS
@click.option("--verify", is_flag=True, help="Read also the files that look as they did when they landed.")
def load(paths: tuple[Path, ...], strict: bool, workers: int, verify: bool) -> None:
    """Land slices in the staging schema: files, folders, .json.gz, or the official zip as it is.

    Each slice lands once, however often it is loaded. What breaks a rule is kept aside with its reason
    (docs/rejects.md).

    \b
    Example:
      mixhouse load ~/spotify_million_playlist_dataset.zip
      mixhouse load data/mpd.slice.0-999.json data/more-slices/
    """
    report = _load(paths, command="load", strict=strict, workers=workers, verify=verify)
    sys.exit(0 if report.is_clean else REFUSED)


@cli.command()
@click.option("--force", is_flag=True, help="Build even if nothing changed since the last build.")
@click.option("--full-refresh", is_flag=True, help="Build everything as a whole, whatever was built before.")
def build(force: bool, full_refresh: bool) -> None:
    """Build the marts, train the models, and build what their results lead to.

    What has landed since the last build is added to the large models. Models are trained when much is new to them, and
    else score what is new (`mixhouse models` says which); nothing is built when nothing changed.

    \b
    Example:
      mixhouse build
    """
    _build(force=force, full_refresh=full_refresh)


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=InputPath())
@STRICT
@WORKERS
def run(paths: tuple[Path, ...], strict: bool, workers: int) -> None:
    """Load, then build: what two commands would do.

    \b
    Example:
      mixhouse run data/synthetic
    """
    _check_rules()
    report = _load(paths, command="run", strict=strict, workers=workers)
    if report.landed or report.skipped:
        _build(force=False)
    sys.exit(0 if report.is_clean else REFUSED)


@cli.command()
@click.argument("folder", type=InputPath())
@STRICT
@WORKERS
@click.option(
    "--settle", type=click.FloatRange(0), default=2, show_default=True, help="Seconds that a file must rest first."
)
@click.option("--build/--no-build", "builds", default=True, show_default=True, help="Build what landed.")
def watch(folder: Path, strict: bool, workers: int, settle: float, builds: bool) -> None:
    """Land slices as they arrive in a folder, and build what they change, until interrupted.

    Only whole files: one that is still being written is waited for. A database that goes away is waited for as well.
    A build that fails is told of and tried again when more has landed.

    \b
    Example:
      mixhouse watch incoming/
    """
    from loaders.watch import require_folder
    from loaders.watch import watch as watch_folder

    require_folder(folder)
    if builds:
        _check_rules()
    ERR.print(f"Watching {printable(str(folder))}; Ctrl-C ends it.", markup=False)

    def landed(report: LoadReport) -> None:
        print_load(report)
        if builds and report.landed:
            try:
                _build(force=False)
            except Exception as error:
                # Whatever it is, what has landed stays, and what lands next is worth another try.
                logger.exception("event=build_failed")
                _complain(f"{message(error)}; watching goes on")

    watch_folder(connect, folder, strict=strict, workers=workers, settle=settle, landed=landed)


@cli.group()
def rejects() -> None:
    """Playlists that were refused: list them, take them out to correct them, land them again.

    \b
    Example:
      mixhouse rejects list
    """


REASON = click.option(
    "--reason",
    "reasons",
    multiple=True,
    type=click.Choice(list(PLAYLIST_REASONS)),
    metavar="REASON",
    help="Only this reason (docs/rejects.md); may repeat.",
)
SOURCE = click.option("--source", help="Only slices whose path contains this.")


@rejects.command("list")
@REASON
@SOURCE
@click.option("--all", "every", is_flag=True, help="Also those that have been made up for.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
def rejects_list(reasons: tuple[str, ...], source: str | None, every: bool, limit: int) -> None:
    """List refused playlists with what is wrong with them.

    \b
    Example:
      mixhouse rejects list --reason missing_field
    """
    from loaders.rejects import Selection, find

    print_rejects(find(connect, Selection(reasons, source, every, limit)))


@rejects.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@REASON
@SOURCE
@click.option("--limit", type=click.IntRange(1), help="How many at most.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
def rejects_export(
    file: Path, reasons: tuple[str, ...], source: str | None, limit: int | None, overwrite: bool
) -> None:
    """Write refused playlists to a file, as their bytes were, to be corrected.

    Those that only share the pid of another playlist of their slice are left out, unless by --reason repeated_pid.

    \b
    Example:
      mixhouse rejects export rejects.json
    """
    from loaders.rejects import Selection, export

    written = export(connect, file, Selection(reasons, source, limit=limit), overwrite=overwrite)
    if written:
        shown = printable(str(file))
        OUT.print(
            f"{counted(written, 'playlist')} in {shown}. Correct them there, keep their number and order, then:\n"
            f"mixhouse rejects land {shown}",
            markup=False,
        )
    else:
        OUT.print("There is nothing to export.")


@rejects.command("land")
@click.argument("file", type=InputPath())
def rejects_land(file: Path) -> None:
    """Land a file of refused playlists that was corrected.

    \b
    Example:
      mixhouse rejects land rejects.json
    """
    from loaders.rejects import land

    report = land(connect, file)
    print_load(report)
    sys.exit(0 if report.is_clean else REFUSED)


@cli.command()
def train() -> None:
    """Train both models on the features as they are, and let them serve.

    The marts show the new results after the next `mixhouse build`.

    \b
    Example:
      mixhouse train && mixhouse build
    """
    from python_ml.model_manager import train_all

    _fail_on(_tell_runs(train_all(connect, trigger="demand")))


@cli.command()
def models() -> None:
    """Say of each model which training serves, what is new to it, and what the next build does about that.

    Also the rules of that, with the variables that set them (docs/operations.md).

    \b
    Example:
      mixhouse models
    """
    from python_ml.model_manager import DAYS_SETTING, NOUNS, SETTINGS, decide, read_rules, read_state
    from python_ml.train_models import MODELS

    rules = read_rules()
    with connect(autocommit=True) as connection:
        [(now,)] = connection.execute("select now()").fetchall()
        for name in MODELS:
            state = read_state(connection, name)
            decision = decide(name, state, rules, now)
            serves = f"run {state.serving} of {state.trained_at:%Y-%m-%d %H:%M}" if state.trained_at else "no training"
            OUT.print(f"{name}: {serves} serves; next: {decision.action}, since {decision.reason}", markup=False)
    OUT.print("A model is trained again when more than these are new or changed, or any are and it is that old:")
    for name, limit in rules.most_unprocessed.items():
        OUT.print(f"  {SETTINGS[name]}={limit}  {NOUNS[name]}", markup=False)
    OUT.print(f"  {DAYS_SETTING}={rules.oldest.days}  days", markup=False)


@cli.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this file and no other.",
    metavar="FILE",
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def report(output: Path | None, show: bool) -> None:
    """Write the performance report: one HTML file with charts, that opens without a network.

    It is reports/latest.html, and a copy that is named by the last runs of the models and stays when others come.
    While nothing is trained or scored, the next report replaces both.

    \b
    Example:
      mixhouse report --open
    """
    from python_ml.reports import write_report, write_reports

    with connect() as connection:
        if output:
            written, kept = write_report(connection, output), None
        else:
            written, kept = write_reports(connection, reports_folder())
    OUT.print(f"Report: {_from_here(written)}", markup=False)
    if kept:
        OUT.print(f"Kept as {_from_here(kept)}", markup=False)
    if show:
        webbrowser.open(written.absolute().as_uri())


@cli.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=lambda: reports_folder() / "dbt-docs.html",
    show_default="reports/dbt-docs.html",
    help="The file to write.",
    metavar="FILE",
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def docs(output: Path, show: bool) -> None:
    """Write the dbt docs as one HTML file: every model, column and test, and the lineage.

    \b
    Example:
      mixhouse docs --open
    """
    with progress("Writing the docs") as advance:
        written = write_docs(environment(), lambda name, done, total: advance(done, total, name))
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(written, output)
    OUT.print(f"Docs: {_from_here(output)}", markup=False)
    if show:
        webbrowser.open(output.absolute().as_uri())


@cli.command()
def status() -> None:
    """Say what is loaded, how good the models are, what they recommend, and what to do next.

    \b
    Example:
      mixhouse status
    """
    if uses_embedded_server() and embedded.status(home()).state == "absent":
        # Asking how things are makes no database.
        found = summary.Summary(landed=0)
    else:
        with connect() as connection:
            found = summary.read(connection)
    report = reports_folder() / "latest.html"
    is_recent = report.exists() and (found.built_at is None or report.stat().st_mtime >= found.built_at.timestamp())
    OUT.print(summary.render(found, _from_here(report) if is_recent else None, _own_name()))


class Schedule(click.ParamType[str | None]):
    """When the worker brings everything up to date: as in crontab, or never."""

    name = "CRONTAB"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | None:
        """Refuse what cannot be read as a time."""
        if value == "never":
            return None
        from web.jobs import check_schedule

        try:
            check_schedule(value)
        except ValueError as error:
            self.fail(f"{value!r} is no schedule as in crontab, such as '0 3 * * *': {error}", param, ctx)
        return str(value)


SCHEDULE = click.option(
    "--schedule",
    type=Schedule(),
    default="0 3 * * *",
    show_default=True,
    envvar="MIXHOUSE_SCHEDULE",
    help="When the worker brings everything up to date, as in crontab and UTC; or: never.",
)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to serve at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for a free one.")
@click.option(
    "--anonymous",
    type=click.Choice(["nothing", "reading", "pages"]),
    show_default="pages on this machine alone, else nothing",
    help="What needs no API key: nothing, reading, or reading and starting runs in pages.",
)
@click.option("--worker/--no-worker", "with_worker", default=True, show_default=True, help="Start a worker as well.")
@click.option(
    "--trusted-proxy",
    metavar="ADDRESS",
    help="A proxy that does TLS; believe its X-Forwarded-For, -Host and -Proto. Everything then needs a key.",
)
@SCHEDULE
def serve(
    host: str, port: int, anonymous: Any, with_worker: bool, trusted_proxy: str | None, schedule: str | None
) -> None:
    """Serve the web application and the API, and do what is started there, until interrupted, which is no failure.

    \b
    Example:
      mixhouse serve --port 8000
    """
    from web.access import Access, is_loopback
    from web.serve import serve as serve_at

    is_local = is_loopback(host) and trusted_proxy is None
    access = Access(anonymous=anonymous or ("pages" if is_local else "nothing"), only_local_names=is_local)
    serve_at(
        host,
        port,
        access,
        schedule=schedule,
        with_worker=with_worker,
        trusted_proxy=trusted_proxy,
        ready=lambda address: OUT.print(f"Mixhouse is at {address} (Ctrl-C ends it)", markup=False),
    )


@cli.command()
@SCHEDULE
@click.option("--ends-with-input", is_flag=True, hidden=True)
def worker(schedule: str | None, ends_with_input: bool) -> None:
    """Do the runs that are started in pages and by programs, until interrupted; `mixhouse serve` has one of its own.

    \b
    Example:
      mixhouse worker
    """
    from web.perform import end_with_parent
    from web.serve import work

    if ends_with_input:
        end_with_parent()
    work(schedule)


@cli.group()
def apikey() -> None:
    """Keys that let programs use the API, and people sign in.

    \b
    Example:
      mixhouse apikey create nightly-export
    """


@apikey.command("create")
@click.argument("name")
def apikey_create(name: str) -> None:
    """Make a key, and print it, this once: the database keeps a digest.

    \b
    Example:
      mixhouse apikey create nightly-export
    """
    from web.access import create_key

    with connect(autocommit=True) as connection:
        click.echo(create_key(connection, name))


@apikey.command("list")
def apikey_list() -> None:
    """List the keys.

    \b
    Example:
      mixhouse apikey list
    """
    with connect() as connection:
        rows = connection.execute(
            "select name, created_at, created_by, revoked_at from ops.api_keys order by key_id"
        ).fetchall()
    for name, created_at, created_by, revoked_at in rows:
        ended = f", revoked {revoked_at:%Y-%m-%d %H:%M}" if revoked_at else ""
        OUT.print(
            f"{printable(name)}: made {created_at:%Y-%m-%d %H:%M} by {printable(created_by)}{ended}", markup=False
        )
    if not rows:
        OUT.print("There are none. Make one with: mixhouse apikey create NAME")


@apikey.command("revoke")
@click.argument("name")
def apikey_revoke(name: str) -> None:
    """Let a key be good no longer.

    \b
    Example:
      mixhouse apikey revoke nightly-export
    """
    from web.access import revoke_key

    with connect(autocommit=True) as connection:
        revoke_key(connection, name)
    OUT.print(f"The key {printable(name)} is good no longer.", markup=False)


@cli.group()
def db() -> None:
    """The database: start, stop, look inside.

    \b
    Example:
      eval "$(mixhouse db env)" && dbt build
    """


@db.command("start")
def db_start() -> None:
    """Start the embedded database, or check the one that the environment names; make the tables.

    \b
    Example:
      mixhouse db start
    """
    with connect() as connection:
        info = connection.info
        version = info.parameter_status("server_version")
        OUT.print(f"PostgreSQL {version} at {info.host}:{info.port}, database {info.dbname}", markup=False)


@db.command("stop")
def db_stop() -> None:
    """Stop the embedded database; its data stays.

    \b
    Example:
      mixhouse db stop
    """
    OUT.print("Stopped." if embedded.stop(home()) else "It was not running.")


@db.command("env")
def db_env() -> None:
    """Print the variables that lead dbt, psql and BI tools to the database.

    The output holds the password: do not send it anywhere.

    \b
    Example:
      eval "$(mixhouse db env)" && psql
    """
    for name, value in sorted(environment().items()):
        click.echo(f"export {name}={shlex.quote(value)}")


@db.command("psql", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def db_psql(arguments: tuple[str, ...]) -> None:
    """Open psql on the database; arguments are handed on.

    \b
    Example:
      mixhouse db psql -c "select name, predicted_followers from marts.playlists limit 5"
    """
    variables = os.environ | environment()
    program = shutil.which("psql") or str(embedded.program("psql"))
    os.execve(program, [program, *arguments], variables)  # noqa: S606 - psql takes over, its prompt included


@db.command("roles")
def db_roles() -> None:
    """Make the database roles, or bring them up to date; needs a superuser, or an owner who may make roles.

    Nobody logs in as one of them: `mixhouse db user` makes users who belong to them (docs/operations.md).

    \b
    Example:
      mixhouse db roles
    """
    from web.jobs import install

    with connect(autocommit=True) as connection:
        # Who serves and who works may not make it.
        install(connection)
        for role, purpose in apply_roles(connection).items():
            OUT.print(f"{role:<22}  {purpose}", markup=False)


@db.command("user")
@click.argument("name")
@click.option(
    "--role",
    "kinds",
    multiple=True,
    required=True,
    type=click.Choice(list(ROLES)),
    help="What the user may do; may repeat.",
)
def db_user(name: str, kinds: tuple[str, ...]) -> None:
    """Make a user who may log in to the database, or give one more roles.

    The password of a new user comes from MIXHOUSE_USER_PASSWORD, or is asked for.

    \b
    Example:
      mixhouse db user ana --role reporter
    """
    with connect() as connection, connection.transaction():
        if not (is_there := exists(connection, name)):
            create_user(connection, name, os.environ.get("MIXHOUSE_USER_PASSWORD") or _ask_for_password(name))
        grant_roles(connection, name, kinds)
        info = connection.info
        what = ", ".join(kinds)
        OUT.print(
            f"{name} {'is now also' if is_there else 'may log in as'} {what}: host {info.host}, port {info.port}, "
            f"database {info.dbname}, user {name}",
            markup=False,
        )


def _ask_for_password(name: str) -> str:
    return str(click.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True))


@db.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
def db_reset(yes: bool) -> None:
    """Delete the embedded database with everything in it.

    \b
    Example:
      mixhouse db reset --yes
    """
    if not yes and not click.confirm(f"Delete the embedded database in {home()} and all that is in it?"):
        OUT.print("Nothing was deleted.")
        sys.exit(INTERRUPTED)
    OUT.print("Deleted." if embedded.reset(home()) else "There was none.")


def main() -> None:
    """Run the command line, and turn what can go wrong into one line and an exit code."""
    debug = "--debug" in sys.argv
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        # Whoever ends us, as service managers and containers do, has what Ctrl-C has: what is in hand is taken back.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        cli.main(prog_name="mixhouse", standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted; what was finished stays, and the same command goes on from there")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read us has seen enough. Nothing more can be written, not even what is buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if debug:
            traceback.print_exc()
        _complain(message(error))
        sys.exit(exit_code(error))


def _load(paths: tuple[Path, ...], *, command: str, strict: bool, workers: int, verify: bool = False) -> LoadReport:
    """Load, and say what came of it."""
    with load_progress() as advance:
        report = load_slices(
            connect, paths, strict=strict, verify=verify, workers=workers, command=command, progress=advance
        )
    print_load(report)
    return report


def _build(*, force: bool, full_refresh: bool = False) -> None:
    _check_rules()
    runs: list[RunOutcome] = []
    with progress("Building") as advance:
        outcome = pipeline.build(
            lambda: _train_if_needed(runs, force=force),
            force=force,
            full_refresh=full_refresh,
            on_node=lambda name, done, total: advance(done, total, name),
        )
    if outcome.before_ml is None or outcome.after_ml is None:
        OUT.print("Everything is up to date; nothing was built.")
        return
    nodes = outcome.before_ml.nodes + outcome.after_ml.nodes
    seconds = outcome.before_ml.seconds + outcome.after_ml.seconds
    OUT.print(f"Built and tested {nodes} models, seeds and tests in {seconds:.1f} s.")
    for warning in (*outcome.before_ml.warnings, *outcome.after_ml.warnings):
        ERR.print(f"warning: {printable(warning)}", markup=False)
    if any(run.error is None for run in runs):
        _write_report()
    _fail_on(outcome.failures)


def _write_report() -> None:
    """Write the report of the runs that were just done; what was built stays built whether or not that can be."""
    from python_ml.reports import write_reports

    try:
        with connect() as connection:
            written, _ = write_reports(connection, reports_folder())
    except OSError as error:
        ERR.print(f"warning: no report was written: {message(error)}", markup=False)
    else:
        OUT.print(f"Report: {_from_here(written)}", markup=False)


def _check_rules() -> None:
    """Refuse rules that cannot be followed before anything is done, and not after minutes."""
    from python_ml.model_manager import read_rules

    read_rules()


def _train_if_needed(runs: "list[RunOutcome]", *, force: bool) -> list[Exception]:
    """Do with each model what it needs, and return what failed; too little data is no failure of a build.

    Args:
        runs: Is given what was done.
        force: Train, whether or not that is due.
    """
    from python_ml.errors import NotEnoughData, TrainingInProgress
    from python_ml.model_manager import keep_fresh, train_all

    try:
        runs += (train_all if force else keep_fresh)(connect, trigger="build")
    except TrainingInProgress as busy:
        return [busy]
    failures = _tell_runs(runs)
    for error in failures:
        if isinstance(error, NotEnoughData):
            OUT.print(f"Not trained: {error}", markup=False)
    return [error for error in failures if not isinstance(error, NotEnoughData)]


def _tell_runs(outcomes: "Sequence[RunOutcome]") -> list[Exception]:
    """Say what was trained and what was scored, and return what failed."""
    for outcome in outcomes:
        if outcome.error is None:
            rows = f"{outcome.rows_read or 0:,} rows"
            done = (
                f"Scored {rows} with {outcome.model}" if outcome.scored_with else f"Trained {outcome.model} on {rows}"
            )
            OUT.print(f"{done} in {outcome.seconds:.1f} s.")
    return [outcome.error for outcome in outcomes if outcome.error is not None]


def _fail_on(failures: Sequence[Exception]) -> None:
    """Complain of each failure but the last, which ends the command."""
    for error in failures[:-1]:
        _complain(message(error))
    if failures:
        raise failures[-1]


def message(error: BaseException | None) -> str:
    """Say in one line what happened and what to do."""
    if isinstance(error, NOT_BUILT):
        return f"{_first_line(error)}; build it with: mixhouse build"
    if isinstance(error, psycopg.errors.DiskFull):
        return f"the database has no space left: {_first_line(error)}; make room and run the same command again"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"{_first_line(error)}; take a database user who may, or give this one the role (docs/operations.md)"
    if isinstance(error, psycopg.OperationalError):
        gone = error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
        what = "the database went away" if gone else "the database refused"
        return f"{what}: {_first_line(error)}; run the same command again"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; name another place, or put this one right"
    if isinstance(error, WorkerDied) or exit_code(error) != UNEXPECTED:
        return str(error)
    return f"{type(error).__name__}: {_first_line(error)}; run it again with: mixhouse --debug ..."


def exit_code(error: BaseException | None) -> int:
    """Return the exit code of a command that ended with this error."""
    from python_ml.errors import MachineLearningError, RulesInvalid
    from web.access import KeyRefused
    from web.serve import CannotServe

    if isinstance(error, WorkerDied):
        return UNEXPECTED
    if isinstance(error, (LoadError, RulesInvalid, KeyRefused, CannotServe)) or (
        isinstance(error, OSError) and error.filename is not None
    ):
        return USAGE
    if isinstance(error, (DatabaseError, *NOT_BUILT, psycopg.errors.InsufficientPrivilege, psycopg.OperationalError)):
        return NO_DATABASE
    if isinstance(error, BuildError):
        return BUILD_FAILED
    if isinstance(error, MachineLearningError):
        return TRAINING_FAILED
    return UNEXPECTED


def _own_name() -> str:
    """Return what to type for this command from here: its name if it is on the path, else where it is."""
    return "mixhouse" if shutil.which("mixhouse") else shlex.quote(str(_from_here(Path(sys.argv[0]))))


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no details"


def _complain(message: str) -> None:
    ERR.print(f"mixhouse: {printable(message)}", markup=False)
