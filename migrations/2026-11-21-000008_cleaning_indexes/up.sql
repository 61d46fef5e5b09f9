-- An account that goes takes its letters with it: without this, each one would read the whole table.
create index mails_user_id_idx on mails (user_id);
-- What was sent or given up goes after a while.
create index mails_done_idx on mails (queued_at) where state <> 'queued';
