-- What happened to an account and who did it, for its owner and the admin. Never a secret.
-- The id is a UUIDv7 that begins with the time of the event, so the partitions by id are months. The service creates them
-- ahead of time and drops them when they are old: deleting as many rows would take hours and leave holes.
create table account_events (
    id uuid primary key,
    user_id uuid not null references users (id) on delete cascade,
    kind text not null,
    actor text not null constraint account_events_actor_known check (actor in ('owner', 'admin', 'import', 'system')),
    at timestamptz not null,
    ip inet,
    user_agent text,
    request_id text
) partition by range (id);

create index account_events_user_id_idx on account_events (user_id, id);

-- Events of no month: a clock was wrong, or no month could be created.
create table account_events_default partition of account_events default;
create index account_events_default_at_idx on account_events_default (at);
