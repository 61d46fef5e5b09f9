//! Bodies, from bytes to the request types: only a JSON object is accepted, a refusal names fields and never repeats a
//! value, and `Debug` shows no password.
//! The first byte chooses the type of the body, the rest is its bytes.
#![no_main]

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::LazyLock;

use actix_web::test::TestRequest;
use actix_web::{FromRequest as _, web};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tokio::runtime::Runtime;
use vestibule::app::App;
use vestibule::flows::{Credentials, Registration, ResendRequest};
use vestibule::http::{FromFields, Json};
use vestibule::problem::{Code, Problem};
use vestibule_fuzz::{app, is_telling};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static APP: LazyLock<web::Data<App>> = LazyLock::new(|| web::Data::new(app(&RUNTIME)));

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    match which % 3 {
        0 => check::<Registration>(bytes, &["email", "password", "username"]),
        1 => check::<Credentials>(bytes, &["email", "username", "password", "remember", "transport"]),
        _ => check::<ResendRequest>(bytes, &["email"]),
    }
});

fn check<T: FromFields + Debug + 'static>(bytes: &[u8], known: &[&str]) {
    let read = read::<T>(bytes);
    let code = read.as_ref().err().map(|problem| problem.code);
    if bytes.len() > 16 * 1024 {
        return assert_eq!(code, Some(Code::PayloadTooLarge));
    }
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(bytes) else {
        return assert_eq!(code, Some(Code::InvalidJson), "accepted, but not a JSON object");
    };
    let password = object.get("password").and_then(Value::as_str).filter(|password| is_telling(password));
    match read {
        Ok(body) => {
            assert!(object.keys().all(|name| known.contains(&name.as_str())), "an unknown field is accepted");
            let shown = format!("{body:?}");
            assert!(!password.is_some_and(|password| shown.contains(password)), "Debug shows the password");
            let again = self::read::<T>(&serde_json::to_vec(&object).expect("JSON"));
            assert!(again.is_ok(), "the same JSON in another spelling is refused");
        }
        Err(problem) => {
            assert_eq!(problem.code, Code::ValidationFailed, "{problem}");
            assert!(!problem.errors.is_empty(), "refused without a reason");
            check_complaints(&problem, &object, known);
        }
    }
}

fn check_complaints(problem: &Problem, object: &serde_json::Map<String, Value>, known: &[&str]) {
    let pointers: HashSet<&str> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
    for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        assert!(pointers.contains(pointer.as_str()), "{pointer:?} is not reported");
    }
    for error in &problem.errors {
        let name = error.pointer[1..].replace("~1", "/").replace("~0", "~");
        assert!(
            known.contains(&name.as_str()) || object.contains_key(&name),
            "{name:?} is neither known nor in the body"
        );
    }
    let said = problem.errors.iter().map(|error| error.detail.as_str()).chain([problem.detail.as_str()]);
    let said = said.collect::<Vec<_>>().join("\n");
    for value in object.values().filter_map(Value::as_str).filter(|value| is_telling(value)) {
        assert!(!said.contains(value), "a refusal repeats {value:?}");
    }
}

fn read<T: FromFields + 'static>(bytes: &[u8]) -> Result<T, Problem> {
    let request = TestRequest::post().insert_header(("content-type", "application/json")).app_data(APP.clone());
    let (request, mut payload) = request.set_payload(bytes.to_vec()).to_http_parts();
    let reading = Json::<T>::from_request(&request, &mut payload);
    RUNTIME.block_on(reading).map(|Json(body)| body)
}
