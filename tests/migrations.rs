//! Migrations lock nobody out: an index on a table that has rows already is created `concurrently`.

use std::fs;

use crate::architecture::root;

/// The statements of a migration: in lower case, without comments, with single blanks.
fn statements(sql: &str) -> Vec<String> {
    let code: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap()).collect();
    let code = code.join(" ").to_lowercase();
    let statements = code.split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "));
    statements.filter(|statement| !statement.is_empty()).collect()
}

fn word_after<'a>(statement: &'a str, text: &str) -> Option<&'a str> {
    let (_, rest) = statement.split_once(text)?;
    let rest = rest.strip_prefix("if not exists ").or_else(|| rest.strip_prefix("only ")).unwrap_or(rest);
    rest.split([' ', '(']).next()
}

/// What is wrong with the indexes of a migration.
fn complaint(sql: &str, metadata: &str) -> Option<String> {
    let statements = statements(sql);
    let created: Vec<&str> = statements.iter().filter_map(|statement| word_after(statement, "create table ")).collect();
    let is_index =
        |statement: &&String| statement.starts_with("create index") || statement.starts_with("create unique index");
    let on_old = |statement: &&String| !created.contains(&word_after(statement, " on ").unwrap_or_default());
    let indexes: Vec<&String> = statements.iter().filter(is_index).filter(on_old).collect();
    let first = indexes.first()?;
    if !indexes.iter().all(|statement| statement.contains("index concurrently ")) {
        return Some(format!("not concurrently: {first}"));
    }
    // Each statement stands alone: if one fails, the migration can be repeated.
    if statements.len() > 1 {
        return Some(format!("not in a migration of its own: {first}"));
    }
    let is_alone = metadata.lines().any(|line| line.replace(' ', "") == "run_in_transaction=false");
    (!is_alone).then(|| format!("metadata.toml does not say run_in_transaction = false: {first}"))
}

#[test]
fn an_index_on_an_existing_table_is_created_concurrently() {
    const ALONE: &str = "run_in_transaction = false\n";
    let good = [
        ("create table a (b int); create unique index a_b on a (b);", ""),
        ("-- create index a_b on a (b);\ncreate table c (d int);", ""),
        ("create index concurrently if not exists a_b on a (b);", ALONE),
    ];
    for (sql, metadata) in good {
        assert_eq!(complaint(sql, metadata), None, "{sql}");
    }
    let bad = [
        ("create index a_b on a (b);", ALONE),
        ("create table c (d int); create index a_b on only a (b);", ""),
        ("create index concurrently a_b on a (b);", ""),
        ("create index concurrently a_b on a (b); create index concurrently a_c on a (c);", ALONE),
    ];
    for (sql, metadata) in bad {
        assert!(complaint(sql, metadata).is_some(), "{sql}");
    }
    let mut count = 0;
    for entry in fs::read_dir(root().join("migrations")).unwrap() {
        let folder = entry.unwrap().path();
        let metadata = fs::read_to_string(folder.join("metadata.toml")).unwrap_or_default();
        for file in ["up.sql", "down.sql"] {
            let sql = fs::read_to_string(folder.join(file)).unwrap();
            assert_eq!(complaint(&sql, &metadata), None, "{}", folder.join(file).display());
            count += 1;
        }
    }
    assert!(count >= 14);
}
