"""Register, sign in, and see the account, with the Python client that openapi-generator made of our document.

    python story.py http://127.0.0.1:8080

The service needs no rate limits and a development mailbox. `.ci/run clients` generates the client and runs this.
"""

import sys
import uuid

import vestibule_client as client

PASSWORD = "quartz-lantern-mosaic-73"


def main(url):
    email = f"client-{uuid.uuid4()}@example.com"
    configuration = client.Configuration(host=url)
    with client.ApiClient(configuration) as api:
        account, session = client.AccountApi(api), client.SessionApi(api)
        answer = account.register_account(client.Registration(email=email, password=PASSWORD))
        assert answer.status == "confirmation_sent", answer
        credentials = client.Credentials(email=email, password=PASSWORD, transport="bearer")
        signed_in = session.create_session(credentials)
        configuration.access_token = signed_in.session.token
        me = account.get_account()
        assert (me.email, me.confirmed, me.id) == (email, False, signed_in.user.id), me
        try:
            session.list_sessions()
        except client.ApiException as error:
            assert error.status == 403 and '"unconfirmed"' in error.body, error
        else:
            raise AssertionError("the guard let an unconfirmed account pass")
        session.end_session()
        try:
            account.get_account()
        except client.ApiException as error:
            assert error.status == 401, error
        else:
            raise AssertionError("the session outlived its end")
    print("the generated Python client registers, signs in, sees the account and signs out")


if __name__ == "__main__":
    main(sys.argv[1])
