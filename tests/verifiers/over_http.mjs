// Starts an application, which gets its port as PORT, and sends it the tokens of tokens.mjs as bearer tokens.
//
//     node over_http.mjs NAME COMMAND... < tokens.json
//
// `GET /` must answer `{"user": ...}`, or 401 (Envoy: 403 for another audience). With ONLY=at+jwt, the application must refuse
// tokens of other types.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { promisify } from "node:util";

const { user, accepted, refused } = JSON.parse(readFileSync(0));
const [name, command, ...args] = process.argv.slice(2);
const { ONLY } = process.env;
const sleep = promisify(setTimeout);

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

const port = await freePort();
const application = spawn(command, args, { env: { ...process.env, PORT: port }, stdio: ["ignore", "ignore", "pipe"] });
let log = "";
application.stderr.on("data", (text) => (log += text));

// What a client pretends to be must not reach the application either.
const get = (token) =>
  fetch(`http://127.0.0.1:${port}/`, {
    headers: { "X-Auth-User-Id": "someone-else", ...(token && { Authorization: `Bearer ${token}` }) },
  });

async function untilItAnswers() {
  for (let tries = 0; tries < 300; tries++) {
    if (await get().catch(() => null)) return;
    assert.equal(application.exitCode, null, "it stopped");
    await sleep(100);
  }
  throw new Error("it does not answer");
}

const counts = { accepted: 0, refused: 0 };
async function expectAccepted(description, token) {
  const answer = await get(token);
  const body = await answer.text();
  assert(answer.status === 200 && JSON.parse(body).user === user, `${description}: ${answer.status} ${body}`);
  counts.accepted++;
}
async function expectRefused(description, token) {
  const { status } = await get(token);
  assert([401, 403].includes(status), `${description}: ${status}`);
  counts.refused++;
}

try {
  await untilItAnswers();
  await expectRefused("no token");
  for (const [type, token] of Object.entries(accepted)) {
    await (!ONLY || type === ONLY ? expectAccepted : expectRefused)(type, token);
  }
  for (const [description, token] of Object.entries(refused)) await expectRefused(description, token);
  console.log(`${name}: ${counts.accepted} accepted, ${counts.refused} refused`);
} catch (error) {
  console.error(`${name}: ${error.message}\n${log}`);
  process.exitCode = 1;
} finally {
  application.kill();
}
