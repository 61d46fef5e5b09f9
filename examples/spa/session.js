// Who is signed in, and the way from page to page.

import { call } from './api.js';

/** `user` is what `GET /me` answers, or null. Nothing else is known about the session: the cookie is out of reach. */
export const session = { user: null };

/** signed-out, unconfirmed or confirmed. */
export function status() {
  if (!session.user) return 'signed-out';
  return session.user.confirmed ? 'confirmed' : 'unconfirmed';
}

/** Asks the service who is signed in: a session can also begin or end in another tab or on another device. */
export async function loadUser() {
  try {
    session.user = await call('GET', '/me');
  } catch (problem) {
    if (problem.code !== 'unauthenticated') throw problem;
    session.user = null;
  }
}

export async function signIn(credentials) {
  ({ user: session.user } = await call('POST', '/login', credentials));
}

export async function signOut() {
  await call('POST', '/logout');
  forget();
}

/** Forgets what this tab knows of an account. */
export function forget() {
  session.user = null;
  registration.clear();
}

/**
 * The secret that `POST /register` answers. With the email's code or link it confirms the address, without a password.
 * It is worth nothing without the email. It lives as long as this tab, also when the page is reloaded.
 */
export const registration = {
  get: () => sessionStorage.getItem('registration'),
  set: value => sessionStorage.setItem('registration', value),
  clear: () => sessionStorage.removeItem('registration'),
};

let message = '';

/** Opens a page, such as `sign-in`, and shows a message on it. `''` is the first page for the person. */
export function go(page, text = '') {
  message = text;
  const hash = `#/${page}`;
  if (location.hash === hash) dispatchEvent(new Event('hashchange'));
  else location.hash = hash;
}

/** The message for the page that opens now. */
export function takeMessage() {
  const text = message;
  message = '';
  return text;
}
