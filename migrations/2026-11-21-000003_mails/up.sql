-- The queue of letters. A row holds what a letter needs to be written, never its link: that is made when it leaves.
create table mails (
    id uuid primary key,
    user_id uuid not null references users (id) on delete cascade,
    letter text not null,
    context jsonb not null,
    state text not null constraint mails_state_known check (state in ('queued', 'sent', 'parked')),
    queued_at timestamptz not null,
    due_at timestamptz not null,
    claimed_until timestamptz,
    attempts integer not null,
    last_reply text,
    -- It failed because the mail server was away, not because of itself: it goes as soon as the server is back.
    waits_for_server boolean not null,
    sent_at timestamptz
);

-- What is promised twice before it leaves is sent once.
create unique index mails_queued_key on mails (user_id, letter) where state = 'queued';
create index mails_due_idx on mails (due_at) where state = 'queued';
