-- Changes of address: each waits until the new address is confirmed, and can be undone from the old one for a while.
create table email_changes (
    id uuid primary key,
    user_id uuid not null references users (id) on delete cascade,
    old_email text not null,
    new_email text not null,
    requested_at timestamptz not null,
    confirmed_at timestamptz,
    undone_at timestamptz
);

-- Only the latest request counts.
create unique index email_changes_pending_key on email_changes (user_id) where confirmed_at is null and undone_at is null;
create index email_changes_user_id_idx on email_changes (user_id);
create index email_changes_requested_at_idx on email_changes (requested_at);
