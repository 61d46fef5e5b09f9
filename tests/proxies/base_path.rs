//! The service under a path behind nginx, which strips the path from requests or does not.

use crate::base_path::an_account_and_the_docs;
use crate::support::TestApp;
use crate::support::proxies::{RealProxy, free_address};

async fn behind_nginx(proxy_pass: &str) {
    let address = free_address();
    let public_url = format!("http://{address}/auth");
    let app = TestApp::with_flags(&["--public-url", &public_url, "--trusted-proxies", "127.0.0.1"]).await;
    let location = format!(
        "location /auth/ {{
             proxy_pass {};
             proxy_http_version 1.1;
             proxy_set_header Host $http_host;
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
         }}",
        proxy_pass.replace("http://up", &app.http.base)
    );
    let Some(proxy) = RealProxy::nginx(&address, &location).await else { return };
    an_account_and_the_docs(&app, &public_url, &format!("{}/auth", proxy.base)).await;
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn nginx_may_strip_the_base_path() {
    behind_nginx("http://up/").await;
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn nginx_may_pass_the_base_path_on() {
    behind_nginx("http://up").await;
}
