//! The guard in handlers of an application around this service: what it refuses gets an answer of ours, everything else
//! stays as the application made it.

use std::rc::Rc;

use actix_http::Extensions;
use actix_service::boxed::{self, BoxService};
use actix_service::{Service, Transform};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, web};
use futures_util::future::LocalBoxFuture;

use crate::app::App;
use crate::db;
use crate::session::{SessionCookies, Sessions};

use super::edge::{Exchange, own_problem};

/// The middleware of such handlers: looks up the session of a request, and answers what the guard refuses.
pub struct HostSessions {
    app: web::Data<App>,
    sessions: Sessions,
    /// For what runs inside: the application has no such data.
    data: Rc<Extensions>,
}

impl HostSessions {
    pub fn new(app: &web::Data<App>, cookies: &web::Data<SessionCookies>, sessions: Sessions) -> Self {
        let mut data = Extensions::new();
        data.insert(app.clone());
        data.insert(cookies.clone());
        Self { app: app.clone(), sessions, data: Rc::new(data) }
    }
}

impl<S, B> Transform<S, ServiceRequest> for HostSessions
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = BoxService<ServiceRequest, ServiceResponse<BoxBody>, Error>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let (app, data) = (self.app.clone(), Rc::clone(&self.data));
        let inside = self.sessions.new_transform(service);
        Box::pin(async move {
            let outside = from_fn(move |mut req: ServiceRequest, next: Next<B>| {
                req.add_data_container(Rc::clone(&data));
                answer(app.clone(), req, next)
            });
            Ok(boxed::service(outside.new_transform(inside.await?).await?))
        })
    }
}

async fn answer<B: MessageBody + 'static>(
    app: web::Data<App>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let exchange = Exchange::new(app, req.method(), req.headers());
    let mut answer = match db::in_limited_time(next.call(req)).await {
        Ok(answer) => answer.map_into_boxed_body(),
        Err(error) => {
            let Some(problem) = own_problem(&error) else { return Err(error) };
            let answer = exchange.answer(&problem);
            return Err(InternalError::from_response(problem, answer).into());
        }
    };
    if let Some(problem) = answer.response().error().and_then(own_problem) {
        return Ok(answer.into_response(exchange.answer(&problem)));
    }
    // It depends on who asks: no cache may give it to others.
    if !answer.headers().contains_key(CACHE_CONTROL) {
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(answer)
}
