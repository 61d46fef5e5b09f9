create table sessions (
    id uuid primary key,
    -- Only the client knows the token itself.
    token_sha256 bytea not null constraint sessions_token_key unique check (octet_length(token_sha256) = 32),
    user_id uuid not null references users (id) on delete cascade,
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    expires_at timestamptz not null,
    idle_seconds integer not null check (idle_seconds > 0),
    -- Whether its cookie outlives the browser.
    is_remembered boolean not null,
    ip inet not null,
    user_agent text
)
-- Room in each page, so that recording a use writes one row and no index: for that, last_seen_at is in no index either.
with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);

create index sessions_user_id_idx on sessions (user_id);
create index sessions_expires_at_idx on sessions (expires_at);
