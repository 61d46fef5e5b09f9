-- The queue of letters. A row holds what a letter needs to be written, never its link: that is made when it leaves.
create table mails (
    id uuid primary key,
    user_id uuid references users (id) on delete cascade,
    -- Where it goes, if not to the account's address of the moment.
    address text,
    letter text not null,
    -- The change of address that it is about.
    email_change_id uuid,
    context jsonb not null,
    state text not null constraint mails_state_known check (state in ('queued', 'sent', 'parked')),
    queued_at timestamptz not null,
    due_at timestamptz not null,
    claimed_until timestamptz,
    attempts integer not null,
    last_reply text,
    -- It failed because the mail server was away, not because of itself: it goes as soon as the server is back.
    waits_for_server boolean not null,
    sent_at timestamptz,
    constraint mails_have_a_recipient check (user_id is not null or address is not null)
);

-- What is promised twice before it leaves is sent once.
create unique index mails_queued_key on mails (user_id, letter, email_change_id) nulls not distinct
    where state = 'queued' and user_id is not null;
create index mails_due_idx on mails (due_at) where state = 'queued';
