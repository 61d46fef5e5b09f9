-- Failed sign-ins in a row by the name that was typed, whether it exists or not. The name is hashed, because people
-- type passwords into the wrong field. A name has one row for all clients that are strangers to it (0.0.0.0/0), and one for
-- each client, with the failures of that client.
create table login_throttles (
    name_sha256 bytea not null check (octet_length(name_sha256) = 32),
    client inet not null,
    failures integer not null,
    blocked_until timestamptz,
    last_at timestamptz not null,
    -- The account was signed in to from this client; until then, only the client's own failures count for it.
    known_until timestamptz,
    -- When the row limits nothing any more, and may go. Null while the name is locked.
    forgotten_at timestamptz,
    primary key (name_sha256, client)
);

create index login_throttles_forgotten_at_idx on login_throttles (forgotten_at);

-- What a client did within a window of time. A client is an IPv4 address or an IPv6 /64; a /48 is counted as well.
create table client_throttles (
    client inet not null,
    action text not null,
    count integer not null,
    window_ends_at timestamptz not null,
    primary key (client, action)
);

create index client_throttles_window_ends_at_idx on client_throttles (window_ends_at);
