//! `POST /confirm/code`: the code of the email confirms a registration, and nothing without it.

use serde_json::{Value, json};
use vestibule::token::Token;

use crate::security::post_from;
use crate::support::smtp::{Behaviour, Moment, SmtpCatcher};
use crate::support::{Actor, Answer, TestApp, canary, password_of};

pub const PATH: &str = "/confirm/code";

/// A user who registered and signed in, and what `POST /register` answered.
pub async fn registered(app: &TestApp, name: &str) -> (Actor, Value) {
    let mut actor = Actor::new(app, name);
    let registration = actor.register().await.expect(202).json()["registration"].clone();
    actor.sign_in().await;
    (actor, registration)
}

/// Registers this address as one client, and returns the registration.
pub async fn register_from(app: &TestApp, client: &str, email: &str) -> Value {
    let fields = json!({ "email": email, "password": password_of(client) });
    post_from(app, client, "/register", &fields).await.expect(202).json()["registration"].clone()
}

pub async fn code_of(app: &TestApp, actor: &Actor) -> String {
    app.mailbox.mail_to(&actor.email).await.code().to_owned()
}

/// Another code than this one.
pub fn wrong(code: &str) -> String {
    let last = if code.ends_with('1') { "2" } else { "1" };
    format!("{}{last}", &code[..7])
}

/// Types a code on a device without a session.
pub async fn try_code(app: &TestApp, registration: &Value, code: &str) -> Answer {
    app.visitor().post_json(PATH, &json!({ "registration": registration, "code": code })).await
}

#[track_caller]
pub fn assert_status(answer: Answer, status: &str) {
    assert_eq!(answer.expect(200).json(), json!({ "status": status }));
}

#[track_caller]
pub fn assert_refused(answer: Answer) {
    answer.expect_problem(422, "code_invalid");
}

#[tokio::test]
async fn the_code_in_the_email_confirms_its_registration() {
    let app = TestApp::start().await;
    let (ada, registration) = registered(&app, "ada").await;
    let (rival, _) = (app.visitor().with_email(&ada.email), app.mailbox.mail_to(&ada.email).await);
    rival.register_as(json!({ "email": rival.email, "password": rival.password })).await.expect(202);
    let mail = app.mailbox.mails_to(&ada.email, 2).await.remove(1);
    let (first, second) = mail.code().split_at(4);
    assert!(mail.text.contains(&format!("\n{first} {second}\n")) && mail.text.contains("15 minutes"), "{}", mail.text);
    assert!(mail.html.contains(&format!(">{first} {second}<")) && mail.html.contains("15 minutes"), "{}", mail.html);

    let answer = try_code(&app, &registration, mail.code()).await;
    assert_eq!(answer.set_cookie(), None, "confirming gives no session");
    assert_status(answer, "confirmed");
    assert!(ada.passes_the_guard().await && !rival.can_sign_in().await);
    assert_eq!(ada.events().await.iter().filter(|kind| *kind == "confirmed").count(), 1);
    assert_status(try_code(&app, &registration, mail.code()).await, "already_confirmed");
    assert_eq!(ada.open(&mail.path()).await.expect(200).json()["status"], "already_confirmed");
    assert_eq!(ada.events().await.iter().filter(|kind| *kind == "confirmed").count(), 1);
}

#[tokio::test]
async fn after_the_link_was_used_the_code_says_so() {
    let app = TestApp::start().await;
    let (ada, registration) = registered(&app, "ada").await;
    let mail = app.mailbox.mail_to(&ada.email).await;
    ada.open(&mail.path()).await.expect(200);
    assert_refused(try_code(&app, &registration, &wrong(mail.code())).await);
    assert_status(try_code(&app, &registration, mail.code()).await, "already_confirmed");
}

#[tokio::test]
async fn a_code_is_read_however_it_is_typed() {
    let app = TestApp::start().await;
    for (number, form) in ["A B", "A-B", "\u{a0}A\u{2009}B\r\n", "Your code is A B.", "wide"].iter().enumerate() {
        let (ada, registration) = registered(&app, &format!("ada{number}")).await;
        let code = code_of(&app, &ada).await;
        let typed = match *form {
            "wide" => code.bytes().map(|digit| char::from_u32(0xff10 + u32::from(digit - b'0')).unwrap()).collect(),
            form => form.replace('A', &code[..4]).replace('B', &code[4..]),
        };
        assert_status(try_code(&app, &registration, &typed).await, "confirmed");
    }
}

#[tokio::test]
async fn what_has_not_eight_digits_is_no_code_and_no_try() {
    let app = TestApp::start().await;
    let (ada, registration) = registered(&app, "ada").await;
    let code = code_of(&app, &ada).await;
    for text in ["", "1234567", "123456789", "abcdefgh", &" ".repeat(300), &format!("{code}{}", " ".repeat(300))] {
        try_code(&app, &registration, text).await.expect_errors(&[("/code", "malformed")]);
    }
    let visitor = app.visitor();
    let missing = [("/code", "required"), ("/registration", "required")];
    visitor.post_json(PATH, &json!({})).await.expect_errors(&missing);
    let more = json!({ "registration": registration, "code": 12_345_678, "email": ada.email });
    visitor.post_json(PATH, &more).await.expect_errors(&[("/code", "wrong_type"), ("/email", "unknown_field")]);
    assert_status(try_code(&app, &registration, &code).await, "confirmed");
}

