-- What happened to an account, for its owner and the operator. Never a secret.
create table events (
    id uuid primary key,
    user_id uuid not null references users (id) on delete cascade,
    kind text not null,
    at timestamptz not null,
    ip inet,
    user_agent text,
    request_id text
);

create index events_user_id_idx on events (user_id, at);
create index events_at_idx on events (at);
