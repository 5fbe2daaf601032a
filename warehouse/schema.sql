-- What Python writes, and dbt reads as sources. Every statement may run again on a database that has it: a command
-- that connects applies this file when it has changed or a table is missing, so that `dbt build` is green from the
-- start.
--
-- Layout 3. Whoever changes a table that exists counts this up, or adds what alters it below: a database of another
-- layout is refused with what to do, not worked on.

create schema if not exists staging;
create schema if not exists ml;
create schema if not exists ops;

-- Loads: one row for each command that lands slices, from its start. A load whose process is gone without a word is
-- marked as cut short by the next one.
create table if not exists ops.loads (
    load_id integer generated always as identity primary key,
    command text not null,
    paths text[] not null,
    options jsonb not null,
    database_user text not null default session_user,
    system_user_name text not null,
    host text not null,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    outcome text not null default 'running'
    check (outcome in ('running', 'succeeded', 'refused_some', 'failed', 'interrupted', 'cut_short')),
    error text,
    slices_landed integer,
    slices_skipped integer,
    slices_refused integer,
    playlists_landed integer,
    playlists_unchanged integer,
    playlists_superseding integer,
    playlists_rejected integer,
    bytes bigint,
    check ((outcome = 'running') = (finished_at is null))
);

comment on table ops.loads is 'One row for each load: who, when, what, how long, and what came of it.';
comment on column ops.loads.command is 'What loaded, such as load, run, watch or rejects land.';
comment on column ops.loads.paths is 'Files, folders and archives that were named.';
comment on column ops.loads.system_user_name is 'Login name on the machine that loaded; database_user is the role.';
comment on column ops.loads.outcome is
'refused_some if a slice or playlist was refused; cut_short if the process ended without a word.';
comment on column ops.loads.slices_landed is
'Like the other counts null if it was cut short; slices_skipped also if it failed or was interrupted.';
comment on column ops.loads.bytes is 'Uncompressed JSON that was read.';

-- The ledger: one row for each slice that landed or was refused. It commits with the slice's playlists.
create table if not exists staging.slices (
    slice_id integer generated always as identity primary key,
    load_id integer references ops.loads,
    source text not null,
    member text,
    fingerprint text,
    sha256 text,
    bytes bigint,
    info jsonb,
    outcome text not null check (outcome in ('landed', 'duplicate', 'refused')),
    duplicate_of integer references staging.slices,
    reason text,
    detail text,
    playlists_landed integer not null default 0,
    playlists_unchanged integer not null default 0,
    playlists_superseding integer not null default 0,
    playlists_rejected integer not null default 0,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    check ((outcome = 'refused') = (reason is not null)),
    check ((outcome = 'duplicate') = (duplicate_of is not null))
);
create index if not exists slices_by_file on staging.slices (source, member);
create index if not exists slices_by_content on staging.slices (sha256);

comment on table staging.slices is 'Ledger of loads: one row for each slice that landed or was refused.';
comment on column staging.slices.slice_id is
'In the order of landing, which is that of the slices in a load: rows commit in this order, whoever loads.';
comment on column staging.slices.load_id is 'The load in ops.loads.';
comment on column staging.slices.source is 'File as the loader resolved it: a slice, or the archive that holds it.';
comment on column staging.slices.member is 'Name inside the archive; null for a plain file.';
comment on column staging.slices.outcome is
'landed; duplicate if its content is what another slice, or itself before a refusal, has landed; refused as a whole.';
comment on column staging.slices.duplicate_of is 'The slice that landed the same content.';
comment on column staging.slices.reason is 'Code from the list in docs/rejects.md; null unless it was refused.';
comment on column staging.slices.fingerprint is
'What a look at the file tells without reading it (size and time, or size and CRC).';
comment on column staging.slices.sha256 is 'Of the uncompressed JSON; null when it could not be read.';
comment on column staging.slices.info is 'The info object of the slice, as it stood.';
comment on column staging.slices.playlists_landed is 'Playlists stored by this slice, new or changed.';
comment on column staging.slices.playlists_unchanged is
'Playlists that the database already held with the same content.';
comment on column staging.slices.playlists_superseding is
'Of playlists_landed, those that replaced an earlier version.';

