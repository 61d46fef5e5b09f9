drop table sent_mails;
