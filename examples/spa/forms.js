// Forms that say what is wrong, to the eye and to screen readers.

import { forget, go, loadUser } from './session.js';

const TEXTS = {
  code_invalid: 'This code is wrong, or it has expired.',
  invalid_credentials: 'Wrong name or password.',
  link_expired: 'This link has expired. Ask for a new one.',
  link_invalid: 'This link is not complete. Copy all of it from the email.',
  link_used: 'This link was used already, or a newer one replaced it.',
  overloaded: 'The service is busy. Try again in a moment.',
  password_required: 'Type your password to confirm that you are the one who signed up.',
  unavailable: 'The service is not available. Try again in a moment.',
  unreachable: 'The service cannot be reached. Check your connection.',
  validation_failed: 'Some fields need a correction.',
  wrong_password: 'This password is wrong.',
};

function explain({ code, requestId, retryAfter }) {
  if (code === 'rate_limited') return `Too many tries. Try again in ${retryAfter} seconds.`;
  return TEXTS[code] ?? `Something went wrong (${code}, ${requestId}).`;
}

/** Calls `send` with the fields of the form when it is submitted, and shows the problem that `send` throws. */
export function onSubmit(form, send) {
  form.addEventListener('submit', async event => {
    event.preventDefault();
    if (form.ariaBusy) return; // A double click sends once.
    form.ariaBusy = 'true';
    clear(form);
    try {
      await send(Object.fromEntries(new FormData(form)));
    } catch (problem) {
      report(form, problem);
    } finally {
      form.ariaBusy = null;
    }
  });
}

/** Shows a problem at the top of a form or page, and at the fields that it is about. */
export function report(place, problem) {
  if (!problem.code) throw problem; // A bug: it belongs on the console.
  if (problem.code === 'unauthenticated') {
    forget();
    return go('sign-in', 'You were signed out. Please sign in again.');
  }
  if (problem.code === 'unconfirmed') return loadUser().then(() => go('code'));
  const alert = document.createElement('p');
  alert.className = 'error';
  alert.role = 'alert';
  alert.textContent = explain(problem);
  place.prepend(alert);
  for (const { pointer, detail } of problem.errors) {
    const field = place.elements?.namedItem(pointer.slice(1));
    if (field) mark(field, `It ${detail}.`);
  }
  (place.querySelector('[aria-invalid]') ?? place.querySelector('input:not([hidden])'))?.focus();
}

function mark(field, text) {
  const error = document.createElement('p');
  error.className = 'error';
  error.id = `${field.id}-error`;
  error.textContent = text;
  field.after(error);
  field.setAttribute('aria-invalid', 'true');
  field.setAttribute('aria-describedby', error.id);
}

function clear(form) {
  for (const error of form.querySelectorAll('.error')) error.remove();
  for (const field of form.querySelectorAll('[aria-invalid]')) {
    field.removeAttribute('aria-invalid');
    field.removeAttribute('aria-describedby');
  }
}
