-- The mails of the last day by address: they limit what an address gets. No account is named, because the limit must
-- outlive accounts that are registered and deleted one after the other.
create table sent_mails (
    mail_id uuid primary key,
    canonical text not null,
    kind text not null,
    sent_at timestamptz not null
);

create index sent_mails_canonical_idx on sent_mails (canonical, sent_at);
create index sent_mails_sent_at_idx on sent_mails (sent_at);