-- One row for each version of a playlist; the current version has no superseded_at. The fields of the JSON are columns,
-- and those of its tracks are arrays in the order of the tracks, which are read and written several times faster than
-- JSON; docs/decisions/0008 has the figures. playlist_documents gives the object back.
create table if not exists staging.playlists (
    pid integer not null,
    slice_id integer not null references staging.slices,
    ordinal integer not null,
    -- Not when the transaction began, which may have waited for the landing of another slice.
    landed_at timestamptz not null default statement_timestamp(),
    superseded_at timestamptz,
    collaborative boolean not null,
    modified_at bigint not null,
    num_tracks integer not null,
    num_albums integer not null,
    num_artists integer not null,
    num_followers integer not null,
    num_edits integer not null,
    duration_ms bigint not null,
    name text not null,
    description text,
    track_ids text[] not null,
    track_names text[] not null,
    album_ids text[] not null,
    album_names text[] not null,
    artist_ids text[] not null,
    artist_names text[] not null,
    track_durations_ms integer[] not null,
    document jsonb,
    primary key (slice_id, pid)
);
create unique index if not exists playlists_current on staging.playlists (pid) where superseded_at is null;
-- Compressing takes as long as all the rest of landing, and saves a sixth of the space.
alter table staging.playlists
alter column track_ids set storage external,
alter column track_names set storage external,
alter column album_ids set storage external,
alter column album_names set storage external,
alter column artist_ids set storage external,
alter column artist_names set storage external,
alter column track_durations_ms set storage external;
-- In a database that has the table from before.
alter table staging.playlists alter column landed_at set default statement_timestamp();

comment on table staging.playlists is
'Playlists as they landed, one row for each version; superseded_at is null for the current one.';
comment on column staging.playlists.slice_id is
'The slice that landed this version; of the versions of a pid the current one has the largest.';
comment on column staging.playlists.superseded_at is
'When the next version landed, which has a larger slice_id; null for the current one.';
comment on column staging.playlists.ordinal is 'Position in the playlists array of its slice, from 0.';
comment on column staging.playlists.modified_at is 'Seconds since 1970, as in the JSON.';
comment on column staging.playlists.num_tracks is 'As declared in the JSON, like the other num_ columns.';
comment on column staging.playlists.track_ids is
'The URI of each track without the prefix spotify:track:; albums and artists alike.';
comment on column staging.playlists.document is
'The object itself, if it holds more than the columns can: unknown fields, or collaborative as a boolean.';

create or replace view staging.playlist_documents as
select
    pid,
    coalesce(
        document,
        jsonb_build_object(
            'pid', pid,
            'name', name,
            'collaborative', collaborative::text,
            'modified_at', modified_at,
            'num_tracks', num_tracks,
            'num_albums', num_albums,
            'num_artists', num_artists,
            'num_followers', num_followers,
            'num_edits', num_edits,
            'duration_ms', duration_ms,
            'tracks', (
                select
                    jsonb_agg(
                        jsonb_build_object(
                            'pos', tracks.pos - 1,
                            'track_uri', 'spotify:track:' || tracks.track_id,
                            'track_name', tracks.track_name,
                            'album_uri', 'spotify:album:' || tracks.album_id,
                            'album_name', tracks.album_name,
                            'artist_uri', 'spotify:artist:' || tracks.artist_id,
                            'artist_name', tracks.artist_name,
                            'duration_ms', tracks.duration_ms
                        )
                        order by tracks.pos
                    )
                from
                    unnest(
                        track_ids, track_names, album_ids, album_names, artist_ids, artist_names, track_durations_ms
                    ) with ordinality as tracks (
                        track_id, track_name, album_id, album_name, artist_id, artist_name, duration_ms, pos
                    )
            )
        )
        || case when description is null then '{}' else jsonb_build_object('description', description) end
    ) as doc
