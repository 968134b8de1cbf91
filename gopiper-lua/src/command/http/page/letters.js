// Dead letters: the list, the details of one, replay and purge.
import { ask, byId, bytes, element, list, plural, say, short, time, tokenNote } from './parts.js';
import { get, post, token } from './server.js';

const PATH = '/api/v1/dead-letters';
// How often the state of a running replay is requested, in milliseconds.
const REPLAY_EVERY = 1000;
// The number of letters that are shown at first.
const FEW = 20;

let has_token = false;
let is_asking = false;
// The letters that this process has written so far: now, and when the list was requested.
let written = 0;
let listed = 0;

export function begin(answer) {
  has_token = answer.has_token;
  byId('letters-refresh').addEventListener('click', refresh);
  byId('letters-purge').addEventListener('click', purge);
  byId('letters-replay').addEventListener('click', replay);
  byId('letter-close').addEventListener('click', () => byId('letter').close());
}

// Offers the letters that the list does not show yet. It does not change by itself: somebody may be
// reading it.
export function update({ pipelines }) {
  const components = pipelines.flatMap((pipeline) => pipeline.components);
  written = components.reduce((sum, component) => sum + component.dead_letters, 0);
  // Another process counts from 0.
  listed = Math.min(listed, written);
  offer();
}

function offer() {
  const more = written - listed;
  say(byId('letters-refresh'), more > 0 ? `${short(more)} new: refresh` : 'Refresh');
}

// Called after the token has changed.
export function access() {
  const is_open = Boolean(token());
  for (const name of ['refresh', 'replay', 'purge']) byId(`letters-${name}`).hidden = !is_open;
  if (is_open) {
    refresh();
    awaitReplay();
    return;
  }
  byId('letters').hidden = true;
  byId('letters-more').hidden = true;
  byId('letters').tBodies[0].replaceChildren();
  byId('replay').hidden = true;
  byId('letter').close();
  // Without the token, nothing of the letters stays on the page.
  for (const part of ['replay-lines', 'letter-about', 'letter-attributes', 'letter-data', 'letters-count']) {
    byId(part).replaceChildren();
  }
  say(byId('letters-note'), tokenNote(has_token));
}

async function refresh() {
  let answer;
  const before = written;
  try {
    answer = await get(PATH);
  } catch (error) {
    say(byId('letters-note'), error.message);
    return;
  }
  if (!token()) return;
  listed = before;
  offer();
  const { count, replayed, letters } = answer;
  say(byId('letters-count'), count === 0 ? '' : `${count}, ${replayed} of them replayed`);
  const newest = letters.length < count ? `The newest ${letters.length} are shown.` : '';
  say(byId('letters-note'), count === 0 ? 'There are none.' : newest);
  byId('letters').hidden = count === 0;
  byId('letters').tBodies[0].replaceChildren(...letters.slice(0, FEW).map(row));
  const more = letters.slice(FEW);
  byId('letters-more').hidden = more.length === 0;
  say(byId('letters-more'), `Show ${more.length} more`);
  byId('letters-more').onclick = () => {
    const rows = more.map(row);
    byId('letters').tBodies[0].append(...rows);
    byId('letters-more').hidden = true;
    rows[0].querySelector('button').focus();
  };
}

function row(letter) {
  const open = element('button', { type: 'button', class: 'link' }, time(letter.time_seconds));
  open.addEventListener('click', () => show(letter.id));
  const cells = [
    ['Time', open],
    ['Component', `${letter.pipeline}/${letter.component}`],
    ['Status', String(letter.status)],
    ['Reason', letter.description],
    ['Attempts', String(letter.attempts)],
    ['Size', bytes(letter.bytes)],
    ['Replayed', letter.replayed ? 'yes' : 'no'],
  ];
  return element('tr', {}, ...cells.map(([name, value]) => element('td', { 'data-label': name }, value)));
}

async function show(id) {
  let letter;
  try {
    letter = await get(`${PATH}/${encodeURIComponent(id)}`);
  } catch (error) {
    say(byId('letters-note'), error.message);
    return;
  }
  list(byId('letter-about'), [
    ['id', letter.id],
    ['time', time(letter.time_seconds)],
    ['component', `${letter.pipeline}/${letter.component}`],
    ['status', letter.status],
    ['reason', letter.description],
    ['attempts', letter.attempts],
    ['position', letter.position ?? '-'],
    ['identity', letter.identity ?? '-'],
    ['replayed', letter.replayed ? 'yes' : 'no'],
  ]);
  const attributes = Object.entries(letter.attributes).map(([name, value]) =>
    [name, typeof value === 'string' ? value : JSON.stringify(value)]);
  list(byId('letter-attributes'), attributes.length > 0 ? attributes : [['none', '']]);
  const form = letter.data === undefined ? ', as base64' : '';
  const part = letter.is_cut ? ', its beginning' : '';
  say(byId('letter-data-title'), `Message (${bytes(letter.bytes)}${form}${part})`);
  say(byId('letter-data'), letter.data ?? letter.data_base64);
  byId('letter').showModal();
}

async function purge() {
  const text = 'Files whose letters were all replayed are removed from the disk. A file that a running '
    + 'process still writes stays.';
  if (!await ask('Purge dead letters?', text, 'Purge')) return;
  try {
    const { removed, left, in_use } = await post(`${PATH}/purge`);
    await refresh();
    const busy = in_use > 0 ? `; ${in_use} of them in use by a running process` : '';
    say(byId('letters-note'), `${plural(removed, 'dead letter')} removed, ${left + in_use} left${busy}.`);
  } catch (error) {
    say(byId('letters-note'), error.message);
  }
}

async function replay() {
  const text = 'A second process sends the letters that were not replayed through the pipeline again, '
    + 'from the component that failed with them, with its own sinks. It cannot use standard output, a '
    + 'buffer of the running pipeline, or a file that is being written. If the pipeline needs one of '
    + 'these, nothing is replayed: stop the pipeline, and run gopiper dlq replay.';
  if (!await ask('Replay dead letters?', text, 'Replay')) return;
  try {
    await post(`${PATH}/replay`);
  } catch (error) {
    say(byId('letters-note'), error.message);
  }
  awaitReplay();
}

// Shows the replay that runs, or the last one, until it has ended.
async function awaitReplay() {
  if (is_asking) return;
  is_asking = true;
  for (let has_run = false; token();) {
    let answer;
    try {
      answer = await get(`${PATH}/replay`);
    } catch {
      break;
    }
    const { state, ended, is_success, lines } = answer;
    byId('replay').hidden = state === 'none';
    const said = is_success ? 'The replay has ended.' : `The replay has failed (${ended}): see below.`;
    say(byId('replay-state'), state === 'running' ? 'A replay is running …' : said);
    say(byId('replay-lines'), lines.join('\n'));
    if (state !== 'running') {
      if (has_run) await refresh();
      break;
    }
    has_run = true;
    byId('letters-replay').disabled = true;
    await new Promise((wake) => { setTimeout(wake, REPLAY_EVERY); });
  }
  byId('letters-replay').disabled = false;
  is_asking = false;
}
