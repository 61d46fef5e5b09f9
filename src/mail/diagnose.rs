//! What is wrong with the mail settings, in plain words.

/// Advice on an error text of the mail server or of the way to it.
#[must_use]
pub fn diagnose(error: &str) -> &'static str {
    const CAUSES: [(&[&str], &str); 12] = [
        (
            &["lookup address", "name or service not known", "no address associated", "nodename nor servname"],
            "The host name in SMTP_URL is not known. Is it spelled right?",
        ),
        (
            &["connection refused"],
            "Nothing listens at that host and port. Is the server running, and is the port right? (587 with \
             smtp://...?tls=required, 465 with smtps://, 25 between servers)",
        ),
        (
            &["timed out", "timeout", "deadline has elapsed"],
            "The server does not answer. A firewall between may drop the packets: many providers block port 25.",
        ),
        (
            &["invalid peer certificate", "certificate", "unknownissuer", "notvalidforname"],
            "The server's certificate is not to be trusted: it is for another name, out of date, or from an authority \
             that this machine does not know.",
        ),
        (
            &["starttls is not supported", "does not support starttls", "starttls"],
            "The server offers no encryption on this port, and tls=required asks for it. Nothing was sent. Is it the \
             right port?",
        ),
        (
            &["corrupt message", "invalidcontenttype", "received fatal alert", "tls"],
            "The server speaks no TLS on this port, or another version. Use smtps:// on port 465, and \
             smtp://...?tls=required on port 587.",
        ),
        (
            &["535", "534", "authentication failed", "credentials"],
            "The server refuses user name or password in SMTP_URL. Special characters must be percent-encoded there.",
        ),
        (
            &["530", "authentication required", "no compatible authentication"],
            "The server wants to know who sends: put smtp://user:password@host into SMTP_URL.",
        ),
        (
            &["relay", "554 5.7.1", "550 5.7.1"],
            "The server does not pass on mail for strangers. Does it want a user name, or does it know this machine?",
        ),
        (&["sender", "553", "from address"], "The server refuses the sender. Is MAIL_FROM one that this user may use?"),
        (&["greylist", "450", "451", "421"], "The server asks to come again later. The service does so by itself."),
        (&["550", "551", "mailbox", "user unknown"], "The server does not know the address of the recipient."),
    ];
    let error = error.to_lowercase();
    let fitting = CAUSES.iter().find(|(signs, _)| signs.iter().any(|sign| error.contains(sign)));
    fitting.map_or("The text above is all that is known.", |(_, diagnose)| diagnose)
}

#[cfg(test)]
mod tests {
    use super::diagnose;

    #[test]
    fn the_common_mistakes_are_explained() {
        for (error, words) in [
            ("Connection error: Connection refused (os error 111)", "Nothing listens"),
            ("Connection error: failed to lookup address information", "not known"),
            ("permanent error (535): 5.7.8 Error", "refuses user name or password"),
            ("Connection error: invalid peer certificate: UnknownIssuer", "not to be trusted"),
            ("internal client error: STARTTLS is not supported on this server", "no encryption"),
            ("transient error (450): greylisted", "come again later"),
        ] {
            assert!(diagnose(error).contains(words), "{error}: {}", diagnose(error));
        }
    }
}
