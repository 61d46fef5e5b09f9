//! `ALLOWED_ORIGINS`: origins of pages and of apps.

use super::PublicUrl;

/// The schemes of pages that an app or a browser extension brings along. Others are refused: `null` and `file://` are the
/// origin of too many pages, and a misspelt `htps://` would match nothing.
const APP_SCHEMES: [&str; 7] =
    ["app", "capacitor", "chrome-extension", "ionic", "moz-extension", "safari-web-extension", "tauri"];

/// Reads an origin, and writes it as browsers do. Refuses `*`, which would let every page act for every user. As a part of a
/// host it would match nothing.
pub fn origin(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.contains('*') {
        return Err("must name each origin in full, without *".into());
    }
    if let Some(origin) = app_origin(text) {
        return Ok(origin);
    }
    let url = text.parse::<PublicUrl>().ok().filter(|url| url.base_path().is_empty()).ok_or_else(|| {
        format!(
            "must be origins such as https://app.example.com, or of an app, such as capacitor://localhost (schemes: {})",
            APP_SCHEMES.join(", ")
        )
    })?;
    Ok(url.origin().ascii_serialization())
}

/// The `Origin` of an app is its scheme and host. For the URL standard it is opaque, so `Url` cannot write it.
fn app_origin(text: &str) -> Option<String> {
    let (scheme, host) = text.split_once("://")?;
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.strip_suffix('/').unwrap_or(host));
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    (is_host && APP_SCHEMES.contains(&scheme.as_str())).then(|| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_do() {
        for (written, means) in [
            ("https://App.Example.com:443/", "https://app.example.com"),
            (" Capacitor://localhost/", "capacitor://localhost"),
            ("tauri://localhost", "tauri://localhost"),
            (
                "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
                "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            ),
            // Safari writes these in upper case.
            ("safari-web-extension://9C3E-A1", "safari-web-extension://9C3E-A1"),
        ] {
            assert_eq!(origin(written).unwrap(), means);
        }
        for wrong in [
            "*",
            "https://*.example.com",
            "null",
            "file://",
            "file:///home/ada/index.html",
            "app.example.com",
            "htps://app.example.com",
            "https://app.example.com/path",
            "capacitor://",
            "capacitor:localhost",
            "capacitor://localhost/path",
            "capacitor://ada@localhost",
            "chrome-extension://*",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }
}