#[tokio::test]
async fn a_code_confirms_no_registration_of_another_address() {
    let app = TestApp::start().await;
    let ((ada, _), (eve, hers)) = (registered(&app, "ada").await, registered(&app, "eve").await);
    let code = code_of(&app, &ada).await;
    assert_refused(try_code(&app, &hers, &code).await);
    // A session is no registration.
    for registration in [json!(ada.token()), json!(eve.token())] {
        let fields = json!({ "registration": registration, "code": code });
        assert_refused(ada.post_json(PATH, &fields).await);
    }
    assert!(!ada.passes_the_guard().await && !eve.passes_the_guard().await);
}

/// Otherwise registering an address and typing any code would tell whether it has an account.
#[tokio::test]
async fn everything_that_is_wrong_gets_the_same_answer() {
    let app = TestApp::start().await;
    let bob = app.member("bob").await;
    let code = app.mailbox.mail_to(&bob.email).await.code().to_owned();
    let mut seen = Vec::new();
    for email in ["fresh@example.com", bob.email.as_str()] {
        let registration = register_from(&app, "198.51.100.1", email).await;
        app.mailbox.wait_until_idle().await;
        for _ in 0..7 {
            seen.push(try_code(&app, &registration, "00000000").await);
        }
        // The owner of the address reads the mailbox, but this is not the account that was confirmed.
        if email == bob.email {
            seen.push(try_code(&app, &register_from(&app, "198.51.100.2", email).await, &code).await);
        }
    }
    for unknown in [json!(Token::random().reveal()), json!(""), json!("x"), json!("A".repeat(4000)), json!(bob.token())]
    {
        seen.push(try_code(&app, &unknown, &code).await);
    }
    assert_eq!(seen.len(), 20);
    for answer in &seen {
        assert_eq!(answer.appearance(), seen[0].appearance());
        assert_refused(answer.clone());
    }
    assert_eq!(app.database.number("select count(*) from users where confirmed_at is not null").await, 1);
}

#[tokio::test]
async fn a_disabled_account_is_not_confirmed() {
    let app = TestApp::start().await;
    let (ada, registration) = registered(&app, "ada").await;
    let code = code_of(&app, &ada).await;
    app.database.rows("update users set disabled_at = now()").await;
    assert_refused(try_code(&app, &registration, &code).await);
    app.database.rows("update users set disabled_at = null").await;
    assert_status(try_code(&app, &registration, &code).await, "confirmed");
}

#[tokio::test]
async fn codes_under_a_former_key_work_and_under_a_foreign_key_do_not() {
    let (old, new) = ("ab".repeat(32), "cd".repeat(32));
    let ring = |text: &str| vestibule::config::key_ring(text).ok();
    let app = TestApp::with(|settings| settings.secret_key = ring(&old)).await;
    let (ada, registration) = registered(&app, "ada").await;
    let code = code_of(&app, &ada).await;
    let foreign = app.beside(|settings| settings.secret_key = ring(&new)).await;
    assert_refused(try_code(&foreign, &registration, &code).await);
    let rotated = app.beside(|settings| settings.secret_key = ring(&format!("{new},{old}"))).await;
    assert_status(try_code(&rotated, &registration, &code).await, "confirmed");
}

#[tokio::test]
async fn an_email_that_is_sent_twice_has_one_code() {
    let smtp = SmtpCatcher::start().await;
    smtp.once(Moment::FinalDot, Behaviour::AcceptAndHangUp);
    let url = smtp.url.clone();
    let app = TestApp::with_flags(&["--smtp-url", &url]).await;
    let (_, registration) = registered(&app, "ada").await;
    let mails = smtp.wait_within(std::time::Duration::from_secs(60), 2).await;
    let codes: Vec<String> = mails
        .iter()
        .map(|mail| {
            let text =
                mail_parser::MessageParser::default().parse(&mail.raw).unwrap().body_text(0).unwrap().into_owned();
            text.lines().find(|line| vestibule::link::Code::parse(line).is_some()).unwrap().to_owned()
        })
        .collect();
    assert_eq!(codes[0], codes[1]);
    assert_status(try_code(&app, &registration, &codes[0]).await, "confirmed");
}

#[tokio::test]
async fn a_page_of_another_origin_may_not_use_a_code_with_a_cookie() {
    let app = TestApp::start().await;
    let (ada, registration) = registered(&app, "ada").await;
    let fields = json!({ "registration": registration, "code": code_of(&app, &ada).await });
    let from = |actor: &Actor| actor.request("POST", PATH).header("Origin", "https://evil.example").json(&fields);
    from(&ada).send().await.expect_problem(403, "cross_origin");
    assert!(!ada.passes_the_guard().await);
    assert_status(ada.post_json(PATH, &fields).await, "confirmed");
}

#[tokio::test]
async fn no_table_holds_a_code() {
    let app = TestApp::start().await;
    let (ada, registration) = registered(&app, "ada").await;
    let code = code_of(&app, &ada).await;
    assert_refused(try_code(&app, &registration, &wrong(&code)).await);
    assert_status(try_code(&app, &registration, &code).await, "confirmed");
    let tables = canary::dump(&app.database.url).await.unwrap();
    assert!(tables.contains("code_tries: "), "{tables}");
    for form in [code.clone(), format!("{} {}", &code[..4], &code[4..])] {
        assert!(!tables.contains(&form), "{form}: {tables}");
    }
}

#[tokio::test]
async fn other_emails_have_no_code() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    assert_eq!(app.reset_link(&ada).await.code, None);
    app.visitor().register_as(json!({ "email": ada.email, "password": password_of("eve") })).await.expect(202);
    let mail = app.mailbox.mail_about(&ada.email, crate::support::account::ALREADY_REGISTERED).await;
    assert_eq!(mail.code, None);
    let list = app.visitor().request("GET", "/dev/mailbox").send().await.expect(200).json();
    assert!(list["mails"][0].as_object().unwrap().contains_key("code"), "null, and not missing");
}
