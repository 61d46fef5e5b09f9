-- Fills an empty, migrated database with users, for `cargo bench -- scale` and the sizes in docs/operations.md:
--
--     createdb filled && vestibule migrate --database-url postgres://…/filled
--     psql postgres://…/filled -v users=100000 -f benches/fill.sql
--
-- User n of :users (ten million unless you say otherwise) has the address user<n>@example.com, the username user<n>, the
-- password quartz-lantern-mosaic-73 and two sessions. The token of session k (0 or 1) is the unpadded base64url of
-- sha256('session <n> <k>'). Needs a superuser, because it skips the checks of foreign keys.
\set ON_ERROR_STOP on
\timing on
\if :{?users} \else \set users 10000000 \endif
-- What this password gives with these parameters (`vestibule user create` computed it). All users share them: to sign in
-- costs what it always does.
\set parameters '$bcrypt-sha256$v=2,t=2b,r=12$/NbSMAPU8Y2JXEH81Wu0kO$'
\set hash :parameters 'YfusRYkzfMkNbCpfNhCGnJ5OPYH0M0y'

set timezone = 'UTC';
-- One time for all statements: ids are computed from it.
select now() as now
\gset
set session_replication_role = replica;
set synchronous_commit = off;
set maintenance_work_mem = '1GB';

-- A UUIDv7 of a time; the rest of it comes from a text, so that a row can be computed from the number of its user.
create function pg_temp.v7(at timestamptz, seed text) returns uuid language sql stable as $$
    select (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(seed), 14, 3)
        || 'b' || substr(md5(seed), 18))::uuid
$$;
-- The smallest id of a time.
create function pg_temp.first_id(at timestamptz) returns uuid language sql stable as $$
    select rpad(lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;
create function pg_temp.token(n bigint, k int) returns text language sql stable as $$
    select translate(rtrim(encode(sha256(convert_to('session ' || n || ' ' || k, 'UTF8')), 'base64'), '='), '+/', '-_')
$$;
-- A number from 0 to 1 that looks random.
create function pg_temp.share(seed text) returns float8 language sql stable as $$
    select (('x' || substr(md5(seed), 1, 8))::bit(32)::bigint) / 4294967296.0
$$;

-- The months of the past three years; the service creates those to come.
select format('create table if not exists account_events_%s partition of account_events for values from (%L) to (%L)',
    to_char(month, 'YYYY_MM'), pg_temp.first_id(month), pg_temp.first_id(month + interval '1 month'))
from generate_series(date_trunc('month', now()) - interval '36 months', date_trunc('month', now()), '1 month') month
\gexec

-- Indexes are created again when the rows are there, which is faster.
create temp table made_later as
select format('drop index %s', indexrelid::regclass) as remove, pg_get_indexdef(indexrelid) as make
from pg_index
where indrelid in ('users'::regclass, 'sessions'::regclass, 'login_throttles'::regclass)
    and not exists (select from pg_constraint where conindid = indexrelid)
union all
select format('alter table %s drop constraint %I', conrelid::regclass, conname),
    format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
from pg_constraint
where conrelid = 'sessions'::regclass and contype in ('u', 'p');
select remove from made_later
\gexec

insert into addresses (canonical, parameters, created_at)
select 'user' || n || '@example.com', :'parameters', :'now'::timestamptz - (:users - n) * (interval '2 years' / :users)
from generate_series(0, :users - 1) n;

insert into users (id, email, email_canonical, username, username_canonical, password_hash, password_set_at,
    credential_version, confirmed_at, created_at)
select pg_temp.v7(at, 'user ' || n), 'user' || n || '@example.com', 'user' || n || '@example.com', 'user' || n, 'user' || n,
    :'hash', at, gen_random_uuid(), at + interval '1 minute', at
from (select n, :'now'::timestamptz - (:users - n) * (interval '2 years' / :users) as at from generate_series(0, :users - 1) n) n;

-- Two living sessions each. Every hundredth user has an ended and an idle one as well.
insert into sessions (id, token_sha256, user_id, created_at, last_seen_at, expires_at, idle_seconds, is_remembered, ip,
    user_agent)
select pg_temp.v7(began, 'session ' || n || k), sha256(convert_to(pg_temp.token(n, k), 'UTF8')),
    pg_temp.v7(at, 'user ' || n), began,
    case k when 3 then began else :'now'::timestamptz - (:'now'::timestamptz - began) * pg_temp.share('seen ' || n || k) end,
    began + case k when 2 then interval '1 hour' else interval '30 days' end,
    case k when 3 then 3600 else 14 * 86400 end, k <> 2,
    '10.0.0.0'::inet + n % 16777216, 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
from (
    select n, k, :'now'::timestamptz - (:users - n) * (interval '2 years' / :users) as at,
        :'now'::timestamptz - interval '2 hours' - pg_temp.share('began ' || n || k) * interval '7 days' as began
    from generate_series(0, :users - 1) n, generate_series(0, 3) k
    where k < 2 or n % 100 = 0
) n;

insert into account_events (id, user_id, kind, actor, at, ip, user_agent, request_id)
select pg_temp.v7(at, 'event ' || n), pg_temp.v7(:'now'::timestamptz - (:users - n) * (interval '2 years' / :users), 'user ' || n),
    'signed_in', 'owner', at, '10.0.0.0'::inet + n % 16777216,
    'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', pg_temp.v7(at, 'request ' || n)::text
from (select n, :'now'::timestamptz - pg_temp.share('event ' || n) * interval '90 days' as at from generate_series(0, :users - 1) n) n;

-- Every tenth user signed in lately: two names, each counted for strangers and for the own client. One in a hundred of
-- these rows may go.
insert into login_throttles (name_sha256, client, failures, last_at, known_until, forgotten_at)
select sha256(convert_to(name, 'UTF8')), client, 0, at, known_until,
    case when n % 1000 = 0 then :'now'::timestamptz - interval '1 day' else coalesce(known_until, at + interval '30 days') end
from (
    select n, :'now'::timestamptz - pg_temp.share('event ' || n) * interval '29 days' as at
    from generate_series(0, :users - 1, 10) n
) n,
lateral (values ('email:user' || n || '@example.com'), ('username:user' || n)) names (name),
lateral (values ('0.0.0.0/0'::inet, null), ('10.0.0.0'::inet + n % 16777216, at + interval '90 days')) clients (client, known_until);

select make from made_later
\gexec
reset session_replication_role;
vacuum analyze;

select relname, reltuples::bigint as rows, pg_size_pretty(pg_total_relation_size(oid)) as size,
    round(pg_total_relation_size(oid) / nullif(reltuples, 0)) as bytes_per_row
from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace and reltuples > 0 order by 3 desc;
