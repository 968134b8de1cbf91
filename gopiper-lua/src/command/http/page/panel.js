// The panel of a component: its numbers over the last minutes, its failures, and a tap.
import * as graph from './graph.js';
import {
  byId, bytes, drawn, element, key, list, percent, plural, say, seconds, short, time, tokenNote,
} from './parts.js';
import { get, token } from './server.js';
import * as tap from './tap.js';

// The samples that are kept of each component, one for each second. A plot shows at least a minute.
const [KEPT, LEAST_SHOWN] = [300, 60];
const [WIDTH, HEIGHT] = [300, 56];
// How often failures are requested while the panel is open, in milliseconds.
const FAILURES_EVERY = 3000;

// The plots: a title, the lines with their names, and the format of a value.
const PLOTS = [
  { title: 'Messages a second', write: short, lines: [['in', 'received_per_second'], ['out', 'sent_per_second']] },
  { title: 'Depth', write: percent, least: 1, lines: [['', 'depth']] },
  { title: 'Workers’ time', write: percent, least: 1, lines: [['busy', 'busy'], ['blocked', 'blocked']] },
  { title: 'Time of a call', write: seconds, lines: [['half', 'calls_median_seconds'], ['99 %', 'calls_99th_seconds']] },
  { title: 'Processors', write: percent, lines: [['', 'cpu']] },
  { title: 'Memory of its library', write: bytes, lines: [['', 'memory_bytes']] },
  { title: 'Failures a second', write: short, lines: [['', 'failed_per_second']] },
];

const history = new Map();
let shown;
let opener;
let timer;
let latest;
let has_token = false;

export function begin(answer) {
  has_token = answer.has_token;
  byId('panel-close').addEventListener('click', close);
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && shown && !document.querySelector('dialog[open]')) close();
  });
  tap.begin();
}

// Keeps the numbers of a sample.
export function update(sample) {
  latest = sample;
  for (const rate of sample.rates) {
    const name = key(rate.pipeline, rate.id);
    const kept = history.get(name) ?? [];
    if (kept.length >= KEPT) kept.shift();
    kept.push(rate);
    history.set(name, kept);
  }
  if (shown) draw();
}

export function open(pipeline, id) {
  opener = document.activeElement;
  shown = { pipeline, id };
  graph.select(pipeline, id);
  tap.of(pipeline, id);
  byId('panel').hidden = false;
  document.body.classList.add('with-panel');
  byId('failures').replaceChildren();
  say(byId('panel-title'), id);
  byId('panel').scrollTop = 0;
  byId('panel-title').focus();
  narrow();
  draw();
  access();
}

function close() {
  const { pipeline, id } = shown;
  shown = undefined;
  clearInterval(timer);
  tap.end();
  byId('panel').hidden = true;
  document.body.classList.remove('with-panel');
  narrow();
  graph.select(pipeline);
  if (opener?.isConnected) opener.focus();
  else graph.focus(pipeline, id);
}

// On a narrow screen the panel covers the rest, which then cannot be reached.
const wide = matchMedia('(min-width: 1000px)');
function narrow() {
  byId('content').inert = Boolean(shown) && !wide.matches;
}
wide.addEventListener('change', narrow);

// Called after the token has changed: shows what the token opens, or hides it.
export function access() {
  clearInterval(timer);
  const is_open = Boolean(token());
  const note = is_open ? '' : tokenNote(has_token);
  say(byId('failures-note'), note);
  tap.access(note);
  byId('failures').replaceChildren();
  if (shown && is_open) {
    failures();
    timer = setInterval(failures, FAILURES_EVERY);
  }
}

async function failures() {
  const { pipeline, id } = shown;
  let found;
  try {
    const answer = await get('/api/v1/pipelines');
    found = componentOf(answer, pipeline, id)?.failures ?? [];
  } catch (error) {
    say(byId('failures-note'), error.message);
    return;
  }
  if (shown?.pipeline !== pipeline || shown?.id !== id || !token()) return;
  say(byId('failures-note'), found.length === 0 ? 'None so far.' : '');
  const entries = found.reverse().map((failure) => element('li', {},
    element('span', { class: 'note' }, `${time(failure.time_seconds)}, status ${failure.status}`),
    element('span', { class: 'text' }, failure.description)));
  byId('failures').replaceChildren(...entries);
}