from staging.playlists
where superseded_at is null;

comment on view staging.playlist_documents is 'The current version of each playlist, as the object it was in the JSON.';

-- Playlists that broke a rule, with their original bytes.
create table if not exists staging.rejects (
    slice_id integer not null references staging.slices,
    source text not null,
    member text,
    ordinal integer not null,
    pid bigint,
    reason text not null,
    detail text not null,
    raw bytea not null,
    rejected_at timestamptz not null default now(),
    primary key (slice_id, ordinal)
);

comment on table staging.rejects is 'Playlists that the loader refused, with the reason and their original bytes.';
comment on column staging.rejects.reason is 'Code from the list in docs/rejects.md.';
comment on column staging.rejects.detail is 'The field and the value that broke the rule.';
comment on column staging.rejects.raw is 'The bytes of the playlist object as they stood in the slice.';

create or replace view staging.open_rejects as
with corrected as (
    -- A file that `mixhouse rejects export` wrote names the rejects in it. What is still wrong with them when it lands
    -- is a reject of that slice.
    select
        entry ->> 'slice_id' as slice_id,
        entry ->> 'ordinal' as ordinal,
        entry ->> 'reason' as reason,
        entry ->> 'source' as source
    from staging.slices
    cross join lateral jsonb_path_query(slices.info, 'lax $.rejects[*]') as entry
    where slices.outcome = 'landed'
),

-- A file may be loaded again after a repair: only what landed of it last counts. A file of rejects is known by those
-- that it names, for several may have the same path, and one may have several.
latest as (
    select distinct on (attempts.rejects, attempts.source, attempts.member) attempts.slice_id
    from (
        select
            coalesce(duplicate_of, slice_id) as slice_id,
            slice_id as attempt_id,
            info -> 'rejects' as rejects,
            case when info -> 'rejects' is null then source end as source,
            case when info -> 'rejects' is null then member end as member
        from staging.slices
        where outcome <> 'refused'
    ) as attempts
    order by attempts.rejects asc, attempts.source asc, attempts.member asc, attempts.attempt_id desc
)

select rejects.*
from staging.rejects
where
    rejects.slice_id in (select latest.slice_id from latest)
    and not exists (
        select from corrected
        where
            corrected.slice_id = rejects.slice_id::text
            and corrected.ordinal = rejects.ordinal::text
            and corrected.reason = rejects.reason
            and corrected.source = concat_ws('!', rejects.source, rejects.member)
    )
    -- Nor is a playlist missing that was rejected once and has landed since. One that landed before, or from elsewhere
    -- in the same slice, is not what was rejected.
    and not exists (
        select from staging.playlists
        where
            playlists.pid = rejects.pid
            and playlists.superseded_at is null
            and playlists.slice_id > rejects.slice_id
    );

comment on view staging.open_rejects is
'Rejects that nothing has made up for: neither their file, nor their playlist, has landed since in order.';

-- Results of the machine learning step. Never dropped or swapped: dbt views bind to these tables.
create table if not exists ml.model_runs (
    run_id bigint generated always as identity primary key,
    model text not null check (model in ('playlist_popularity', 'artist_trends')),
    trigger text not null,
    status text not null check (status in ('running', 'succeeded', 'failed')),
    serving boolean not null default false,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    params jsonb not null,
    library_versions jsonb not null,
    features_sha256 text,
    rows_read bigint,
    error text,
    check (not serving or status = 'succeeded')
);
alter table ml.model_runs
add column if not exists scored_with bigint references ml.model_runs,
add column if not exists reason text,
add column if not exists code_version text,
add column if not exists champion text,
add column if not exists phase_seconds jsonb;
create unique index if not exists model_runs_one_serving on ml.model_runs (model) where serving;

