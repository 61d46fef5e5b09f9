-- How many mails a stranger can still cause to an address, for each kind. No account is named, because the limit must
-- outlive accounts that are registered and deleted one after the other.
create table mail_budgets (
    -- The canonical address without its +tag.
    mailbox text not null,
    kind text not null,
    sent_at timestamptz not null,
    -- When the budget is full again.
    full_at timestamptz not null,
    primary key (mailbox, kind)
);

create index mail_budgets_full_at_idx on mail_budgets (full_at);
