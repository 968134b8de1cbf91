// The pipelines as graphs. The server has laid them out; here they are drawn, and kept up to date.
import { byId, drawn, element, key, percent, plural, say, seconds, short } from './parts.js';

// A drawing is made smaller to fit, but not more than this.
const SMALLEST = 0.8;
// The padding and the border around a drawing.
const AROUND = 26;
// A component that finishes nothing for this long is marked.
const STUCK_SECONDS = 10;
// A buffer, or a channel, that is filled to this part is marked.
const FULL = 0.9;

// What is left and right of the texts in a box.
const BESIDE = 24;

// The pipelines, as the server has laid them out.
let pipelines = [];
// The parts of the drawing that change, by pipeline and component.
let nodes = new Map();
let edges = [];
let open = () => {};
let selected;
let latest;

export function show(answer, whenOpened) {
  pipelines = answer.pipelines;
  open = whenOpened;
  draw();
}

// The component whose panel is open.
export function select(pipeline, id) {
  selected = id === undefined ? undefined : key(pipeline, id);
  for (const [name, node] of nodes) node.group.classList.toggle('selected', name === selected);
}

export const focus = (pipeline, id) => nodes.get(key(pipeline, id))?.group.focus();

function draw() {
  const focused = document.activeElement?.dataset?.key;
  const room = byId('graphs').clientWidth - AROUND;
  nodes = new Map();
  edges = [];
  byId('graphs').replaceChildren(...pipelines.map((pipeline, number) => {
    const drawing = fitting(pipeline, room);
    const scale = Math.max(SMALLEST, Math.min(1, room / drawing.width));
    const picture = drawn('svg', {
      viewBox: `0 0 ${drawing.width} ${drawing.height}`,
      width: Math.floor(drawing.width * scale),
      height: Math.floor(drawing.height * scale),
      role: 'group',
      'aria-label': `Components of pipeline ${pipeline.name}`,
    });
    if (number === 0) picture.append(definitions());
    drawing.edges.forEach((edge) => picture.append(drawEdge(pipeline.name, edge, drawing)));
    drawing.nodes.forEach((node) => picture.append(drawNode(pipeline.name, node)));
    return element('figure', {},
      element('figcaption', {}, element('h2', {}, pipeline.name), element('span', { class: 'note' })),
      element('div', { class: 'scrolls' }, picture));
  }));
  for (const { name, about: kind, node } of nodes.values()) {
    fit(name, node.id, node.width - BESIDE);
    fit(kind, about(node), node.width - BESIDE);
  }
  if (latest) update(latest);
  if (focused) nodes.get(focused)?.group.focus();
}

// From left to right if that fits, otherwise from top to bottom.
function fitting({ right, down }, room) {
  return right.width * SMALLEST <= room || right.width <= down.width ? right : down;
}

function definitions() {
  const arrow = drawn('marker', {
    id: 'arrow', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8,
    orient: 'auto', markerUnits: 'userSpaceOnUse',
  }, drawn('path', { d: 'M0 0 L8 4 L0 8 Z', class: 'arrow' }));
  const hatch = drawn('pattern', {
    id: 'hatch', width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)',
  }, drawn('rect', { width: 3, height: 6, class: 'hatch' }));
  return drawn('defs', {}, arrow, hatch);
}

function drawNode(pipeline, node) {
  const { x, y, width, height } = node;
  const parts = {
    name: drawn('text', { x: 14, y: 21, class: 'name' }),
    about: drawn('text', { x: 14, y: 37, class: 'about' }),
    busy: drawn('rect', { x: 14, y: 46, width: 0, height: 6, class: 'busy' }),
    blocked: drawn('rect', { x: 14, y: 46, width: 0, height: 6, class: 'blocked' }),
    times: drawn('text', { x: 14, y: 67, class: 'about' }),
    failed: drawn('text', { x: width - 10, y: 37, class: 'failed' }),
    mark: drawn('text', { x: width - 16, y: 1, class: 'mark' }),
    plate: drawn('rect', { height: 18, y: -12, rx: 9, class: 'plate', visibility: 'hidden' }),
  };
  const group = drawn('g', {
    transform: `translate(${x} ${y})`, tabindex: 0, role: 'button', class: `node ${node.kind}`,
    'data-key': key(pipeline, node.id), 'aria-haspopup': 'dialog',
  },
  drawn('title', {}, `${node.id}: ${about(node)}`),
  drawn('rect', { width, height, rx: 8, class: 'box' }),
  drawn('path', { d: `M8 0 H6 a6 6 0 0 0 -6 6 V${height - 6} a6 6 0 0 0 6 6 H8 Z`, class: 'kind' }),
  drawn('rect', { x: 14, y: 46, width: width - 28, height: 6, class: 'time' }),
  parts.busy, parts.blocked, parts.name, parts.about, parts.times, parts.failed, parts.plate, parts.mark);
  group.addEventListener('click', () => open(pipeline, node.id));
  group.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    open(pipeline, node.id);
  });
  group.classList.toggle('selected', selected === key(pipeline, node.id));
  nodes.set(key(pipeline, node.id), { ...parts, group, node });
  return group;
}

// The kind and the type of a component as text. The type is often the same as its name.
function about({ id, kind, type }) {
  return type === id ? kind : `${kind}, ${type}`;
}