comment on table ml.model_runs is
'One row for each attempt to train a model or to score with it; serving marks the training whose model is in use.';
comment on column ml.model_runs.trigger is 'What started it, such as demand or build.';
comment on column ml.model_runs.reason is 'Why that was due, in words (python_ml/model_manager.py).';
comment on column ml.model_runs.scored_with is
'For a run that only scored what was new or changed: the training whose model it used. Null for a training.';
comment on column ml.model_runs.code_version is 'Commit of the code, where it runs from a git checkout.';
comment on column ml.model_runs.champion is 'Which candidate the training chose to serve.';
comment on column ml.model_runs.phase_seconds is
'Seconds that each phase before publishing took: read, and fit or score.';
comment on column ml.model_runs.features_sha256 is
'Digest of the feature frame it was fitted on: the same digest and params give the same results.';
comment on column ml.model_runs.rows_read is 'Rows of the feature view that it read, and so rows it published.';

create table if not exists ml.model_metrics (
    run_id bigint not null references ml.model_runs on delete cascade,
    metric text not null,
    scale text check (scale in ('raw', 'log1p')),
    split text,
    value double precision not null
);
alter table ml.model_metrics
add column if not exists candidate text,
drop constraint if exists model_metrics_run_id_metric_scale_split_key;
create unique index if not exists model_metrics_key
on ml.model_metrics (run_id, candidate, metric, scale, split) nulls not distinct;

comment on table ml.model_metrics is
'Metrics of each run, measured; baseline_ splits are constant predictions on the test split.';

create table if not exists ml.feature_importances (
    run_id bigint not null references ml.model_runs on delete cascade,
    method text not null,
    feature text not null,
    importance double precision not null,
    primary key (run_id, method, feature)
);

create table if not exists ml.playlist_predictions (
    run_id bigint not null references ml.model_runs on delete cascade,
    pid integer not null,
    predicted_followers double precision not null,
    is_held_out boolean not null,
    predicted_at timestamptz not null,
    primary key (run_id, pid)
);

comment on table ml.playlist_predictions is 'Predicted followers of each playlist by each run.';
alter table ml.playlist_predictions
add column if not exists interval_low bigint,
add column if not exists interval_high bigint,
add column if not exists confidence_score double precision check (confidence_score between 0 and 1),
add column if not exists features_digest bigint;
comment on column ml.playlist_predictions.features_digest is
'The features that it was made from, as features.playlist_features has them.';
comment on column ml.playlist_predictions.is_held_out is
'Whether the model was fitted without the playlist, also without an earlier version of it.';

create table if not exists ml.artist_clusters (
    run_id bigint not null references ml.model_runs on delete cascade,
    artist_uri text not null,
    cluster_id integer not null,
    similarity_score double precision not null check (similarity_score between 0 and 1),
    assigned_at timestamptz not null,
    primary key (run_id, artist_uri)
);

alter table ml.artist_clusters add column if not exists features_digest bigint;

comment on table ml.artist_clusters is 'Cluster of each artist by each run.';
comment on column ml.artist_clusters.similarity_score is
'Share of the other members of the cluster that lie farther from its centre; 1 for a single member.';

-- What serves: what the training that serves said, and after it the runs that scored with its model what was new or
-- changed. Of one key the latest counts.
create or replace view ml.serving_predictions as
select distinct on (predictions.pid) predictions.*
from ml.model_runs as trainings
inner join ml.model_runs as runs on trainings.run_id = coalesce(runs.scored_with, runs.run_id)
inner join ml.playlist_predictions as predictions on runs.run_id = predictions.run_id
where trainings.serving and runs.status = 'succeeded'
order by predictions.pid asc, predictions.run_id desc;

comment on view ml.serving_predictions is 'The prediction in use of each playlist.';

create or replace view ml.serving_clusters as
select distinct on (clusters.artist_uri) clusters.*
from ml.model_runs as trainings
inner join ml.model_runs as runs on trainings.run_id = coalesce(runs.scored_with, runs.run_id)
inner join ml.artist_clusters as clusters on runs.run_id = clusters.run_id
where trainings.serving and runs.status = 'succeeded'
order by clusters.artist_uri asc, clusters.run_id desc;

comment on view ml.serving_clusters is 'The cluster in use of each artist.';

