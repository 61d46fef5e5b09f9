drop table account_events;
