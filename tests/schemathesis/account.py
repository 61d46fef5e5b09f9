"""Creates the confirmed account that the run signs in to: python3 account.py http://127.0.0.1:8080"""

import json
import os
import sys
import time
import urllib.request

ADDRESS = "schemathesis@example.com"


def call(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def main(service):
    password = os.environ["ACCOUNT_PASSWORD"]
    call("POST", f"{service}/register", {"email": ADDRESS, "password": password, "username": "schemathesis"})
    for _ in range(100):
        mails = [mail for mail in call("GET", f"{service}/dev/mailbox")["mails"] if mail["to"] == ADDRESS]
        if mails:
            return call("POST", mails[0]["links"][0], {"password": password})
        time.sleep(0.1)
    sys.exit("no email arrived in the development mailbox")


if __name__ == "__main__":
    print(main(sys.argv[1].rstrip("/"))["status"])
