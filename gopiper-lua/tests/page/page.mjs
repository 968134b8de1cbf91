// Drives the page as a person does. Each step that is not as it should be ends with an error.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { GOPIPER_TEST_NODE, PAGE_ADDRESS, PAGE_TOKEN, PAGE_PICTURES, PAGE_PROFILE, PAGE_PROCESS } = process.env;
const { chromium } = createRequire(join(GOPIPER_TEST_NODE, 'package.json'))('playwright-core');

const LONG = 'a_long_name_of_a_component_WWWWWW';
const COMPONENTS = ['lines', 'parse', 'keep', 'keep.out', 'stuck', 'grep', 'ends', 'dead_letters', 'ticks',
  'nowhere', LONG];
const ARGUMENTS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const browser = await chromium.launchPersistentContext(PAGE_PROFILE, {
  executablePath: '/usr/bin/chromium', args: ARGUMENTS, headless: true,
  viewport: { width: 1280, height: 900 }, colorScheme: 'light', reducedMotion: 'reduce',
});
browser.setDefaultTimeout(60_000);
const page = browser.pages()[0] ?? await browser.newPage();

const complaints = [];
page.on('console', (message) => {
  if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
});
page.on('pageerror', (error) => complaints.push(String(error)));
page.on('request', (request) => {
  const { origin, protocol } = new URL(request.url());
  if (protocol !== 'data:' && origin !== PAGE_ADDRESS) complaints.push(`asks ${request.url()}`);
});

const node = (id) => page.locator(`.node[data-key$="\\a ${id}"]`);
const focused = (id) => page.evaluate((end) => document.activeElement?.dataset?.key?.endsWith(`\n${end}`) ?? false, id);
const says = (where, what) => page.locator(where).filter({ hasText: what }).first().waitFor();

// Presses Tab until a component has the focus.
async function tabTo(id) {
  for (let pressed = 0; pressed < 60; pressed += 1) {
    if (await focused(id)) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`Tab does not reach ${id}`);
}

async function fits(what) {
  const [needed, there] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(needed <= there, `${what}: ${needed} pixels wide, of ${there}`);
}

async function picture(name) {
  await fits(name);
  await page.screenshot({ path: join(PAGE_PICTURES, `${name}.png`), fullPage: true });
}

// As at an address that other machines can reach: nothing is shown without the token.
async function beforeToken() {
  await page.route('**/api/v1/graph', (route) => route.fulfill({ status: 401, body: 'no' }));
  await page.goto(PAGE_ADDRESS);
  await says('#connection', 'a token is needed');
  for (const name of ['refresh', 'replay', 'purge']) assert.ok(!await page.locator(`#letters-${name}`).isVisible(), name);
  while (complaints.length === 0) await page.waitForTimeout(20);
  assert.match(complaints.pop(), /401/);
  await page.unroute('**/api/v1/graph');
}

async function withoutToken() {
  await page.goto(PAGE_ADDRESS);
  await says('#connection', 'live');
  for (const id of COMPONENTS) await node(id).first().waitFor();
  await says('[data-edge="lines>parse"] .rate', '/s');
  await says('#letters-note', 'Enter the token to see them.');
  assert.ok(!await page.locator('#letters').isVisible());
  assert.ok(!await page.locator('#letters-purge').isVisible());
  // By the keyboard alone.
  await tabTo('parse');
  await page.keyboard.press('Enter');
  await says('#panel-title', 'parse');
  await says('#failures-note', 'Enter the token to see them.');
  assert.ok(!await page.locator('#tap-form').isVisible());
  assert.ok(!(await page.content()).includes('two sevens'), 'a failure is seen without the token');
  await page.locator('#plots .line').first().waitFor();
  await page.keyboard.press('Escape');
  assert.ok(!await page.locator('#panel').isVisible());
  assert.ok(await focused('parse'), 'the focus goes back to the component');
}

// Whether all texts of the boxes are inside of them, and none is printed over another.
async function textsFit(what) {
  const found = await page.evaluate(() => [...document.querySelectorAll('.node')].flatMap((node) => {
    const box = node.querySelector('.box').getBoundingClientRect();
    // The longest line of times; the next numbers replace it.
    [...node.querySelectorAll('.about')].at(-1).textContent = 'busy 0 %, blocked 100 %';
    const texts = [...node.querySelectorAll('text:not(.mark)')].filter((text) => text.textContent !== '');
    const places = texts.map((text) => [text.textContent, text.getBoundingClientRect()]);
    const outside = places.filter(([, at]) => at.left < box.left || at.right > box.right).map(([text]) => text);
    // The lines of a font may overlap; letters that are beside each other may not.
    const over = places.flatMap(([text, at], place) => places.slice(place + 1)
      .filter(([, other]) => at.left < other.right && other.left < at.right
        && Math.abs(at.top - other.top) < 8).map(([other]) => `${text} over ${other}`));
    return [...outside, ...over];
  }));
  assert.deepEqual(found, [], what);
}

