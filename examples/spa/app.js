// Shows the page that the address names, to the people that it is for.

import { report } from './forms.js';
import { pages } from './pages.js';
import { go, loadUser, signOut, status, takeMessage } from './session.js';

/** The first page of each. */
const FIRST = { 'signed-out': 'sign-in', unconfirmed: 'code', confirmed: 'account' };

const main = document.querySelector('main');
const isFor = element => element?.dataset.for?.split(' ').includes(status());

/** `#/confirm?token=…` is the page `confirm` with a token. What follows `#` is sent to no server. */
function readAddress() {
  const [, name = '', query = ''] = /^#\/([a-z-]*)(?:\?(.*))?$/.exec(location.hash) ?? [];
  return { name, token: new URLSearchParams(query).get('token') };
}

async function show() {
  const { name, token } = readAddress();
  const template = Object.hasOwn(pages, name) ? document.getElementById(`page-${name}`) : null;
  if (!isFor(template)) {
    history.replaceState(null, '', `#/${FIRST[status()]}`);
    return show();
  }
  // A token belongs neither on the screen nor into the history.
  if (token) history.replaceState(null, '', `#/${name}`);
  showNavigation(name);
  main.replaceChildren(template.content.cloneNode(true));
  document.querySelector('#message').textContent = takeMessage();
  const heading = main.querySelector('h1');
  document.title = `${heading.textContent} · Example`;
  // Screen readers read the new page; the next Tab leads into it.
  heading.tabIndex = -1;
  heading.focus();
  try {
    await pages[name](main, token ?? '');
  } catch (problem) {
    report(main, problem);
  }
}

function showNavigation(name) {
  for (const element of document.querySelectorAll('nav [data-for]')) {
    element.hidden = !isFor(element);
    if (element.hash === `#/${name}`) element.ariaCurrent = 'page';
    else element.ariaCurrent = null;
  }
}

document.querySelector('#sign-out').addEventListener('click', async () => {
  try {
    await signOut();
    go('sign-in', 'You are signed out.');
  } catch (problem) {
    report(main, problem);
  }
});

// The email's link opens another tab: when you come back to this one, it may be out of date.
document.addEventListener('visibilitychange', async () => {
  const before = status();
  if (document.visibilityState === 'visible') await loadUser().catch(() => {});
  if (status() !== before) go('');
});

try {
  await loadUser();
  addEventListener('hashchange', show);
  show();
} catch (problem) {
  report(main, problem);
}
