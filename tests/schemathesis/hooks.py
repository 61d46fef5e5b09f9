"""What the document cannot express: where test data comes from, and which well-formed data the service may refuse."""

import json
import urllib.request

import schemathesis

# Refusals for a reason that no JSON schema can express, by path, field and error code. If anything else fits the schema
# and is refused, that is a finding: the document allows too much, or the service is too strict.
MAY_BE_REFUSED = {
    ("/register", "/email"): {"malformed", "too_long"},  # fits RFC 6531, but cannot be mailed; octets, not characters
    ("/register", "/password"): {"too_guessable", "control_character", "too_short"},  # too short once it is NFC
    ("/login", "/email"): {"malformed", "too_long", "required"},  # one of the two names is required ...
    ("/login", "/username"): {"ambiguous"},  # ... and not both
    ("/confirm/code", "/code"): {"malformed"},  # eight digits somewhere in the text
    ("/verify", "/fresh"): {"malformed"},  # a duration
    ("/resend", "/email"): {"malformed", "too_long"},
    ("/password/forgot", "/email"): {"malformed", "too_long"},
    ("/password/reset", "/password"): {"too_guessable", "control_character", "too_short"},
    ("/password/change", "/new_password"): {"too_guessable", "control_character", "too_short"},
    ("/email/change", "/email"): {"malformed", "too_long"},
}
# The token of a link is opaque: a schema cannot say which ones are genuine and still valid.
LINK_CODES = {"link_invalid", "link_expired", "link_used"}

# The email and password of accounts that this run registered.
registered = []

STRONG_PASSWORD = "plum-orbit-kettle-42"


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives half of the well-formed cases data that gets further than random data would."""
    if case.meta is None or not case.meta.generation.mode.is_positive or kwargs.get("dry_run"):
        return
    if case.path == "/register" and isinstance(case.body, dict):
        if "password" in case.body and len(case.body["password"]) % 2 == 0:
            case.body["password"] = STRONG_PASSWORD
    elif case.path in ("/login", "/resend") and registered and isinstance(case.body, dict) and len(str(case.body)) % 2 == 0:
        case.body = registered[-1] if case.path == "/login" else {"email": registered[-1]["email"]}
    elif case.path == "/confirm/{token}" and len(case.path_parameters["token"]) % 2 == 0:
        case.path_parameters["token"] = newest_token(case) or case.path_parameters["token"]


@schemathesis.hook
def after_call(context, case, response):
    """Remembers accounts, which the links of /register lead to: openapi-generator refuses links with a request body."""
    if case.path == "/register" and response.status_code == 202:
        body = json.loads(response.request.body)
        registered.append({name: body[name] for name in ("email", "password")})
        del registered[:-10]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keeps every failure except refusals for one of the reasons above."""
    if type(failure).__name__ == "AcceptedNegativeData":
        # With a session, the body of a resend is not read.
        return not (case.path == "/resend" and "Authorization" in response.request.headers)
    if type(failure).__name__ != "RejectedPositiveData":
        return True
    problem = response.json()
    if case.path in ("/confirm/{token}", "/password/reset") and problem["code"] in LINK_CODES:
        return False
    if case.path == "/confirm/code" and problem["code"] == "code_invalid":
        # Only one code of a hundred million is right.
        return False
    if case.path == "/resend" and problem["code"] == "unsupported_media_type":
        # The body is optional because of sessions, so a case with neither is well-formed, and still refused.
        return response.request.body is not None
    if problem["code"] != "validation_failed":
        return True
    return not all(error["code"] in MAY_BE_REFUSED.get((case.path, error["pointer"]), ()) for error in problem["errors"])


def newest_token(case):
    """The token in the newest email of the development mailbox."""
    with urllib.request.urlopen(case.operation.schema.get_base_url().rstrip("/") + "/dev/mailbox", timeout=10) as answer:
        links = [link for mail in json.load(answer)["mails"] for link in mail["links"] if "/confirm/" in link]
    return links[0].rsplit("/", 1)[1] if links else None
