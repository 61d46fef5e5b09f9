-- Mails to send. A row holds what is needed to write the mail, never its link: that is signed when the mail is sent.
create table outbox (
    id uuid primary key,
    user_id uuid references users (id) on delete cascade,
    -- The recipient, if not the address that the account has when the mail is sent.
    address text,
    kind text not null,
    -- The change of address that the mail is about.
    email_change_id uuid,
    -- The request that caused the mail.
    request_context jsonb not null,
    state text not null constraint outbox_state_known check (state in ('queued', 'sent', 'failed')),
    queued_at timestamptz not null,
    due_at timestamptz not null,
    claimed_until timestamptz,
    attempts integer not null,
    last_reply text,
    -- The mail server was away; the mail is due again as soon as the server is back.
    waits_for_server boolean not null,
    sent_at timestamptz,
    constraint outbox_has_a_recipient check (user_id is not null or address is not null)
);

-- A mail that is queued already is not queued a second time.
create unique index outbox_queued_key on outbox (user_id, kind, email_change_id) nulls not distinct
    where state = 'queued' and user_id is not null;
create index outbox_due_idx on outbox (due_at) where state = 'queued';
-- Deleting an account deletes its mails; without this index it would read the whole table.
create index outbox_user_id_idx on outbox (user_id);
create index outbox_done_idx on outbox (queued_at) where state <> 'queued';