function componentOf(sample, pipeline, id) {
  const found = sample.pipelines.find((one) => one.name === pipeline);
  return found?.components.find((one) => one.id === id);
}

function draw() {
  const component = latest && componentOf(latest, shown.pipeline, shown.id);
  if (!component) return;
  const kept = history.get(key(shown.pipeline, shown.id)) ?? [];
  const { kind, type, workers, next } = component;
  const to = next.length > 0 ? `, sends to ${next.join(', ')}` : '';
  say(byId('panel-kind'), `${kind} (${type}) in ${shown.pipeline}, ${plural(workers, 'worker')}${to}`);
  say(byId('panel-marks'), graph.marks(component, kept.at(-1)).map((mark) => `⚠ ${mark}`).join('  '));
  byId('plots').replaceChildren(...PLOTS.map((of) => plot(of, kept)).filter(Boolean));
  const counts = [
    ['received', short(component.received_messages)],
    ['sent', short(component.sent_messages)],
    ['dropped', short(component.dropped_messages)],
    ['failed', short(component.failed_messages)],
    ['dead letters', short(component.dead_letters)],
    ['retries', short(component.retries)],
    ['panics', short(component.panics)],
    ['in flight', short(component.in_flight_messages)],
  ];
  if (component.depth_limit_messages > 0) {
    counts.push(['waiting', `${short(component.depth_messages)} of ${short(component.depth_limit_messages)}`],
      ['bytes', `${bytes(component.depth_bytes)} of ${bytes(component.depth_limit_bytes)}`]);
  }
  if (component.stored_part !== null) counts.push(['stored', percent(component.stored_part)]);
  list(byId('counts'), counts);
}

// A small plot of the last minutes; nothing if the component has no such numbers.
function plot({ title, write, least = 0, lines }, kept) {
  const used = lines.filter(([, field]) => kept.some((moment) => moment[field] !== null));
  if (used.length === 0) return undefined;
  const values = used.map(([, field]) => kept.map((moment) => moment[field]));
  const most = Math.max(least, ...values.flat().filter((value) => value !== null));
  const now = used.map(([name], line) => {
    const value = values[line].at(-1);
    return `${name} ${value === null ? '-' : write(value)}`.trim();
  });
  const curves = values.flatMap((of, line) => pieces(of, most).map((points) =>
    drawn('polyline', { points, class: `line line-${line}` })));
  const said = `${title}: now ${now.join(', ')}; at most ${write(most)} in the last ${seconds(kept.length)}`;
  return element('figure', { class: 'plot' },
    element('figcaption', {}, element('span', {}, title), ...now.map((text, line) =>
      element('span', { class: `value value-${line}` }, text))),
    drawn('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': said },
      drawn('line', { x1: 0, y1: HEIGHT - 1, x2: WIDTH, y2: HEIGHT - 1, class: 'axis' }), ...curves),
    element('span', { class: 'most', 'aria-hidden': 'true' }, write(most)));
}

// The points of the curves of these values: one curve for each run of samples that have a value.
function pieces(values, most) {
  const found = [];
  let points = [];
  const all = Math.max(LEAST_SHOWN, values.length);
  const begin = all - values.length;
  values.forEach((value, at) => {
    if (value === null) {
      if (points.length > 0) found.push(points);
      points = [];
      return;
    }
    const x = ((begin + at) / (all - 1)) * WIDTH;
    points.push(`${x.toFixed(1)},${(HEIGHT - 2 - (most > 0 ? value / most : 0) * (HEIGHT - 6)).toFixed(1)}`);
  });
  if (points.length > 0) found.push(points);
  return found.map((one) => one.join(' '));
}
