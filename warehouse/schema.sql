-- What Python writes, and dbt reads as sources. Every statement may run again on a database that has it: a command
-- that connects applies this file when it has changed or a table is missing, so that `dbt build` is green from the
-- start.

create schema if not exists staging;
create schema if not exists ml;
create schema if not exists ops;

-- The ledger: one row for each slice that landed or was refused. It commits with the slice's playlists.
create table if not exists staging.slices (
    slice_id integer generated always as identity primary key,
    source text not null,
    member text,
    fingerprint text,
    sha256 text,
    bytes bigint,
    info jsonb,
    outcome text not null check (outcome in ('landed', 'refused')),
    reason text,
    detail text,
    playlists_landed integer not null default 0,
    playlists_unchanged integer not null default 0,
    playlists_superseding integer not null default 0,
    playlists_rejected integer not null default 0,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    check ((outcome = 'refused') = (reason is not null))
);
create unique index if not exists slices_landed_once on staging.slices (sha256) where outcome = 'landed';
create index if not exists slices_by_source on staging.slices (source, member);

comment on table staging.slices is 'Ledger of loads: one row for each slice that landed or was refused.';
comment on column staging.slices.source is 'File as the loader resolved it: a slice, or the archive that holds it.';
comment on column staging.slices.member is 'Name inside the archive; null for a plain file.';
comment on column staging.slices.reason is 'Code from the list in docs/rejects.md; null for a slice that landed.';
comment on column staging.slices.fingerprint is
'What a look at the file tells without reading it (size and time, or size and CRC).';
comment on column staging.slices.sha256 is 'Of the uncompressed JSON; null when it could not be read.';
comment on column staging.slices.info is 'The info object of the slice, as it stood.';
comment on column staging.slices.playlists_landed is 'Playlists stored by this slice, new or changed.';
comment on column staging.slices.playlists_unchanged is
'Playlists that the database already held with the same content.';
comment on column staging.slices.playlists_superseding is
'Of playlists_landed, those that replaced an earlier version.';

-- One row for each version of a playlist; the current version has no superseded_at.
create table if not exists staging.playlists (
    pid integer not null,
    slice_id integer not null references staging.slices,
    ordinal integer not null,
    doc jsonb not null,
    landed_at timestamptz not null default now(),
    superseded_at timestamptz,
    primary key (slice_id, pid)
);
create unique index if not exists playlists_current on staging.playlists (pid) where superseded_at is null;

comment on table staging.playlists is
'Playlists as they landed, one row for each version; superseded_at is null for the current one.';
comment on column staging.playlists.ordinal is 'Position in the playlists array of its slice, from 0.';
comment on column staging.playlists.doc is 'The playlist object of the slice, semantically equal to its JSON.';

create or replace view staging.playlist_documents as
select
    pid,
    doc
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
create unique index if not exists model_runs_one_serving on ml.model_runs (model) where serving;

comment on table ml.model_runs is
'One row for each attempt to train a model; serving marks the run whose results are in use.';
comment on column ml.model_runs.trigger is 'Why it ran, such as demand or build.';
comment on column ml.model_runs.features_sha256 is
'Digest of the feature frame it was fitted on: the same digest and params give the same results.';
comment on column ml.model_runs.rows_read is 'Rows of the feature view that it read, and so rows it published.';

create table if not exists ml.model_metrics (
    run_id bigint not null references ml.model_runs on delete cascade,
    metric text not null,
    scale text check (scale in ('raw', 'log1p')),
    split text,
    value double precision not null,
    unique nulls not distinct (run_id, metric, scale, split)
);

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
comment on column ml.playlist_predictions.is_held_out is
'Whether the playlist was in the test split, unseen by the model.';

create table if not exists ml.artist_clusters (
    run_id bigint not null references ml.model_runs on delete cascade,
    artist_uri text not null,
    cluster_id integer not null,
    similarity_score double precision not null check (similarity_score between 0 and 1),
    assigned_at timestamptz not null,
    primary key (run_id, artist_uri)
);

comment on table ml.artist_clusters is 'Cluster of each artist by each run.';
comment on column ml.artist_clusters.similarity_score is
'Share of the other members of the cluster that lie farther from its centre; 1 for a single member.';

-- Builds: what was built from what, so that building again without a change costs nothing.
create table if not exists ops.builds (
    build_id bigint generated always as identity primary key,
    started_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp(),
    state text not null,
    outcome text not null check (outcome in ('succeeded', 'failed')),
    detail text
);

comment on table ops.builds is
'One row for each build; state tells what it was built from and what it made.';
