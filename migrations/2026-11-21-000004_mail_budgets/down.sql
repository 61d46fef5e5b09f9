drop table mail_budgets;
