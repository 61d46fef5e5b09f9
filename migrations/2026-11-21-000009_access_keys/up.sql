-- Since when other services can know the public keys that verify access tokens. A key signs when it was published for a
-- while. The keys themselves are derived from SECRET_KEY and stand in no table.
create table access_keys (
    kid text primary key,
    first_published_at timestamptz not null
);
