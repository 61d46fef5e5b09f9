// The only file that talks to Vestibule.

const service = document.querySelector('meta[name=vestibule]').content;

/** An error answer of the service: a problem document (RFC 9457). */
export class Problem extends Error {
  /** `code` is stable: decide by it. `errors` has one entry for each invalid field. */
  constructor({ code, detail, errors = [], request_id }, retryAfter) {
    super(detail);
    this.code = code;
    this.errors = errors;
    this.requestId = request_id;
    /** Seconds to wait before the next try, if the service said so. */
    this.retryAfter = retryAfter;
  }
}

/**
 * Sends a request and returns the JSON of the answer, or undefined if it has none.
 *
 * The session is a cookie that no script can read. `credentials: 'include'` sends it although the service has another
 * origin; it needs this page's origin in ALLOWED_ORIGINS.
 */
export async function call(method, path, body) {
  const options = { method, credentials: 'include' };
  if (body) {
    options.headers = { 'Content-Type': 'application/json' };
    options.body = JSON.stringify(body);
  }
  let response, answer;
  try {
    response = await fetch(service + path, options);
    const text = await response.text();
    answer = text ? JSON.parse(text) : undefined;
  } catch {
    // No network, no service, or an answer that this origin may not read. A proxy may answer with something else.
    throw new Problem({ code: 'unreachable' });
  }
  if (!response.ok) {
    const retryAfter = Number(response.headers.get('Retry-After'));
    throw new Problem(answer ?? { code: 'unreachable' }, retryAfter || undefined);
  }
  return answer;
}
