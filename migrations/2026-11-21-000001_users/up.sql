-- An address is known from its first registration. Its hash parameters (scheme, cost and salt: all of a hash but the digest)
-- are shared by all accounts of the address, so that a login computes one hash however many accounts there are; its row is
-- what registrations and confirmations of the address lock.
create table addresses (
    canonical text primary key,
    parameters text not null,
    created_at timestamptz not null
);

create table users (
    id uuid primary key,
    email text not null,
    email_canonical text not null references addresses (canonical),
    username text,
    username_canonical text,
    password_hash text not null,
    -- A reset link is bound to it: whatever sets a password spends the links that were made before.
    password_set_at timestamptz not null,
    confirmed_at timestamptz,
    disabled_at timestamptz,
    created_at timestamptz not null,
    constraint users_username_both check ((username is null) = (username_canonical is null))
);

-- An address belongs to one account at most: the one that was confirmed.
create unique index users_confirmed_email_key on users (email_canonical) where confirmed_at is not null;
create unique index users_username_key on users (username_canonical);
create index users_email_canonical_idx on users (email_canonical, created_at);
create index users_unconfirmed_idx on users (created_at) where confirmed_at is null;
