// Requests to the server. The token is sent as a header, and kept in this tab only.

const KEY = 'gopiper-token';

export const token = () => sessionStorage.getItem(KEY);
export const keepToken = (token) => sessionStorage.setItem(KEY, token);
export const forgetToken = () => sessionStorage.removeItem(KEY);

// The server has refused a request.
export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function send(path, { method = 'GET', signal, token: given = token() } = {}) {
  const headers = {};
  if (given) headers.Authorization = `Bearer ${given}`;
  if (method === 'POST') headers['Content-Type'] = 'application/json';
  const body = method === 'POST' ? '{}' : undefined;
  const options = { method, headers, body, signal, cache: 'no-store', credentials: 'omit' };
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Refused(answer.status, (await answer.text()).trim());
  return answer;
}

export async function get(path, options) {
  return (await send(path, options)).json();
}

export async function post(path) {
  return (await send(path, { method: 'POST' })).json();
}

// Calls `line` with each line of a streamed answer, until it ends.
export async function follow(path, signal, line) {
  const reader = (await send(path, { signal })).body.pipeThrough(new TextDecoderStream()).getReader();
  let begun = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (begun + value).split('\n');
    begun = lines.pop();
    lines.forEach(line);
  }
}
