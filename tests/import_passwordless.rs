//! `vestibule user import` for people without a usable password: they come in with "forgot password".

use serde_json::json;

use crate::import::{PASSWORD, WERKZEUG, export, import, import_into, lines};
use crate::support::account::OTHER_PASSWORD;
use crate::support::database::TestDatabase;
use crate::support::{Actor, TestApp};

#[tokio::test]
async fn an_account_without_a_usable_password_is_imported_and_gets_one_by_a_reset() {
    let app = TestApp::start().await;
    let rows = [
        json!({ "email": "ada@example.com" }),
        json!({ "email": "bob@example.com", "password_hash": null }),
        json!({ "email": "eve@example.com", "password_hash": "" }),
        json!({ "email": "dan@example.com", "password_hash": "!Xr4cmSL2ZFpGTk0nIZpPfhKH7dTbWLTmSUj6eQsl" }),
    ];
    assert_eq!(import(&app, &lines(rows), &[]).expect_success(), "4 imported, 0 already there, 0 refused\n");
    let without = "select count(*) from users where password_hash is null and password_set_at is null";
    assert_eq!(app.database.number(without).await, 4);
    for name in ["ada", "bob", "eve", "dan"] {
        let actor = Actor::new(&app, name);
        for password in ["", PASSWORD, "!Xr4cmSL2ZFpGTk0nIZpPfhKH7dTbWLTmSUj6eQsl"] {
            let fields = json!({ "email": actor.email, "password": password });
            assert_ne!(app.visitor().post_json("/login", &fields).await.status, 200, "{name}");
        }
        let token = app.reset_link(&actor).await.token();
        app.reset(&token, OTHER_PASSWORD).await.expect(204);
        let fields = json!({ "email": actor.email, "password": OTHER_PASSWORD });
        let user = app.visitor().post_json("/login", &fields).await.expect(200).json()["user"].clone();
        assert_eq!(user["confirmed"], true, "{name}");
    }
}

#[tokio::test]
async fn an_unconfirmed_account_without_a_password_leaves_its_address_to_others() {
    let app = TestApp::start().await;
    let row = json!({ "email": "ada@example.com", "confirmed": false });
    assert_eq!(import(&app, &lines([row]), &[]).expect_success(), "1 imported, 0 already there, 0 refused\n");
    let ada = Actor::new(&app, "ada");
    ada.register_as(json!({ "email": ada.email, "password": ada.password })).await.expect(202);
    let fields = json!({ "email": ada.email, "password": ada.password });
    app.visitor().post_json("/login", &fields).await.expect(200);
    // A confirmed line takes the address as from any other unconfirmed account.
    let row = json!({ "email": "ada@example.com", "password_hash": WERKZEUG });
    assert_eq!(import(&app, &lines([row]), &[]).expect_success(), "1 imported, 0 already there, 0 refused\n");
    assert_eq!(app.database.number("select count(*) from users").await, 1);
    let fields = json!({ "email": ada.email, "password": PASSWORD });
    app.visitor().post_json("/login", &fields).await.expect(200);
}

#[tokio::test]
async fn an_export_with_accounts_without_a_password_is_imported_as_it_is() {
    let here = TestDatabase::migrated();
    let id = |at: u32| format!("0b5f1c5e-7f0e-4d5a-9a39-0d4f3f1f6a{at}");
    let rows = [
        // The owner has no password, two registrations of the address have one each or none.
        json!({ "email": "ada@example.com", "id": id(11) }),
        json!({ "email": "ada@example.com", "id": id(12), "confirmed": false, "password_hash": WERKZEUG }),
        json!({ "email": "ada@example.com", "id": id(13), "confirmed": false }),
        // The first registration has none, the second decides about the parameters.
        json!({ "email": "bob@example.com", "id": id(14), "confirmed": false }),
        json!({ "email": "bob@example.com", "id": id(15), "confirmed": false, "password_hash": WERKZEUG }),
    ];
    let said = import_into(&here, &lines(rows), &[]).expect_success();
    assert_eq!(said, "5 imported, 0 already there, 0 refused\n");
    let (exported, there) = (export(&here), TestDatabase::migrated());
    assert_eq!(exported.lines().count(), 5);
    assert_eq!(
        import_into(&there, exported.as_bytes(), &["--dry-run"]).expect_success(),
        said.replace("imported", "would be imported")
    );
    assert_eq!(import_into(&there, exported.as_bytes(), &[]).expect_success(), said);
    assert_eq!(export(&there), exported);
    let parameters = "select count(*) from addresses where parameters like 'pbkdf2:sha256:%'";
    assert_eq!(there.number(parameters).await, 2);
}