function drawEdge(pipeline, edge, { edges: all }) {
  const [begin, ...rest] = edge.curve;
  const pieces = [];
  for (let at = 0; at + 2 < rest.length; at += 3) pieces.push(`C ${rest.slice(at, at + 3).join(' ')}`);
  const line = drawn('path', {
    d: `M ${begin} ${pieces.join(' ')}`, class: edge.on_disk ? 'edge disk' : 'edge', 'marker-end': 'url(#arrow)',
  });
  const [x, y] = edge.label;
  const rate = drawn('text', { x, y: y - 3, class: 'rate' });
  const depth = drawn('text', { x, y: y + 11, class: 'depth' });
  const plate = drawn('rect', { x: x - 40, y: y - 17, width: 80, height: 34, rx: 4, class: 'under' });
  edges.push({
    pipeline, edge, line, rate, depth,
    only_way_in: all.filter((other) => other.to === edge.to).length === 1,
    only_way_out: all.filter((other) => other.from === edge.from).length === 1,
  });
  return drawn('g', { 'aria-hidden': 'true', 'data-edge': `${edge.from}>${edge.to}` }, line, plate, rate, depth);
}

// Shows the numbers of a moment.
export function update(sample) {
  latest = sample;
  const rates = new Map(sample.rates.map((rate) => [key(rate.pipeline, rate.id), rate]));
  for (const pipeline of sample.pipelines) {
    for (const component of pipeline.components) {
      const node = nodes.get(key(pipeline.name, component.id));
      if (node) updateNode(node, component, rates.get(key(pipeline.name, component.id)));
    }
  }
  for (const edge of edges) updateEdge(edge, rates);
}

// The problems of a component as text, the worst first.
export function marks(component, rate) {
  const found = [];
  if (component.stuck_seconds >= STUCK_SECONDS) found.push(`stuck ${seconds(component.stuck_seconds)}`);
  if (rate?.is_bottleneck) found.push('bottleneck');
  if (component.stored_part >= FULL) found.push(`${percent(component.stored_part)} full`);
  return found;
}

function updateNode(node, component, rate) {
  const width = node.node.width - 28;
  const { busy = 0, blocked = 0 } = rate ?? {};
  node.busy.setAttribute('width', Math.round(width * busy));
  node.blocked.setAttribute('x', 14 + Math.round(width * busy));
  node.blocked.setAttribute('width', Math.round(width * Math.min(blocked, 1 - busy)));
  const times = rate ? `busy ${percent(busy)}` + (blocked >= 0.005 ? `, blocked ${percent(blocked)}` : '') : '';
  say(node.times, times);
  const failed = component.failed_messages;
  const few = failed > 0 ? `✕ ${short(failed)}` : '';
  if (node.failed.textContent !== few) {
    say(node.failed, few);
    // They share a line.
    const taken = few === '' ? 0 : node.failed.getComputedTextLength() + 6;
    fit(node.about, about(node.node), node.node.width - BESIDE - taken);
  }
  const found = marks(component, rate);
  const mark = cut(found.join(', '), 24);
  say(node.mark, mark);
  node.plate.setAttribute('visibility', found.length > 0 ? 'visible' : 'hidden');
  if (found.length > 0) {
    const length = mark.length * 6.7 + 18;
    node.plate.setAttribute('width', length);
    node.plate.setAttribute('x', node.node.width - 8 - length);
  }
  node.group.classList.toggle('marked', found.length > 0);
  node.group.classList.toggle('stuck', component.stuck_seconds >= STUCK_SECONDS);
  const spoken = [`${component.id}, ${about(node.node)}, ${plural(component.workers, 'worker')}`, ...found, times];
  if (rate && rate.depth !== null) spoken.push(`${short(rate.received_per_second)} messages a second come`, `depth ${percent(rate.depth)}`);
  if (rate) spoken.push(`${short(rate.sent_per_second)} a second go on`);
  if (failed > 0) spoken.push(`${short(failed)} failed`);
  node.group.setAttribute('aria-label', spoken.filter(Boolean).join(', '));
}

function updateEdge({ pipeline, edge, line, rate, depth, only_way_in, only_way_out }, rates) {
  const [from, to] = [rates.get(key(pipeline, edge.from)), rates.get(key(pipeline, edge.to))];
  if (!from || !to) return;
  // If several lines join and divide, the number of messages on each line is not known.
  const passes = only_way_in && to.depth !== null ? to.received_per_second
    : only_way_out ? from.sent_per_second : undefined;
  say(rate, passes === undefined ? '' : `${short(passes)}/s`);
  const filled = edge.on_disk ? undefined : to.depth ?? undefined;
  say(depth, edge.on_disk ? 'on disk' : filled === undefined ? '' : `${percent(filled)} full`);
  line.classList.toggle('full', filled >= FULL);
  depth.classList.toggle('full', filled >= FULL);
}

// Sets a text, cut with … if it is wider than its room. Its title, the group's, has the whole name.
function fit(where, text, room) {
  let most = text.length;
  say(where, text);
  while (most > 1 && where.getComputedTextLength() > room) {
    most -= 1;
    say(where, cut(text, most));
  }
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// For another width, the other drawing may fit better.
let width = 0;
new ResizeObserver(() => {
  const now = byId('graphs').clientWidth;
  if (now !== width && pipelines.length > 0) draw();
  width = now;
}).observe(byId('graphs'));
