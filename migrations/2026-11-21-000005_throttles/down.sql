drop table client_throttles;
drop table login_throttles;
