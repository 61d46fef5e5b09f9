//! A PostgreSQL that runs but cannot serve: out of connections, read-only, killed.

use serde_json::json;
use vestibule::config::Secret;

use crate::security::faults::{assert_recovered, assert_unavailable, in_time};
use crate::support::binary::Process;
use crate::support::database::fresh_dir;
use crate::support::{Credential, TestApp, eventually, password_of};

async fn end_connections(app: &TestApp) {
    let others = "select pg_terminate_backend(pid) from pg_stat_activity \
                  where datname = current_database() and pid <> pg_backend_pid()";
    app.database.rows(others).await;
}

#[tokio::test]
async fn the_service_recovers_when_the_database_was_out_of_connections() {
    // A limit on a role, as it does not affect other tests. It does not apply to superusers, hence the new role.
    let role = format!("vestibule_small_{}", std::process::id());
    let mut url = None;
    let app = TestApp::with(|settings| url = settings.database_url.clone()).await;
    let ada = app.member("ada").await;
    let rights = format!(
        "create role {role} login; grant usage, create on schema public to {role}; \
         grant all on all tables in schema public to {role}; grant all on all sequences in schema public to {role}"
    );
    app.database.rows(&rights).await;
    let small = app
        .beside(|settings| {
            let mut small = url::Url::parse(url.unwrap().reveal()).unwrap();
            small.set_username(&role).unwrap();
            settings.database_url = Some(Secret::from(small.to_string()));
        })
        .await;
    let ada = ada.at(&small);
    assert!(ada.is_signed_in().await);

    app.database.rows(&format!("alter role {role} connection limit 0")).await;
    end_connections(&app).await;
    assert_unavailable(&small, &ada).await;
    app.database.rows(&format!("alter role {role} connection limit -1")).await;
    assert_recovered(&small, &ada).await;

    drop(small);
    app.database.rows(&format!("drop owned by {role}; drop role {role}")).await;
}

#[tokio::test]
async fn the_service_recovers_when_the_database_was_read_only() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let visitor = ada.with(Credential::Nothing);
    let set = async |value: &str| {
        let name = app.database.rows("select current_database()").await[0][0].clone().unwrap();
        let setting = format!("alter database {name} set default_transaction_read_only = {value}");
        app.database.rows(&format!("begin read write; {setting}; commit")).await;
        end_connections(&app).await;
    };
    set("on").await;
    // The service notices a closed connection at its next use at the latest.
    eventually("reading works", async || (ada.get("/me").await.status == 200).then_some(())).await;
    let fresh = json!({ "email": "fresh@example.com", "password": password_of("fresh") });
    for answer in [
        in_time(visitor.try_sign_in(json!({}))).await,
        in_time(visitor.register_as(fresh)).await,
        in_time(ada.post("/logout")).await,
    ] {
        let answer = answer.expect_problem(503, "unavailable");
        assert_eq!(answer.set_cookie(), None, "{}", answer.request);
    }
    // The last use of a session cannot be recorded, but that must not end the session.
    app.clock.advance(chrono::Duration::minutes(2));
    assert_ne!(in_time(ada.get("/me")).await.status, 401);
    set("off").await;
    assert_recovered(&app, &ada).await;
}

#[tokio::test]
async fn the_service_recovers_when_the_database_was_killed() {
    let data_dir = fresh_dir("data");
    let process = Process::start(&data_dir, &[]);
    let http = process.ready().await;
    let credentials = json!({ "email": "ada@example.com", "password": password_of("ada"), "transport": "bearer" });
    let registration = json!({ "email": "ada@example.com", "password": password_of("ada") });
    http.request("POST", "/register").json(&registration).send().await.expect(202);
    let login = http.request("POST", "/login").json(&credentials).send().await.expect(200).json();
    let bearer = format!("Bearer {}", login["session"]["token"].as_str().unwrap());
    let me = || http.request("GET", "/me").header("Authorization", &bearer).send();

    let url = std::fs::read_to_string(data_dir.join("postgres.url")).unwrap();
    let config: tokio_postgres::Config = url.parse().unwrap();
    let tokio_postgres::config::Host::Unix(folder) = &config.get_hosts()[0] else { panic!("{url}") };
    let lock = std::fs::read_to_string(folder.join(".s.PGSQL.5432.lock")).unwrap();
    let postmaster = lock.lines().next().unwrap();
    assert!(std::process::Command::new("kill").args(["-KILL", postmaster]).status().unwrap().success());

    let began = std::time::Instant::now();
    let mut was_unavailable = false;
    eventually("the service recovers", async || {
        let answer = in_time(me()).await;
        was_unavailable |= answer.status == 503;
        assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
        let ready = http.request("GET", "/health/ready").send().await.status == 200;
        (was_unavailable && ready && answer.status == 200).then_some(())
    })
    .await;
    eprintln!("recovered after {:?}", began.elapsed());
}
