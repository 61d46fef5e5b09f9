drop table registrations;
drop table users;
drop table addresses;
