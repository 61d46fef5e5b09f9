//! `DATABASE_URL`: what of it is supported, and what a caller of libpq would expect but does not get.

use url::form_urlencoded;

use super::Secret;

/// What tokio-postgres reads besides `sslmode`.
const SUPPORTED: [&str; 18] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// Parameters that others know. Only these are repeated in a refusal: an unknown one can be a part of a password that
/// should have been percent-encoded.
const KNOWN: [&str; 24] = [
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcrl",
    "sslcrldir",
    "sslcertmode",
    "sslsni",
    "ssl",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "passfile",
    "service",
    "servicefile",
    "requiressl",
    "requirepeer",
    "require_auth",
    "gssencmode",
    "krbsrvname",
    "keepalives_count",
    "client_encoding",
    "fallback_application_name",
    "pgbouncer",
    "schema",
    "connection_limit",
];

/// Reads a URL that tokio-postgres can connect to (otherwise the service would wait for it forever), with `verify-full`
/// written as it understands it.
pub fn database_url(text: &str) -> Result<Secret, String> {
    if text.trim().is_empty() {
        return Err("must not be empty".into());
    }
    let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    if !is_url {
        return Err("must be a postgres:// URL with a host".into());
    }
    let text = with_plain_parameters(text)?;
    match text.parse::<tokio_postgres::Config>() {
        Ok(config) if !config.get_hosts().is_empty() => Ok(Secret::from(text)),
        _ => Err("must be a postgres:// URL with a host, and with the values that PostgreSQL's documents allow".into()),
    }
}

/// Checks the parameters, and replaces those that mean the same by those that tokio-postgres knows.
fn with_plain_parameters(text: &str) -> Result<String, String> {
    // A `?` before the `@` belongs to the password, as in tokio-postgres.
    let start = text.find('@').unwrap_or(0);
    let Some(begin) = text[start..].find('?').map(|at| start + at + 1) else {
        return Ok(text.to_owned());
    };
    let parameters = text[begin..].split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = form_urlencoded::parse(pair.as_bytes()).next().unwrap_or_default();
        check_parameter(&name, &value)?;
        // TLS always verifies the certificate and the host name here, so `require` is what libpq calls `verify-full`.
        Ok(if name == "sslmode" && value == "verify-full" { "sslmode=require" } else { pair })
    });
    let parameters = parameters.collect::<Result<Vec<_>, String>>()?;
    Ok(format!("{}{}", &text[..begin], parameters.join("&")))
}

fn check_parameter(name: &str, value: &str) -> Result<(), String> {
    let one_of = |allowed: &[&str]| match allowed.contains(&value) {
        true => Ok(()),
        false => Err(format!("{name} must be one of {}", allowed.join(", "))),
    };
    match name {
        "sslmode" if value == "verify-ca" => {
            Err("sslmode=verify-ca is not supported; verify-full is, which checks the host name as well".into())
        }
        "sslmode" => one_of(&["disable", "prefer", "require", "verify-full"]),
        "sslrootcert" => {
            Err("sslrootcert is not supported: certificates are verified with the store of the system, to \
                              which you can add yours, or with the file in SSL_CERT_FILE"
                .into())
        }
        "target_session_attrs" => one_of(&["any", "read-write", "read-only"]),
        "channel_binding" => one_of(&["disable", "prefer", "require"]),
        "load_balance_hosts" => one_of(&["disable", "random"]),
        "sslnegotiation" => one_of(&["postgres", "direct"]),
        name if SUPPORTED.contains(&name) => Ok(()),
        name if KNOWN.contains(&name) => Err(format!("the parameter {name} is not supported")),
        _ => Err(format!(
            "has an unknown parameter; these are supported: sslmode, {} (if it is part of the password, write ? as %3F \
             and & as %26)",
            SUPPORTED.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &str) -> Result<String, String> {
        database_url(&format!("postgres://ada:pa?ss@db.example.com/app?{parameters}"))
            .map(|url| url.reveal().to_owned())
    }

    #[test]
    fn verify_full_is_what_require_does_here() {
        for (written, means) in [
            ("sslmode=verify-full", "sslmode=require"),
            ("sslmode=verify%2Dfull&connect_timeout=3", "sslmode=require&connect_timeout=3"),
            ("sslmode=disable", "sslmode=disable"),
        ] {
            assert_eq!(read(written).unwrap(), format!("postgres://ada:pa?ss@db.example.com/app?{means}"));
        }
        let several = "postgresql://ada@one.example,two.example:5433/app?target_session_attrs=read-write";
        assert_eq!(database_url(several).unwrap().reveal(), several);
    }

    #[test]
    fn a_refusal_says_what_is_not_supported() {
        for (parameters, reason) in [
            ("sslmode=verify-ca", "verify-ca is not supported"),
            ("sslmode=allow", "sslmode must be one of disable, prefer, require, verify-full"),
            ("sslmode=require&sslrootcert=/ca.pem", "sslrootcert is not supported"),
            ("sslcert=/me.pem", "parameter sslcert is not supported"),
            ("target_session_attrs=standby", "any, read-write, read-only"),
            ("hunter2=x", "unknown parameter; these are supported: sslmode, user"),
        ] {
            let said = read(parameters).unwrap_err();
            assert!(said.contains(reason) && !said.contains("hunter2") && !said.contains("pem"), "{said}");
        }
        for text in ["", "mysql://x/y", "postgres:///app", "postgres://x:port/y", "db.example.com"] {
            assert!(database_url(text).is_err(), "{text}");
        }
    }
}
