"""The whole story of an account, with the Python client that openapi-python-client makes of our document.

    python story.py http://127.0.0.1:8080

The service needs no rate limits and a development mailbox. `.ci/run clients` generates the client and runs this.
"""

import sys
import time
import uuid
from http import HTTPStatus

from vestibule_client import AuthenticatedClient, Client
from vestibule_client.api.account import (
    confirm_email,
    confirm_with_code,
    delete_account,
    export_account,
    get_account,
    register_account,
    show_link,
    update_account,
)
from vestibule_client.api.development import list_mails
from vestibule_client.api.password import change_password, request_password_reset, reset_password
from vestibule_client.api.session import create_session, end_session, list_sessions
from vestibule_client.models import (
    AccountChange,
    AccountDeletion,
    CodeConfirmation,
    ConfirmationProof,
    ConfirmationStatus,
    Credentials,
    FieldProblem,
    Forgotten,
    LinkPurpose,
    PasswordChange,
    PasswordReset,
    Problem,
    ProblemCode,
    Registration,
    TransportName,
)

FIRST, SECOND, THIRD = "quartz-lantern-mosaic-73", "brick-violet-otter-19", "copper-meadow-violin-58"


def refused(answer, code):
    """The problem that an answer must be."""
    assert isinstance(answer, Problem) and answer.code == code, answer
    return answer


def mail_about(client, email, page):
    """The newest email with a link to this page, once it is there, and the token of that link."""
    for _ in range(100):
        for mail in list_mails.sync(client=client).mails:
            for link in mail.links:
                if mail.to == email and f"{page}/" in link:
                    return mail, link.rsplit("/", 1)[1]
        time.sleep(0.1)
    raise AssertionError(f"no email with a link to {page}")


def sign_in(url, email, password):
    credentials = Credentials(email=email, password=password, transport=TransportName.BEARER)
    answer = create_session.sync(client=Client(base_url=url), body=credentials)
    if isinstance(answer, Problem):
        return answer
    return AuthenticatedClient(base_url=url, token=answer.session.token)


def confirm(client, email):
    registered = register_account.sync(client=client, body=Registration(email=email, password=FIRST))
    mail, token = mail_about(client, email, "/confirm")
    link = show_link.sync(client=client, token=token)
    assert (link.purpose, link.email) == (LinkPurpose.CONFIRM_EMAIL, email) and link.password_required, link
    refused(confirm_email.sync(client=client, token=token), ProblemCode.PASSWORD_REQUIRED)
    proof = ConfirmationProof(registration=registered.registration)
    for expected in (ConfirmationStatus.CONFIRMED, ConfirmationStatus.ALREADY_CONFIRMED):
        assert confirm_email.sync(client=client, token=token, body=proof).status == expected
    by_code = CodeConfirmation(registration=registered.registration, code=mail.code)
    assert confirm_with_code.sync(client=client, body=by_code).status == ConfirmationStatus.ALREADY_CONFIRMED


def look_around(ada, email):
    me = get_account.sync(client=ada)
    assert (me.email, me.username, me.confirmed) == (email, None, True), me
    username = f"u{uuid.uuid4().hex[:20]}"
    assert update_account.sync(client=ada, body=AccountChange(username=username)).username == username
    [session] = list_sessions.sync(client=ada).sessions
    assert session.current, session
    export = export_account.sync(client=ada)
    assert export.user.id == me.id and export.confirmed_at and export.events, export


def change_passwords(client, ada, url, email):
    wrong = PasswordChange(current_password=SECOND, new_password=THIRD)
    refused(change_password.sync(client=ada, body=wrong), ProblemCode.WRONG_PASSWORD)
    changed = change_password.sync(client=ada, body=PasswordChange(current_password=FIRST, new_password=SECOND))
    refused(get_account.sync(client=ada), ProblemCode.UNAUTHENTICATED)
    ada = AuthenticatedClient(base_url=url, token=changed.session.token)
    assert get_account.sync(client=ada).email == email

    request_password_reset.sync(client=client, body=Forgotten(email=email))
    _, token = mail_about(client, email, "/password/reset")
    weak = reset_password.sync(client=client, body=PasswordReset(token=token, password="short"))
    [error] = refused(weak, ProblemCode.VALIDATION_FAILED).errors
    assert isinstance(error, FieldProblem) and error.pointer == "/password", error
    done = reset_password.sync_detailed(client=client, body=PasswordReset(token=token, password=THIRD))
    assert done.status_code == HTTPStatus.NO_CONTENT, done
    refused(get_account.sync(client=ada), ProblemCode.UNAUTHENTICATED)


def main(url):
    client, email = Client(base_url=url), f"python-{uuid.uuid4()}@example.com"
    confirm(client, email)
    refused(sign_in(url, email, SECOND), ProblemCode.INVALID_CREDENTIALS)
    ada = sign_in(url, email, FIRST)
    look_around(ada, email)
    change_passwords(client, ada, url, email)

    ada = sign_in(url, email, THIRD)
    assert end_session.sync_detailed(client=ada).status_code == HTTPStatus.NO_CONTENT
    refused(get_account.sync(client=ada), ProblemCode.UNAUTHENTICATED)
    ada = sign_in(url, email, THIRD)
    deleted = delete_account.sync_detailed(client=ada, body=AccountDeletion(password=THIRD))
    assert deleted.status_code == HTTPStatus.NO_CONTENT, deleted
    refused(sign_in(url, email, THIRD), ProblemCode.INVALID_CREDENTIALS)
    print("The generated Python client went through the whole story")


if __name__ == "__main__":
    main(sys.argv[1])
