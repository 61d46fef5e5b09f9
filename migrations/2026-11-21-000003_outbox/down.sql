drop table code_tries;
drop table outbox;
