drop table users;
drop table addresses;
