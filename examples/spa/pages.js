// What each page does. The text of a page is its template in index.html.
//
// Text that comes from the service goes into `textContent`, never into HTML.

import { call } from './api.js';
import { onSubmit } from './forms.js';
import { forget, go, loadUser, registration, session, signIn } from './session.js';

/** Each function gets the element with the page's content, and the token of a link if the page was opened by one. */
export const pages = { 'sign-up': signUp, code, confirm, 'sign-in': signInPage, forgot, reset, account, sessions };

function signUp(page) {
  onSubmit(page.querySelector('form'), async ({ email, password }) => {
    registration.set((await call('POST', '/register', { email, password })).registration);
    // The email's link opens a new tab, which does not have `registration`. A session proves the same there. Without one,
    // the code still works.
    await signIn({ email, password }).catch(() => {});
    go('code');
  });
}

/** The code of the email needs `registration`. */
function code(page) {
  for (const element of page.querySelectorAll('.with-code')) element.hidden = !registration.get();
  onSubmit(page.querySelector('form.with-code'), async ({ code }) => {
    await call('POST', '/confirm/code', { registration: registration.get(), code });
    await confirmed();
  });
  const resend = page.querySelector('.resend');
  resend.hidden = !session.user;
  onSubmit(resend, async () => {
    await call('POST', '/resend');
    go('code', 'We sent the email again.');
  });
}

/** The link of the email proves the mailbox. The session, `registration` or the password proves who signed up. */
async function confirm(page, token) {
  const path = `/confirm/${encodeURIComponent(token)}`;
  const link = await call('GET', path); // Changes nothing: programs that scan emails open links as well.
  if (link.confirmed) return confirmed();
  const form = page.querySelector('form');
  const field = page.querySelector('.with-password');
  page.querySelector('.email').textContent = form.elements.username.value = link.email;
  const askForPassword = isAsked => {
    field.hidden = !isAsked;
    form.elements.password.required = isAsked;
  };
  askForPassword(link.password_required && !registration.get());
  form.hidden = false;
  onSubmit(form, async ({ password }) => {
    let proof = {};
    if (!field.hidden) proof = { password };
    else if (link.password_required) proof = { registration: registration.get() };
    try {
      await call('POST', path, proof);
    } catch (problem) {
      if (problem.code === 'password_required') askForPassword(true); // `registration` was another one's.
      throw problem;
    }
    await confirmed();
  });
}

async function confirmed() {
  registration.clear();
  await loadUser();
  go('', 'Your email address is confirmed.');
}

function signInPage(page) {
  onSubmit(page.querySelector('form'), async ({ name, password, remember }) => {
    const who = name.includes('@') ? { email: name } : { username: name };
    await signIn({ ...who, password, remember: remember === 'on' });
    go('');
  });
}

function forgot(page) {
  onSubmit(page.querySelector('form'), async ({ email }) => {
    await call('POST', '/password/forgot', { email });
    // The same for every address, so that nobody learns who has an account.
    go('sign-in', `If ${email} has an account, an email with a link is on its way.`);
  });
}

function reset(page, token) {
  onSubmit(page.querySelector('form'), async ({ password }) => {
    await call('POST', '/password/reset', { token, password });
    forget(); // It ended all sessions.
    go('sign-in', 'Your password is set. Sign in with it.');
  });
}

function account(page) {
  const { email, confirmed } = session.user;
  const form = page.querySelector('form');
  page.querySelector('.email').textContent = form.elements.username.value = email;
  page.querySelector('.status').textContent = confirmed ? 'Your address is confirmed.' : 'Your address is not confirmed.';
  onSubmit(form, async ({ password }) => {
    await call('DELETE', '/me', { password });
    forget();
    go('sign-up', 'Your account is deleted.');
  });
}

async function sessions(page) {
  const { sessions } = await call('GET', '/sessions');
  page.querySelector('ul').append(...sessions.map(sessionItem));
  const others = page.querySelector('ul + form');
  others.hidden = sessions.length < 2;
  onSubmit(others, async () => {
    await call('DELETE', '/sessions');
    go('sessions', 'All other sessions have ended.');
  });
}

function sessionItem({ id, device, ip, last_seen_at, current }) {
  const item = document.getElementById('session-item').content.cloneNode(true);
  item.querySelector('.device').textContent = device;
  item.querySelector('.current').hidden = !current;
  item.querySelector('.ip').textContent = ip;
  const time = item.querySelector('time');
  time.dateTime = last_seen_at;
  time.textContent = new Date(last_seen_at).toLocaleString();
  const form = item.querySelector('form');
  form.hidden = current; // "Sign out" ends this one.
  onSubmit(form, async () => {
    await call('DELETE', `/sessions/${id}`);
    go('sessions', 'The session has ended.');
  });
  return item;
}
