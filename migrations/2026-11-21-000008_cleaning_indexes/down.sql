drop index mails_done_idx;
drop index mails_user_id_idx;
