-- An address becomes known when it is first registered. All accounts of an address share its hash parameters (scheme,
-- cost and salt), so that a sign-in computes one hash however many accounts there are. Whatever changes which accounts
-- an address has locks its row first.
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
    -- A complete hash string: scheme, cost, salt and digest. Null for an account without a password.
    password_hash text,
    password_set_at timestamptz,
    -- 128 random bits, new whenever a password is set. Reset links, locks and new sessions are bound to it.
    credential_version uuid not null,
    -- The client network that registered, an IPv4 address or an IPv6 /64: no network evicts the registrations of another.
    registered_from inet,
    confirmed_at timestamptz,
    disabled_at timestamptz,
    created_at timestamptz not null,
    constraint users_username_both check ((username is null) = (username_canonical is null)),
    constraint users_password_both check ((password_hash is null) = (password_set_at is null))
);

-- An address belongs to one account at most: the one that confirmed it.
create unique index users_confirmed_email_key on users (email_canonical) where confirmed_at is not null;
create unique index users_username_key on users (username_canonical);
create index users_email_canonical_idx on users (email_canonical, created_at);
create index users_unconfirmed_idx on users (created_at) where confirmed_at is null;

-- What only the client that registered has. It outlives the confirmation for a few days, so that a client which confirms
-- twice hears that it did.
create table registrations (
    user_id uuid primary key references users (id) on delete cascade,
    token_sha256 bytea not null constraint registrations_token_key unique check (octet_length(token_sha256) = 32),
    created_at timestamptz not null
);

create index registrations_created_at_idx on registrations (created_at);
