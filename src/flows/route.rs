//! From the route table to actix: a resource per path that answers HEAD where it answers GET, and 405 with `Allow` to
//! every other method.

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource, Route, guard};

use crate::session::Sessions;

/// A line of the route table.
pub struct Operation {
    method: Method,
    path: &'static str,
    route: fn() -> Route,
    access: Access,
}

/// What an operation does with sessions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// It looks at none.
    Open,
    /// It looks at that of the request, or begins one.
    Session,
    /// It looks at that of the request whatever the method, and never changes anything.
    Look,
}

impl Operation {
    /// An operation that looks at no session.
    pub fn open(method: Method, path: &'static str, route: fn() -> Route) -> Self {
        Self { method, path, route, access: Access::Open }
    }

    pub fn path(&self) -> &'static str {
        self.path
    }

    /// An operation that looks at the session of the request, or begins one.
    pub fn session(method: Method, path: &'static str, route: fn() -> Route) -> Self {
        Self { access: Access::Session, ..Self::open(method, path, route) }
    }

    /// An operation that looks at the session of a request with any method, and never changes anything: pages of other
    /// origins may cause it. It is alone on its path.
    pub fn look(method: Method, path: &'static str, route: fn() -> Route) -> Self {
        Self { access: Access::Look, ..Self::open(method, path, route) }
    }
}

/// Registers the operations, those of one path together.
pub fn register(config: &mut ServiceConfig, operations: Vec<Operation>, sessions: &Sessions) {
    let mut paths: Vec<(&str, Vec<Operation>)> = Vec::new();
    for operation in operations {
        match paths.iter_mut().find(|(path, _)| *path == operation.path) {
            Some((_, same)) => same.push(operation),
            None => paths.push((operation.path, vec![operation])),
        }
    }
    for (path, operations) in paths {
        let methods: Vec<&Method> = operations.iter().map(|operation| &operation.method).collect();
        let mut resource = web::resource(path).default_service(method_not_allowed(&methods));
        let has = |access| operations.iter().any(|operation| operation.access == access);
        for operation in &operations {
            let route = (operation.route)();
            resource = resource.route(match operation.access {
                Access::Look => route,
                Access::Open | Access::Session => route.guard(method_guard(operation.method.clone())),
            });
        }
        if has(Access::Session) {
            config.service(resource.wrap(sessions.clone()));
        } else if has(Access::Look) {
            config.service(resource.wrap(sessions.of_every_origin()));
        } else {
            config.service(resource);
        }
    }
}

/// A resource that answers only GET and HEAD.
pub fn read_only(path: &str, route: fn() -> Route) -> Resource {
    web::resource(path)
        .default_service(method_not_allowed(&[&Method::GET]))
        .route(route().guard(method_guard(Method::GET)))
}

fn method_guard(method: Method) -> impl guard::Guard {
    guard::fn_guard(move |context| {
        let asked = &context.head().method;
        *asked == method || (method == Method::GET && *asked == Method::HEAD)
    })
}

fn method_not_allowed(methods: &[&Method]) -> Route {
    let mut names: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    // Method names are valid in headers.
    let allow = HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static(""));
    web::to(move || {
        let answer = HttpResponse::MethodNotAllowed().insert_header((ALLOW, allow.clone())).finish();
        async { answer }
    })
}
