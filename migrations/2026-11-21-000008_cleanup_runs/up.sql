-- Which clean-up is due when. The instance that moves next_at does the work; no lock is held meanwhile, because a pooler in
-- transaction mode would lose it.
create table cleanup_runs (
    task text primary key,
    next_at timestamptz not null
);
