-- Mails to send. A row holds what is needed to write the mail, never its link: that is signed when the mail is sent.
create table outbox (
    id uuid primary key,
    -- The account that the mail is about. Null for a mail that anybody can ask for: the address is all that is known then.
    user_id uuid references users (id) on delete cascade,
    address text not null,
    canonical text not null,
    kind text not null,
    -- The change of address that the mail is about.
    email_change_id uuid,
    -- The request that caused the mail.
    request_context jsonb not null,
    state text not null constraint outbox_state_known check (state in ('queued', 'sent', 'failed')),
    queued_at timestamptz not null,
    due_at timestamptz not null,
    claimed_until timestamptz,
    -- The same mail was asked for after this one was claimed: it may have been written too early for that.
    is_asked_again boolean not null default false,
    attempts integer not null,
    last_reply text,
    -- The mail server was away; the mail is due again as soon as the server is back.
    waits_for_server boolean not null,
    sent_at timestamptz
);

-- A mail that anybody can ask for waits once per address, with or without an account.
create unique index outbox_asked_key on outbox (canonical, kind) where state = 'queued' and user_id is null
    and kind in ('confirm_email', 'reset_password');
create index outbox_due_idx on outbox (due_at) where state = 'queued';
-- Deleting an account deletes its mails; without these indexes it would read the whole table.
create index outbox_user_id_idx on outbox (user_id);
create index outbox_canonical_idx on outbox (canonical);
create index outbox_done_idx on outbox (queued_at) where state <> 'queued';

-- Which accounts tried the code of a mail, once for each try. The code itself is in no table.
create table code_tries (
    mail_id uuid primary key references outbox (id) on delete cascade,
    user_ids uuid[] not null
);
