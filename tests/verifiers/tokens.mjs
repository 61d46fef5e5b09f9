// Prints, as JSON, access tokens that verifiers must accept, and others that they must refuse.
//
//     node tokens.mjs SECRET_KEY FIRST SECOND
//
// FIRST and SECOND are the addresses of two instances of one service, without rate limits and with a development mailbox.
// The second one has a new key in front of SECRET_KEY (hex), and issues tokens of type at+jwt. `.ci/run verifiers` starts them.

import assert from "node:assert/strict";
import { createECDH, createHmac, createPublicKey } from "node:crypto";
import { promisify } from "node:util";
import { SignJWT, calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair } from "jose";

const [secretKey, first, second] = process.argv.slice(2);
const sleep = promisify(setTimeout);
const password = "quartz-lantern-mosaic-73";
const email = "verifiers@example.com";

async function call(method, url, { body, token } = {}) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(url, { method, headers, body: JSON.stringify(body) });
  assert(answer.ok, `${method} ${url}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

async function confirmationLink() {
  for (let tries = 0; tries < 100; tries++) {
    const { mails } = await call("GET", `${first}/dev/mailbox`);
    const mail = mails.find((mail) => mail.to.includes(email));
    if (mail) return mail.links.find((link) => link.includes("/confirm/"));
    await sleep(100);
  }
  throw new Error("no email arrived");
}

async function signIn() {
  const { registration } = await call("POST", `${first}/register`, { body: { email, password } });
  // The second instance knows both keys, and either of them may have signed the link.
  const link = (await confirmationLink()).replace(first, second);
  await call("POST", link, { body: { registration } });
  const { session } = await call("POST", `${first}/login`, { body: { email, password, transport: "bearer" } });
  return session.token;
}

const session = await signIn();
const accessToken = async (instance) => (await call("POST", `${instance}/token`, { token: session })).access_token;
const kids = async (instance) => (await call("GET", `${instance}/.well-known/jwks.json`)).keys.map((key) => key.kid);
const jwt = await accessToken(first);
const atJwt = await accessToken(second);

// The second instance publishes its new key, which no verifier of the first one can know, and does not sign with it yet.
const { kid } = decodeProtectedHeader(jwt);
assert.deepEqual(await kids(first), [kid]);
assert.equal((await kids(second))[1], kid);
assert.equal(decodeProtectedHeader(atJwt).kid, kid);

// The signing key, derived as in src/access_token/key.rs: so the tokens below are wrong in nothing but what their names say.
const scalar = createHmac("sha256", Buffer.from(secretKey, "hex")).update("vestibule access v1\0").digest();
const ecdh = createECDH("prime256v1");
ecdh.setPrivateKey(scalar);
const point = ecdh.getPublicKey();
const base64url = (bytes) => bytes.toString("base64url");
const publicJwk = { kty: "EC", crv: "P-256", x: base64url(point.subarray(1, 33)), y: base64url(point.subarray(33)) };
const ourKey = { ...publicJwk, d: base64url(scalar) };
assert.equal(await calculateJwkThumbprint(publicJwk), kid);
const foreignKey = await exportJWK((await generateKeyPair("ES256", { extractable: true })).privateKey);

const claims = decodeJwt(jwt);
const now = Math.floor(Date.now() / 1000);
const signed = async (changes, { key = ourKey, header = {} } = {}) =>
  new SignJWT({ ...claims, ...changes }).setProtectedHeader({ typ: "JWT", alg: "ES256", kid, ...header }).sign(key);
const json = (value) => base64url(Buffer.from(JSON.stringify(value)));
const pem = createPublicKey({ key: publicJwk, format: "jwk" }).export({ type: "spki", format: "pem" });
const [, payload, signature] = jwt.split(".");

console.log(JSON.stringify({
  issuer: claims.iss,
  user: claims.sub,
  accepted: { JWT: jwt, "at+jwt": atJwt, "signed here": await signed({}) },
  refused: {
    "of another issuer": await signed({ iss: "https://evil.example" }),
    "for another audience": await signed({ aud: "https://other.example.com" }),
    expired: await signed({ iat: now - 7200, exp: now - 3600 }),
    "without signature": `${json({ typ: "JWT", alg: "none", kid })}.${payload}.`,
    "signed with the public key as a secret": await signed({}, { key: Buffer.from(pem), header: { alg: "HS256" } }),
    "signed by an unknown key": await signed({}, { key: foreignKey, header: { kid: "unknown" } }),
    "signed by an unknown key under our key id": await signed({}, { key: foreignKey }),
    "changed after it was signed": `${jwt.split(".")[0]}.${json({ ...claims, sub: "someone-else" })}.${signature}`,
  },
}));
