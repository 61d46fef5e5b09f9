drop table client_throttles;
drop table account_throttles;
