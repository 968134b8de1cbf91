// Elements of the page, and numbers as text. Text is always inserted as text, never as HTML.

const SVG = 'http://www.w3.org/2000/svg';

export const byId = (id) => document.getElementById(id);

// An element with these attributes and children; a child that is a string is its text.
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Sets the text if it differs: screen readers do not announce an unchanged text again.
export function say(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

// Pairs of a term and its value, in a <dl>.
export function list(where, pairs) {
  where.replaceChildren(...pairs.map(([term, value]) =>
    element('div', {}, element('dt', {}, term), element('dd', {}, String(value)))));
}

// A number in at most five columns, as `gopiper top` shows it: 0.25, 12, 1.2k, 340k, 5.1M.
export function short(value) {
  if (value < 0.005) return '0';
  if (value < 9.95) return value.toFixed(value < 0.995 ? 2 : 1).replace(/\.0$/, '');
  for (const unit of ['', 'k', 'M', 'G', 'T', 'P']) {
    if (value < 9.95) return value.toFixed(1) + unit;
    if (value < 999.5) return value.toFixed(0) + unit;
    value /= 1000;
  }
  return `${value.toFixed(0)}E`;
}

export function bytes(count) {
  let value = count;
  for (const unit of ['B', 'KB', 'MB', 'GB']) {
    if (value < 1000) return `${value < 9.95 && unit !== 'B' ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
    value /= 1024;
  }
  return `${value.toFixed(1)} TB`;
}

export const percent = (part) => `${(part * 100).toFixed(0)} %`;

export function seconds(value) {
  if (value < 1e-3) return `${short(value * 1e6)} µs`;
  if (value < 1) return `${short(value * 1e3)} ms`;
  if (value < 120) return `${short(value)} s`;
  if (value < 7200) return `${Math.floor(value / 60)} min`;
  return `${Math.floor(value / 3600)} h`;
}

export const time = (at) => new Date(at * 1000).toISOString().replace('T', ' ').slice(0, 19);

export const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;

// The key of a component in a Map.
export const key = (pipeline, id) => `${pipeline}\n${id}`;

// Why contents of messages are not shown without a token.
export const tokenNote = (has_token) => (has_token ? 'Enter the token to see them.'
  : 'They are only served with a token: start gopiper with --http-token-file or --http-token-env.');

// Asks the user for confirmation. The answer is true or false.
export function ask(title, text, yes) {
  const dialog = byId('ask');
  say(byId('ask-title'), title);
  say(byId('ask-text'), text);
  say(byId('ask-yes'), yes);
  return new Promise((answer) => {
    let is_wanted = false;
    byId('ask-yes').onclick = () => { is_wanted = true; dialog.close(); };
    byId('ask-no').onclick = () => dialog.close();
    dialog.onclose = () => answer(is_wanted);
    dialog.showModal();
    byId('ask-no').focus();
  });
}
