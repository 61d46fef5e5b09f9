"""What the document cannot say: where data comes from, and which refusals of well-formed data are right."""

import json
import urllib.request

import schemathesis

# Refusals for a reason that no JSON schema can express, by path, field and code of the complaint. Everything else that
# fits the schema and is refused is a finding: a document that promises too much, or a service that is too strict.
REFUSED_RIGHTLY = {
    ("/register", "/email"): {"malformed", "too_long"},  # RFC 6531 without what cannot be mailed; octets, not characters
    ("/register", "/password"): {"too_guessable", "control_character", "too_short"},  # too short once it is NFC
    ("/login", "/email"): {"malformed", "too_long", "required"},  # either of the two names is required ...
    ("/login", "/username"): {"ambiguous"},  # ... and not both
    ("/resend", "/email"): {"malformed", "too_long"},
    ("/password/forgot", "/email"): {"malformed", "too_long"},
    ("/password/reset", "/password"): {"too_guessable", "control_character", "too_short"},
    ("/password/change", "/new_password"): {"too_guessable", "control_character", "too_short"},
    ("/email/change", "/email"): {"malformed", "too_long"},
}
# A token of a link is opaque: which ones are genuine, and still good, is not for a schema to say.
LINK_CODES = {"link_invalid", "link_expired", "link_used"}

STRONG_PASSWORD = "plum-orbit-kettle-42"


@schemathesis.hook
def before_call(context, case, kwargs):
    """In half of the well-formed cases, data that leads further in than random data would."""
    if case.meta is None or not case.meta.generation.mode.is_positive or kwargs.get("dry_run"):
        return
    if case.path == "/register" and isinstance(case.body, dict):
        if "password" in case.body and len(case.body["password"]) % 2 == 0:
            case.body["password"] = STRONG_PASSWORD
    elif case.path == "/confirm/{token}" and len(case.path_parameters["token"]) % 2 == 0:
        case.path_parameters["token"] = newest_token(case) or case.path_parameters["token"]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keeps every failure but refusals for one of the reasons above."""
    if type(failure).__name__ == "AcceptedNegativeData":
        # With a session the body of a resend is not looked at, whatever it says.
        return not (case.path == "/resend" and "Authorization" in response.request.headers)
    if type(failure).__name__ != "RejectedPositiveData":
        return True
    problem = response.json()
    if case.path in ("/confirm/{token}", "/password/reset") and problem["code"] in LINK_CODES:
        return False
    if case.path == "/resend" and problem["code"] == "unsupported_media_type":
        # A body is not needed with a session alone; a case without both is well-formed all the same.
        return response.request.body is not None
    if problem["code"] != "validation_failed":
        return True
    return not all(error["code"] in REFUSED_RIGHTLY.get((case.path, error["pointer"]), ()) for error in problem["errors"])


def newest_token(case):
    """The token of the newest letter of the development mailbox."""
    with urllib.request.urlopen(case.operation.schema.get_base_url().rstrip("/") + "/dev/mailbox", timeout=10) as answer:
        links = [link for mail in json.load(answer)["mails"] for link in mail["links"] if "/confirm/" in link]
    return links[0].rsplit("/", 1)[1] if links else None