-- Fitted models, so that what is new can be scored without training. skops keeps no code, so that nobody who may write
-- here can have theirs run.
create table if not exists ml.models (
    run_id bigint primary key references ml.model_runs on delete cascade,
    content bytea not null,
    sha256 text not null,
    scikit_learn text not null,
    stored_at timestamptz not null default clock_timestamp()
);
alter table ml.models alter column content set storage external;

comment on table ml.models is 'The fitted model of each training, as skops writes it.';
comment on column ml.models.sha256 is 'SHA-256 of the content, in hexadecimal.';
comment on column ml.models.scikit_learn is 'Version that fitted it; another one may not read it.';

-- What each model that is built slice by slice contains; dbt writes it in the transaction that fills the model
-- (macros/playlist_changes.sql).
create table if not exists ops.built_slices (
    relation text not null,
    slice_id integer not null,
    built_at timestamptz not null default now(),
    primary key (relation, slice_id)
);

comment on table ops.built_slices is 'Which slices each model contains that is built slice by slice.';
comment on column ops.built_slices.relation is 'Schema and name of the model.';

-- Builds: what was built from what, so that building again without a change costs nothing. A build whose process is
-- gone without a word is marked as failed by the next one.
create table if not exists ops.builds (
    build_id bigint generated always as identity primary key,
    code_sha256 text not null,
    is_full_refresh boolean not null,
    state text,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    outcome text not null default 'running' check (outcome in ('running', 'succeeded', 'failed')),
    detail text,
    check ((outcome = 'running') = (finished_at is null))
);

comment on table ops.builds is 'One row for each build, from its start.';
comment on column ops.builds.code_sha256 is
'Of the SQL that the models are made by; where it has changed, they are made anew as a whole.';
comment on column ops.builds.is_full_refresh is
'Whether models were built as a whole that are else built slice by slice.';
comment on column ops.builds.state is 'What it was built from and what it made; null if dbt failed.';

-- Runs: what people, programs and the schedule have asked for, and what came of it. The queue itself is
-- procrastinate's, in schema jobs; this is what people are shown of it, and stays.
create table if not exists ops.runs (
    run_id bigint generated always as identity primary key,
    kind text not null check (kind in ('build', 'train', 'docs')),
    requested_by text not null,
    requested_at timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    status text not null default 'queued' check (status in ('queued', 'running', 'succeeded', 'failed')),
    attempts integer not null default 0,
    step text,
    steps_done integer,
    steps_total integer,
    result text,
    error text,
    check ((status in ('queued', 'running')) = (finished_at is null))
);
create unique index if not exists runs_one_under_way on ops.runs (kind) where status in ('queued', 'running');

comment on table ops.runs is 'One row for each run that was asked for: by whom, how far it is, what came of it.';
comment on column ops.runs.kind is
'build: bring everything up to date; train: train both models, then build; docs: write the dbt docs.';
comment on column ops.runs.requested_by is 'page, schedule, or the name of an API key.';
comment on column ops.runs.attempts is 'How often it was begun: again after its process or the database was lost.';
comment on column ops.runs.step is 'What is at hand, in words; steps_done and steps_total count within it.';
comment on column ops.runs.error is 'What went wrong, in words.';

create table if not exists ops.run_messages (
    run_id bigint not null references ops.runs,
    message_id bigint generated always as identity,
    logged_at timestamptz not null default clock_timestamp(),
    level text not null,
    message text not null,
    primary key (run_id, message_id)
);

comment on table ops.run_messages is 'The log of each run.';

-- Keys that let programs use the API. Only their digests are kept: a key is long and random, so that nobody finds it
-- from its digest.
create table if not exists ops.api_keys (
    key_id integer generated always as identity primary key,
    name text not null,
    sha256 bytea not null unique,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default session_user,
    revoked_at timestamptz
);
create unique index if not exists api_keys_by_name on ops.api_keys (name) where revoked_at is null;

comment on table ops.api_keys is 'Keys of the API, as digests; revoked_at is null for those that are good.';
