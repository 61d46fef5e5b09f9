//! What is wrong with the mail settings, in plain English.

/// Signs in the error text, and what they mean. The first match counts.
const CAUSES: [(&[&str], &str); 12] = [
    (
        &["lookup address", "name or service not known", "no address associated", "nodename nor servname"],
        "The host name in SMTP_URL is not known. Is it spelled correctly?",
    ),
    (
        &["connection refused"],
        "Nothing listens at that host and port. Is the server running, and is the port correct? (587 with \
         smtp://...?tls=required, 465 with smtps://, 25 between servers)",
    ),
    (
        &["timed out", "timeout", "deadline has elapsed"],
        "The server does not reply. A firewall may drop the packets: many providers block port 25.",
    ),
    (
        &["invalid peer certificate", "certificate", "unknownissuer", "notvalidforname"],
        "The server's certificate cannot be trusted: it is for another name, has expired, or comes from an authority \
         that this machine does not know.",
    ),
    (
        &["starttls is not supported", "does not support starttls", "starttls"],
        "The server offers no encryption on this port, but tls=required demands it. Nothing was sent. Is the port \
         correct?",
    ),
    (
        &["corrupt message", "invalidcontenttype", "received fatal alert", "tls"],
        "The server does not use TLS on this port, or only another version. Use smtps:// on port 465, and \
         smtp://...?tls=required on port 587.",
    ),
    (
        &["535", "534", "authentication failed", "credentials"],
        "The server refuses the user name or password in SMTP_URL. Special characters in them must be percent-encoded.",
    ),
    (
        &["530", "authentication required", "no compatible authentication"],
        "The server requires a login. Put smtp://user:password@host into SMTP_URL.",
    ),
    (&["relay", "554 5.7.1", "550 5.7.1"], "The server does not relay mail for this machine. Does it require a login?"),
    (&["sender", "553", "from address"], "The server refuses the sender. Is this user allowed to send as MAIL_FROM?"),
    (&["greylist", "450", "451", "421"], "The server asks to try again later. The service does that by itself."),
    (&["550", "551", "mailbox", "user unknown"], "The server does not know the recipient's address."),
];

/// The likely cause of an error of the mail server or of the connection to it.
pub fn diagnose(error: &str) -> &'static str {
    let error = error.to_lowercase();
    let fitting = CAUSES.iter().find(|(signs, _)| signs.iter().any(|sign| error.contains(sign)));
    fitting.map_or("There is no advice for this error.", |(_, cause)| cause)
}

#[cfg(test)]
mod tests {
    use super::diagnose;

    #[test]
    fn the_common_mistakes_are_explained() {
        for (error, expected) in [
            ("Connection error: Connection refused (os error 111)", "Nothing listens"),
            ("Connection error: failed to lookup address information", "not known"),
            ("permanent error (535): 5.7.8 Error", "refuses the user name or password"),
            ("Connection error: invalid peer certificate: UnknownIssuer", "cannot be trusted"),
            ("internal client error: STARTTLS is not supported on this server", "no encryption"),
            ("transient error (450): greylisted", "try again later"),
        ] {
            assert!(diagnose(error).contains(expected), "{error}: {}", diagnose(error));
        }
    }
}
