"""Decide what each model needs: nothing, to score what came or changed, or to be trained again; and have it done.

The rules are those of `Rules`, as the variables of `SETTINGS` set them. A decision is a pure function of the rules and
of what the database says.
"""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from psycopg import Connection

from python_ml import artist_trends, features, model_store, playlist_popularity
from python_ml.errors import ModelUnusable, RulesInvalid, TrainingInProgress
from python_ml.train_models import MODELS, Connect, RunOutcome, library_versions, only_training, score, train

logger = logging.getLogger(__name__)

Action = Literal["nothing", "score", "train"]
NOUNS = {playlist_popularity.MODEL: "playlists", artist_trends.MODEL: "artists"}
SETTINGS = {playlist_popularity.MODEL: "MIXHOUSE_RETRAIN_PLAYLISTS", artist_trends.MODEL: "MIXHOUSE_RETRAIN_ARTISTS"}
"""The environment variables that set how many playlists or artists may be new or changed."""
DAYS_SETTING = "MIXHOUSE_RETRAIN_DAYS"


@dataclass(frozen=True)
class Rules:
    """When a model is trained again.

    Attributes:
        most_unprocessed: By model, how many playlists or artists may be new or changed before it is; fewer are scored
            with the model that serves.
        oldest: The age of a training from which on anything new or changed leads to another one.
    """

    most_unprocessed: Mapping[str, int] = field(
        default_factory=lambda: {playlist_popularity.MODEL: 100, artist_trends.MODEL: 50}
    )
    oldest: timedelta = timedelta(days=30)


def read_rules() -> Rules:
    """Return the rules as the environment sets them; what it leaves out is as in `Rules`.

    Raises:
        RulesInvalid: a variable is not a whole number.
    """
    usual = Rules()
    return Rules(
        {model: _whole_number(SETTINGS[model], most) for model, most in usual.most_unprocessed.items()},
        timedelta(days=_whole_number(DAYS_SETTING, usual.oldest.days)),
    )


def _whole_number(name: str, usual: int) -> int:
    """Read a variable; an empty one counts as not set."""
    value = os.environ.get(name) or str(usual)
    # More digits make an age that Python cannot hold.
    if not re.fullmatch("[0-9]{1,9}", value):
        raise RulesInvalid(f"{name} is {value!r}; set it to a whole number of at most nine digits, or leave it out")
    return int(value)


@dataclass(frozen=True)
class State:
    """What there is of one model.

    Attributes:
        serving: The training that serves; None before the first one.
        trained_at: When that one ended.
        is_of_this_code: Whether it had the parameters and library versions of now.
        problem: Why its stored model cannot be used; None when it can.
        unprocessed: Playlists or artists that were never scored by it, or whose features changed since.
    """

    serving: int | None = None
    trained_at: datetime | None = None
    is_of_this_code: bool = False
    problem: str | None = None
    unprocessed: int = 0


@dataclass(frozen=True)
class Decision:
    """What is to be done with one model, and why, in words for the log."""

    model: str
    action: Action
    reason: str


def decide(model: str, state: State, rules: Rules, now: datetime) -> Decision:
    """Decide what a model needs.

    Args:
        model: Its name.
        state: What there is of it.
        rules: When it is trained again.
        now: The time, with a zone.
    """
    nouns, limit = NOUNS[model], rules.most_unprocessed[model]
    if state.serving is None or state.trained_at is None:
        return Decision(model, "train", "no training serves yet")
    if not state.is_of_this_code:
        return Decision(model, "train", f"parameters or libraries are others than those of run {state.serving}")
    if state.unprocessed == 0:
        return Decision(model, "nothing", f"run {state.serving} has scored all {nouns} as they are")
    news = f"{state.unprocessed:,} {nouns} are new or changed since run {state.serving} scored them"
    if state.unprocessed > limit:
        return Decision(model, "train", f"{news}, more than {limit:,}")
    if now - state.trained_at >= rules.oldest:
        return Decision(model, "train", f"{news}, and it is {(now - state.trained_at).days} days old")
    if state.problem is not None:
        return Decision(model, "train", f"{news}, and {state.problem}")
    return Decision(model, "score", f"{news}, no more than {limit:,}")


def keep_fresh(connect: Connect, *, trigger: str, rules: Rules | None = None) -> list[RunOutcome]:
    """Do with each model what it needs.

    Args:
        connect: Opens a connection to the warehouse.
        trigger: What started this, such as `build` or `schedule`; it is logged with the run.
        rules: When a model is trained again; as the environment sets them when not given.

    Returns:
        One outcome for each model that was trained or scored with; look at `error` of each.

    Raises:
        FeaturesMissing: the features do not exist yet.
        RulesInvalid: the environment sets no rules that can be followed.
        TrainingInProgress: another session is training in this database, and something is to be done.
    """
    rules = rules or read_rules()
    with connect(autocommit=True) as connection:
        try:
            with only_training(connection):
                outcomes = []
                for decision in decisions(connection, rules):
                    logger.info(
                        "event=decision model=%s action=%s reason=%r", decision.model, decision.action, decision.reason
                    )
                    if decision.action == "train":
                        outcomes.append(train(connect, connection, decision.model, trigger, decision.reason))
                    elif decision.action == "score":
                        outcomes.append(score(connect, connection, decision.model, trigger, decision.reason))
                return outcomes
        except TrainingInProgress:
            # Who needs nothing does not mind that another session trains.
            if any(decision.action != "nothing" for decision in decisions(connection, rules)):
                raise
            return []


def train_all(connect: Connect, *, trigger: str, models: Sequence[str] = ()) -> list[RunOutcome]:
    """Train models because somebody asked for it, one after the other.

    Args:
        connect: Opens a connection to the warehouse.
        trigger: Who asked, such as `demand`; it is logged with the run.
        models: Which of `MODELS`, in which order; all when empty.

    Returns:
        One outcome a model, in order; one that fails does not stop the next, and its previous results keep serving.

    Raises:
        TrainingInProgress: another session is training in this database.
    """
    with connect(autocommit=True) as connection, only_training(connection):
        return [train(connect, connection, model, trigger, "asked for") for model in models or MODELS]


def decisions(connection: Connection, rules: Rules) -> list[Decision]:
    """Say what each model needs now.

    Raises:
        FeaturesMissing: the features do not exist yet.
    """
    [(now,)] = connection.execute("select now()").fetchall()
    return [decide(model, read_state(connection, model), rules, now) for model in MODELS]


def read_state(connection: Connection, model: str) -> State:
    """Read what there is of a model.

    Raises:
        FeaturesMissing: the features do not exist yet.
    """
    serving = connection.execute(
        "select run_id, finished_at, params, library_versions from ml.model_runs where model = %s and serving", [model]
    ).fetchone()
    if serving is None:
        return State()
    run_id, trained_at, *code = serving
    try:
        model_store.check(connection, run_id)
        problem = None
    except ModelUnusable as error:
        problem = str(error)
    return State(
        serving=run_id,
        trained_at=trained_at,
        is_of_this_code=code == [MODELS[model].params(), library_versions()],
        problem=problem,
        unprocessed=features.count_unprocessed(connection, MODELS[model].view),
    )
