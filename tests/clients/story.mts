// The whole story of an account, with openapi-fetch and the types that openapi-typescript makes of our document.
//
//     node story.mjs http://127.0.0.1:8080
//
// The service needs no rate limits and a development mailbox. `.ci/run clients` generates the types, checks and runs this.

import createClient from 'openapi-fetch';
import type { components, paths } from './schema.js';

// All of node that this needs.
declare const process: { argv: string[] };

type Problem = components['schemas']['Problem'];
type Answer<T> = { data?: T; error?: Problem; response: Response };

const [FIRST, SECOND, THIRD] = ['quartz-lantern-mosaic-73', 'brick-violet-otter-19', 'copper-meadow-violin-58'] as const;
const email = `typescript-${crypto.randomUUID()}@example.com`;

// The two media types: without them, answers could also be the HTML that browsers get.
const api = createClient<paths, 'application/json' | 'application/problem+json'>({ baseUrl: process.argv[2] });

let token: string | undefined;
api.use({
  onRequest({ request }) {
    if (token) request.headers.set('Authorization', `Bearer ${token}`);
    return request;
  },
});

function assert(holds: unknown, found: unknown): asserts holds {
  if (!holds) throw new Error(`unexpected: ${JSON.stringify(found)}`);
}

/** The body of a successful answer. */
function body<T>({ data, error, response }: Answer<T>): T {
  assert(response.ok && data !== undefined, { status: response.status, error });
  return data;
}

/** Asserts `204`. */
function done({ error, response }: Answer<unknown>) {
  assert(response.status === 204, { status: response.status, error });
}

/** The problem that an answer must be. */
function refused({ error }: Answer<unknown>, code: Problem['code']): Problem {
  assert(error?.code === code, error);
  return error;
}

/** The newest email with a link to this page, once it is there, and the token of that link. */
async function mailAbout(page: string) {
  for (let tries = 0; tries < 100; tries++) {
    const { mails } = body(await api.GET('/dev/mailbox'));
    for (const mail of mails.filter(mail => mail.to === email)) {
      const link = mail.links.find(link => link.includes(`${page}/`));
      if (link) return { mail, token: link.slice(link.lastIndexOf('/') + 1) };
    }
    await new Promise<void>(wake => setTimeout(wake, 100));
  }
  throw new Error(`no email with a link to ${page}`);
}

const signIn = (password: string) => api.POST('/login', { body: { email, password, transport: 'bearer' } });

async function confirm() {
  const { registration } = body(await api.POST('/register', { body: { email, password: FIRST } }));
  const { mail, token } = await mailAbout('/confirm');
  const params = { path: { token } };
  const link = body(await api.GET('/confirm/{token}', { params }));
  assert(link.purpose === 'confirm_email' && link.email === email && link.password_required, link);
  refused(await api.POST('/confirm/{token}', { params }), 'password_required');
  for (const expected of ['confirmed', 'already_confirmed'] as const) {
    const { status } = body(await api.POST('/confirm/{token}', { params, body: { registration } }));
    assert(status === expected, status);
  }
  assert(mail.code, mail);
  const { status } = body(await api.POST('/confirm/code', { body: { registration, code: mail.code } }));
  assert(status === 'already_confirmed', status);
}

async function lookAround() {
  const me = body(await api.GET('/me'));
  assert(me.email === email && me.username === null && me.confirmed, me);
  const username = `u${crypto.randomUUID().slice(0, 20)}`;
  const changed = body(await api.PATCH('/me', { body: { username } }));
  assert(changed.username === username, changed);
  const { sessions } = body(await api.GET('/sessions'));
  assert(sessions.length === 1 && sessions[0]?.current, sessions);
  const { user, confirmed_at, events } = body(await api.GET('/me/export'));
  assert(user.id === me.id && confirmed_at !== null && events.length > 0, { user, confirmed_at, events });
}

async function changePasswords() {
  const change = (current_password: string, new_password: string) =>
    api.POST('/password/change', { body: { current_password, new_password } });
  refused(await change(SECOND, THIRD), 'wrong_password');
  const { session } = body(await change(FIRST, SECOND));
  refused(await api.GET('/me'), 'unauthenticated');
  token = session.token;
  assert(body(await api.GET('/me')).email === email, email);

  body(await api.POST('/password/forgot', { body: { email } }));
  const { token: link } = await mailAbout('/password/reset');
  const reset = (password: string) => api.POST('/password/reset', { body: { token: link, password } });
  const { errors } = refused(await reset('short'), 'validation_failed');
  assert(errors?.length === 1 && errors[0]?.pointer === '/password', errors);
  done(await reset(THIRD));
  refused(await api.GET('/me'), 'unauthenticated');
}

await confirm();
refused(await signIn(SECOND), 'invalid_credentials');
token = body(await signIn(FIRST)).session.token;
await lookAround();
await changePasswords();

token = body(await signIn(THIRD)).session.token;
done(await api.POST('/logout'));
refused(await api.GET('/me'), 'unauthenticated');
token = body(await signIn(THIRD)).session.token;
done(await api.DELETE('/me', { body: { password: THIRD } }));
refused(await signIn(THIRD), 'invalid_credentials');
console.log('The generated TypeScript client went through the whole story');
