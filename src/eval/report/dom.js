'use strict';
// The data, elements, numbers for people, colours, the tooltip. Text from the data only ever becomes text nodes.

const data = JSON.parse(document.getElementById('data').textContent);
const state = { task: 'all', axis: 'bytes', conditional: false, method: null };

const SVG = 'http://www.w3.org/2000/svg';
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'tip') addTip(element, value);
    else if (name === 'vars') for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child.nodeType ? child : String(child));
  }
  return element;
}
const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
function show(section, ...children) {
  const body = document.querySelector(`#${section} > .body`);
  body.replaceChildren();
  fill(body, {}, children);
}

// Rows of a table of the data as objects.
function records(table) {
  return table.rows.map(row => Object.fromEntries(table.columns.map((name, i) => [name, row[i]])));
}
const scores = records(data.scores);
for (const row of scores) row.a = data.arms[row.arm];
const tasks = [...new Set(scores.map(row => row.task))].filter(task => task !== 'all').sort();
const scoreOf = (arm, task) => scores.find(row => row.arm === arm && row.task === task);
const inTask = task => scores.filter(row => row.task === task);

// Numbers.
const plain = (x, digits = 0) => x.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const minus = text => text.replace('-', '−');
const percent = (x, digits = 1) => x === null ? '?' : minus(plain(100 * x, digits));
const points = x => x === null ? '?' : (x > 0 ? '+' : '') + percent(x);
const range = (low, high, show = x => percent(x, 0)) => low === null || high === null ? '[needs two documents]' : `[${show(low)}, ${show(high)}]`;
const ratio = x => x === null ? '?' : plain(x, x < 10 ? 1 : 0) + '×';
function bytes(x) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  while (x >= 1024 && i + 1 < units.length) { x /= 1024; ++i; }
  return `${plain(x, i && x < 100 ? (x < 10 ? 2 : 1) : 0)} ${units[i]}`;
}
const pValue = p => p === null ? '' : p < 0.001 ? '< 0.001' : plain(p, 3);
const plural = (n, one, many = one + 's') => `${plain(n)} ${n === 1 ? one : many}`;
const countOf = row => `n = ${plain(row.n)} of ${plural(row.documents, 'document')}`;

// Names.
const many = data.runs.length > 1;
const runOf = arm => data.runs[data.arms[arm].run];
const armName = arm => (many ? runOf(arm).name + ': ' : '') + data.arms[arm].recipe;
function armLabel(arm) {
  const a = data.arms[arm];
  return [many && h('span', { class: 'quiet' }, runOf(arm).name, ': '), h('code', {}, a.recipe),
    a.sees_question && h('span', { class: 'tag sees', title: 'looks at the question before it compresses: not comparable with arms that compress once for every question' }, 'sees the question'),
    a.keeps_full && h('span', { class: 'tag sees', title: 'routes again during the answer: the whole cache stays in memory beside the bytes shown' }, 'keeps the full cache'),
    a.twin && h('span', { class: 'tag', title: 'chooses nothing; has the bytes of the arm that it is compared with' }, 'twin'),
    a.oracle && h('span', { class: 'tag sees', title: 'uses the uncompressed cache where a deployment could not' }, 'oracle')];
}
const words = {
  none: 'right', partial: 'partial', crossover: 'crossover', other_fact: 'other fact', fabricated: 'fabricated', abstain: 'says it does not know',
  broken_rule: 'broken rule', unended: 'never ended',
  erased: 'erased', summarised: 'only in summaries', partly: 'partly kept', kept: 'kept but unused', absent: 'not stated in the document',
  unrecorded: 'not recorded', shared: 'wrong with the full cache too',
};
const meaning = {
  partial: 'part of the asked fact, the rest missing or not in the document', crossover: 'parts of the asked fact joined to parts of another',
  other_fact: 'another fact of the document, nothing of the asked one', fabricated: 'nothing of any fact in the document', abstain: 'says that it does not know',
  broken_rule: 'an instruction was not kept', unended: 'did not end, and nothing else can be said of it',
  erased: 'some token of the answer, or of a sentence it depends on, is gone from every lane of every layer', summarised: 'no token is gone, but of some only a summary entry is left',
  partly: `every token has an exact entry somewhere, but fewer than ${percent(data.mostly_kept, 0)} % of the (lane, token) pairs`,
  kept: `${percent(data.mostly_kept, 0)} % or more of the (lane, token) pairs are there: the model did not use them`,
  absent: 'computed answers, system prompts, questions without an answer', unrecorded: 'the run is older than this measurement',
  shared: 'no loss of the compression',
};
const word = name => words[name] || name.replaceAll('_', ' ');

// Colours of methods: eight, safe for colour-blind readers, with as many shapes.
const methods = [...new Set(data.arms.map(arm => arm.method))];
const methodColor = method => method === 'full' ? 'var(--ink)' : `var(--c${methods.filter(m => m !== 'full').indexOf(method) % 8})`;
const methodShape = method => method === 'full' ? 0 : (1 + Math.max(0, methods.filter(m => m !== 'full').indexOf(method))) % 6;
function shape(kind, x, y, r, attributes) {
  const polygon = points => svg('polygon', { points: points.map(([a, b]) => `${x + a * r},${y + b * r}`).join(' '), ...attributes });
  switch (kind) {
    case 1: return svg('rect', { x: x - .88 * r, y: y - .88 * r, width: 1.76 * r, height: 1.76 * r, ...attributes });
    case 2: return polygon([[0, -1.2], [1.1, .8], [-1.1, .8]]);
    case 3: return polygon([[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]]);
    case 4: return polygon([[0, 1.2], [1.1, -.8], [-1.1, -.8]]);
    case 5: return polygon([[-.4, -1.1], [.4, -1.1], [.4, -.4], [1.1, -.4], [1.1, .4], [.4, .4], [.4, 1.1], [-.4, 1.1], [-.4, .4], [-1.1, .4], [-1.1, -.4], [-.4, -.4]]);
    default: return svg('circle', { cx: x, cy: y, r, ...attributes });
  }
}
// A cell's colour for a share, and whether its text needs the other ink.
function heat(share) {
  const v = Math.max(0, Math.min(1, share));
  return { class: v > .55 ? 'heat-on' : null, vars: { 'background-color': `rgba(var(--heat), ${(.04 + .92 * v).toFixed(3)})` } };
}

// One tooltip for pointer and keyboard.
const tip = document.getElementById('tip');
function placeTip(text, box) {
  tip.textContent = text;
  tip.hidden = false;
  const w = tip.offsetWidth, height = tip.offsetHeight;
  const left = Math.max(6, Math.min(innerWidth - w - 6, box.left + box.width / 2 - w / 2));
  const above = box.top - height - 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 4 ? above : box.bottom + 8}px`;
}
function addTip(element, text) {
  element.setAttribute('aria-label', text.replaceAll('\n', '; '));
  const open = () => placeTip(text, element.getBoundingClientRect());
  const close = () => { tip.hidden = true; };
  element.addEventListener('pointerenter', open);
  element.addEventListener('focus', open);
  element.addEventListener('pointerleave', close);
  element.addEventListener('blur', close);
}
addEventListener('scroll', () => { tip.hidden = true; }, { passive: true });
