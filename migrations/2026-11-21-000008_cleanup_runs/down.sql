drop table cleanup_runs;
