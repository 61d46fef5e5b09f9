-- What happened to an account and who did it, for its owner and the admin. Never a secret.
create table account_events (
    id uuid primary key,
    user_id uuid not null references users (id) on delete cascade,
    kind text not null,
    actor text not null constraint account_events_actor_known check (actor in ('owner', 'admin', 'import', 'system')),
    at timestamptz not null,
    ip inet,
    user_agent text,
    request_id text
);

create index account_events_user_id_idx on account_events (user_id, at);
create index account_events_at_idx on account_events (at);
