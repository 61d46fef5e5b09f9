"""PyJWT judges the tokens of tokens.mjs: `python pyjwt.py < tokens.json`, beside verifier.py, which is what
`vestibule keys snippet pyjwt` prints.
"""

import json
import sys
import urllib.request

import jwt
import verifier


def main(tokens):
    with urllib.request.urlopen(f"{tokens['issuer']}/.well-known/openid-configuration") as answer:
        assert json.load(answer)["jwks_uri"] == verifier.keys.uri, verifier.keys.uri
    for name, token in tokens["accepted"].items():
        assert verifier.user_id(token) == tokens["user"], name
    for name, token in tokens["refused"].items():
        try:
            verifier.user_id(token)
        except jwt.PyJWTError:
            continue
        raise AssertionError(f"accepted a token {name}")
    print(f"PyJWT: {len(tokens['accepted'])} accepted, {len(tokens['refused'])} refused")


if __name__ == "__main__":
    main(json.load(sys.stdin))
