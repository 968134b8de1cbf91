// A tap: messages of a component while they pass.
import { byId, element, say, time } from './parts.js';
import { follow, token } from './server.js';

// The most messages that are kept on the page, and the most characters of each.
const KEPT = 50;
const LONGEST = 2000;

let component;
let running;

export function begin() {
  byId('tap-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (running) end();
    else start();
  });
}

// The component that is tapped next.
export function of(pipeline, id) {
  end();
  component = { pipeline, id };
  byId('tap-messages').replaceChildren();
  say(byId('tap-state'), '');
}

export function access(note) {
  say(byId('tap-note'), note);
  byId('tap-form').hidden = note !== '';
  if (note !== '') {
    end();
    byId('tap-messages').replaceChildren();
    say(byId('tap-state'), '');
  }
}

export function end() {
  running?.abort();
  running = undefined;
  byId('tap-button').textContent = 'Start';
}

async function start() {
  const own = new AbortController();
  running = own;
  byId('tap-button').textContent = 'Stop';
  byId('tap-messages').replaceChildren();
  say(byId('tap-state'), 'No message has passed yet.');
  const query = new URLSearchParams({ component: component.id, pipeline: component.pipeline });
  if (byId('tap-side').value) query.set('side', byId('tap-side').value);
  if (byId('tap-filter').value) query.set('contains', byId('tap-filter').value);
  let said = 'It has ended.';
  try {
    await follow(`/api/v1/tap?${query}`, own.signal, (line) => {
      if (running === own && line !== '') show(JSON.parse(line));
    });
  } catch (error) {
    said = error.name === 'AbortError' ? 'Stopped.' : error.message;
  }
  // Another tap may have begun.
  if (running !== own && running !== undefined) return;
  end();
  if (token()) say(byId('tap-state'), said);
}

function show(message) {
  const unseen = message.unseen > 0 ? ` ${message.unseen} passed unseen.` : '';
  say(byId('tap-state'), `At most ten messages a second on each side.${unseen}`);
  const head = [message.side, time(message.time_seconds), message.position].filter(Boolean).join('  ');
  const data = message.data ?? `base64: ${message.data_base64}`;
  const parts = [element('span', { class: 'note' }, head)];
  const attributes = Object.entries(message.attributes);
  if (attributes.length > 0) {
    const pairs = attributes.map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    parts.push(element('span', { class: 'attributes' }, pairs.join('  ').slice(0, LONGEST)));
  }
  parts.push(element('span', { class: 'text' }, data.length > LONGEST ? `${data.slice(0, LONGEST)}…` : data));
  const messages = byId('tap-messages');
  messages.prepend(element('li', {}, ...parts));
  if (messages.childElementCount > KEPT) messages.lastElementChild.remove();
}