async function whatIsWrong() {
  await says('.node[data-key$="stuck"] .mark', 'stuck');
  await says('.node[data-key$="keep"] .mark', 'full');
  assert.match(await node('stuck').getAttribute('aria-label'), /bottleneck/);
  await says('.node[data-key$="parse"] .failed', '✕');
  await says('#not-ready', 'component keep');
  await textsFit('1280');
  assert.match(await node(LONG).locator('.name').textContent(), /^a_long_.*…$/);
  assert.match(await node(LONG).locator('title').textContent(), new RegExp(LONG));
  await picture('graph-without-token');
}

async function enterToken() {
  await page.locator('#token-button').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.type('a wrong token');
  await page.keyboard.press('Enter');
  await says('#token-error', 'This is not the token.');
  // The browser complains of the refusal, at about the same time.
  while (complaints.length === 0) await page.waitForTimeout(20);
  assert.match(complaints.pop(), /401/);
  await page.locator('#token').fill(PAGE_TOKEN);
  await picture('token');
  await page.keyboard.press('Enter');
  await says('#letters tbody', 'two sevens: <b>line');
  assert.equal(await page.locator('#letters tbody b').count(), 0, 'a text became a part of the page');
}

async function component() {
  await node('parse').click();
  await says('#failures', 'two sevens: <b>line');
  await picture('panel');
  await page.locator('#tap-side').selectOption('before');
  await page.locator('#tap-filter').fill('77:');
  await page.keyboard.press('Enter');
  await says('#tap-messages li', /line \d*77:/);
  await picture('tap');
  await page.locator('#tap-button').click();
  await says('#tap-state', 'Stopped.');
  await page.keyboard.press('Escape');
}

async function letters() {
  // The list says that there are more, and shows them when they are wanted.
  const before = await page.locator('#letters-count').textContent();
  await says('#letters-refresh', /new: refresh/);
  await page.locator('#letters-refresh').click();
  await page.waitForFunction((text) => document.getElementById('letters-count').textContent !== text, before);
  const broken = await page.evaluate(() => {
    document.querySelector('#letters td:nth-child(4)').textContent = 'a long reason, '.repeat(100);
    return [...document.querySelectorAll('#letters th')]
      .filter((heading) => heading.getClientRects()[0].height > 40).map((heading) => heading.textContent);
  });
  assert.deepEqual(broken, [], 'headings are broken');
  await page.locator('#letters tbody button').first().focus();
  await page.keyboard.press('Enter');
  await says('#letter-data', /line \d*77:/);
  await says('#letter-about', 'two sevens');
  await picture('letter');
  await page.keyboard.press('Escape');
  assert.ok(!await page.locator('#letter').isVisible());

  await page.locator('#letters-replay').click();
  await picture('replay-asked');
  await page.locator('#ask-yes').click();
  await says('#replay-state', 'The replay has failed');
  await says('#replay-lines', 'standard output is only open for reading');

  await page.locator('#letters-purge').click();
  await page.keyboard.press('Escape');
  await says('#letters-count', '2 of them replayed');
  await page.locator('#letters-purge').click();
  await page.locator('#ask-yes').click();
  await says('#letters-note', '2 dead letters removed');
  await says('#letters-count', '0 of them replayed');
  await picture('letters');
}

async function otherSizes() {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
  assert.notEqual(await ground(), light);
  await picture('dark');
  await node('stuck').click();
  await picture('dark-panel');
  await page.keyboard.press('Escape');
  await page.setViewportSize({ width: 390, height: 844 });
  await picture('narrow-dark');
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await textsFit('390');
  await picture('narrow');
  await tabTo('parse');
  await page.keyboard.press('Enter');
  await says('#failures', 'two sevens');
  await page.locator('#panel').evaluate((panel) => { panel.scrollTop = 0; });
  await fits('narrow-panel');
  await page.screenshot({ path: join(PAGE_PICTURES, 'narrow-panel.png') });
  assert.ok(await page.locator('#content').evaluate((content) => content.inert));
  await page.keyboard.press('Escape');
  await page.locator('#letters tbody button').first().click();
  await fits('narrow-letter');
  await page.screenshot({ path: join(PAGE_PICTURES, 'narrow-letter.png') });
  await page.keyboard.press('Escape');
}

async function forgetToken() {
  await page.locator('#token-button').click();
  await says('#letters-note', 'Enter the token to see them.');
  assert.ok(!(await page.content()).includes('two sevens'), 'what was shown stays without the token');
  assert.equal(await page.evaluate(() => sessionStorage.length + localStorage.length), 0);
}

async function lostConnection() {
  assert.deepEqual(complaints, []);
  process.kill(Number(PAGE_PROCESS), 'SIGKILL');
  await says('#connection', /not connected: .*trying again in/);
  await picture('lost');
}

for (const step of [beforeToken, withoutToken, whatIsWrong, enterToken, component, letters, otherSizes, forgetToken, lostConnection]) {
  await step().catch(async (error) => {
    await page.screenshot({ path: join(PAGE_PICTURES, 'failed.png'), fullPage: true });
    console.error(`${step.name}: ${error.stack}\n${complaints.join('\n')}`);
    await browser.close();
    process.exit(1);
  });
}
await browser.close();
console.log('the page is as it should be');
