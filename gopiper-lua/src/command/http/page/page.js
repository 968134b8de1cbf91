// The page: it requests the graph, then listens for new numbers each second.
import * as graph from './graph.js';
import * as letters from './letters.js';
import * as panel from './panel.js';
import { byId, bytes, element, list, percent, say, seconds } from './parts.js';
import { Refused, follow, forgetToken, get, keepToken, token } from './server.js';

// The pauses between attempts to connect, in seconds. The last one is used again and again.
const PAUSES = [1, 2, 4, 8];

let has_begun = false;
let attempts = 0;
let before;
let pids;
let wake = () => {};
// Ends the running request, so that a new one begins.
let listening = new AbortController();

// Requests the graph, and listens until the connection breaks; then begins again.
async function run() {
  for (;;) {
    let why = '';
    let has_heard = false;
    listening = new AbortController();
    try {
      await begin();
      await follow('/api/v1/events', listening.signal, (line) => {
        if (!line.startsWith('data: ')) return;
        has_heard = true;
        update(JSON.parse(line.slice(6)));
      });
    } catch (error) {
      if (listening.signal.aborted) continue;
      why = error instanceof Refused ? error.message : 'gopiper does not answer';
      if (error.status === 401) {
        connection('a token is needed', false);
        if (!byId('token-dialog').open) askForToken();
        await new Promise((woken) => { wake = woken; });
        continue;
      }
    }
    // The server ends each answer after some minutes.
    if (why === '' && has_heard) continue;
    const pause = PAUSES[Math.min(attempts, PAUSES.length - 1)];
    attempts += 1;
    connection(`not connected: ${why || 'the connection has ended'}; trying again in ${pause} s`, false);
    await new Promise((woken) => { setTimeout(woken, pause * 1000); });
  }
}

async function begin() {
  const answer = await get('/api/v1/graph');
  graph.show(answer, panel.open);
  if (has_begun) return;
  has_begun = true;
  byId('token-button').hidden = !answer.has_token;
  letters.begin(answer);
  panel.begin(answer);
  access();
}

function connection(text, is_live) {
  say(byId('connection'), text);
  document.body.classList.toggle('stale', !is_live);
}

function update(sample) {
  const { process, pipelines } = sample;
  // The process is another one, or more pipelines have started: the graph is drawn again.
  const names = [process.pid, ...pipelines.map(({ name, components }) => `${name} ${components.length}`)].join();
  if (pids !== undefined && pids !== names) get('/api/v1/graph').then((answer) => graph.show(answer, panel.open), () => {});
  pids = names;
  attempts = 0;
  connection('live', true);
  say(byId('file'), process.file);
  document.title = `${process.file.split('/').at(-1)} – gopiper`;
  const pairs = [['state', process.state], ['runs for', seconds(process.uptime_seconds)]];
  if (before && before.pid === process.pid) {
    const elapsed = process.uptime_seconds - before.uptime_seconds;
    const cpu = (process.cpu_seconds - before.cpu_seconds) / elapsed;
    if (elapsed > 0) pairs.push(['processors', percent(Math.max(0, cpu))]);
  }
  if (process.resident_bytes !== null) pairs.push(['memory', bytes(process.resident_bytes)]);
  list(byId('process'), pairs);
  before = process;
  const reasons = process.not_ready;
  byId('not-ready').hidden = reasons.length === 0;
  const shown = reasons.join('\n');
  if (byId('not-ready').dataset.shown !== shown) {
    byId('not-ready').dataset.shown = shown;
    byId('not-ready').replaceChildren(...reasons.map((why) => element('li', {}, `⚠ not ready: ${why}`)));
  }
  graph.update(sample);
  panel.update(sample);
  letters.update(sample);
}

function access() {
  say(byId('token-button'), token() ? 'Forget token' : 'Enter token');
  letters.access();
  panel.access();
}

function tokenChanged() {
  if (has_begun) access();
  listening.abort();
  wake();
}

function askForToken() {
  say(byId('token-error'), '');
  byId('token').value = '';
  byId('token-dialog').showModal();
}

byId('token-button').addEventListener('click', () => {
  if (token()) {
    forgetToken();
    tokenChanged();
  } else {
    askForToken();
  }
});
byId('token-cancel').addEventListener('click', () => byId('token-dialog').close());
byId('token-dialog').querySelector('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const given = byId('token').value.trim();
  try {
    await get('/api/v1/process', { token: given });
  } catch (error) {
    say(byId('token-error'), error.status === 401 ? 'This is not the token.' : error.message);
    return;
  }
  keepToken(given);
  byId('token-dialog').close();
  tokenChanged();
});

run();
