-- Failed sign-ins in a row by the name that was typed, whether it exists or not. The name is hashed, because people
-- type passwords into the wrong field.
create table login_throttles (
    name_sha256 bytea primary key check (octet_length(name_sha256) = 32),
    failures integer not null,
    blocked_until timestamptz,
    last_at timestamptz not null
);

create index login_throttles_last_at_idx on login_throttles (last_at);

-- What a client did within a window of time. A client is an IPv4 address or an IPv6 /64.
create table client_throttles (
    client inet not null,
    action text not null,
    count integer not null,
    window_ends_at timestamptz not null,
    primary key (client, action)
);

create index client_throttles_window_ends_at_idx on client_throttles (window_ends_at);
