// jose, with its default caching, judges the tokens of tokens.mjs: `node jose.mjs < tokens.json`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { issuer, user, accepted, refused } = JSON.parse(readFileSync(0));
const { jwks_uri } = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
const keys = createRemoteJWKSet(new URL(jwks_uri));
const verify = (token) => jwtVerify(token, keys, { issuer, audience: issuer });

for (const token of Object.values(accepted)) {
  assert.equal((await verify(token)).payload.sub, user);
}
for (const [name, token] of Object.entries(refused)) {
  await assert.rejects(verify(token), { name: /^JW|^JOSE/ }, name);
}
console.log(`jose: ${Object.keys(accepted).length} accepted, ${Object.keys(refused).length} refused`);
