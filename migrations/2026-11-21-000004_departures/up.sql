-- Which letters left to which address in the last day: what limits mails per address. No account is named, as the
-- limit must outlive the accounts that somebody registers one after the other.
create table departures (
    mail_id uuid primary key,
    canonical text not null,
    letter text not null,
    left_at timestamptz not null
);

create index departures_canonical_idx on departures (canonical, left_at);
create index departures_left_at_idx on departures (left_at);
