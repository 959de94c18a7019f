// Every answer, one click away: a list with filters, and a view of one item with the answers of all arms.

const answers = records(data.answers);
for (const answer of answers) {
  answer.failure_name = answer.failure < 0 ? 'none' : data.failures[answer.failure];
  answer.fate_name = data.fates[answer.fate];
  answer.i = data.items[answer.item];
}
const numberOf = new Map(data.items.map((item, i) => [item.key, i]));
const fullOf = run => data.arms.findIndex(arm => arm.run === run && arm.canonical === 'full');
// Right with the full cache of the same run, and wrong here.
const lost = answer => answer.score < 1 && answer.i.outcome[fullOf(data.arms[answer.arm].run)] === '1';

const kNone = { arm: '', task: '', outcome: 'lost', failure: '', fate: '', text: '' };
const filter = { ...kNone };
const kPage = 40;
let shown = kPage, picked = answers;

function matches(answer) {
  if (filter.arm !== '' && answer.arm !== Number(filter.arm)) return false;
  if (filter.task && answer.i.task !== filter.task) return false;
  if (filter.outcome === 'lost' && !lost(answer)) return false;
  if (filter.outcome === 'wrong' && answer.score >= 1) return false;
  if (filter.outcome === 'right' && answer.score < 1) return false;
  if (filter.failure && answer.failure_name !== filter.failure) return false;
  if (filter.fate && answer.fate_name !== filter.fate) return false;
  const text = filter.text.toLowerCase();
  return !text || [answer.i.key, answer.i.question, answer.text, ...answer.i.references].some(s => s.toLowerCase().includes(text));
}
const sign = score => score >= 1 ? h('span', { class: 'sign ok', title: 'right' }, '✓') : score > 0 ? h('span', { class: 'sign half', title: 'right in part' }, '◐') : h('span', { class: 'sign no', title: 'wrong' }, '✗');
const oneLine = text => text.replace(/\s+/g, ' ').trim();
const verdictWord = answer => answer.score >= 1 ? 'right' : word(answer.failure_name);
const fateWord = answer => answer.fate_name === 'kept' && answer.score >= 1 ? 'kept' : word(answer.fate_name);

function list() {
  return [h('ol', { class: 'list' }, picked.slice(0, shown).map(answer => h('li', {}, h('a', { href: itemLink(answer.i.key, answer.arm) }, sign(answer.score),
    h('span', { class: 'what' }, answer.i.key), h('span', { class: 'what' }, armLabel(answer.arm)), h('span', { class: 'said' }, oneLine(answer.text) || '(nothing)'),
    h('span', { class: 'quiet' }, [verdictWord(answer), answer.fate_name !== 'unrecorded' && fateWord(answer)].filter(Boolean).join(' · ')))))),
  picked.length > shown && h('p', { class: 'more' }, h('button', { type: 'button', onclick: () => { shown += kPage; drawList(); } }, `Show ${Math.min(kPage, picked.length - shown)} more of ${plain(picked.length)}`))];
}
function drawList() {
  picked = answers.filter(matches);
  const place = document.getElementById('list');
  place.replaceChildren();
  const out = data.left_out;
  fill(place, {}, [h('p', { class: 'quiet small' }, `${plural(picked.length, 'answer')} of the ${plain(answers.length)} in this file`,
    out.right + out.wrong ? ` (${plain(out.right + out.wrong)} more were counted but left out, see Notes)` : '', '.'), list()]);
}
function drawAnswers() {
  const select = (name, label, options) => h('label', {}, label, h('select', { 'data-filter': name, onchange: event => { filter[name] = event.target.value; shown = kPage; drawList(); } },
    options.map(([value, text]) => h('option', { value, selected: String(filter[name]) === String(value) }, text))));
  show('answers', h('div', { class: 'filters' },
    select('outcome', 'show ', [['lost', 'lost by compression'], ['wrong', 'all wrong'], ['right', 'right'], ['', 'all']]),
    select('arm', 'recipe ', [['', 'all'], ...data.arms.map((arm, i) => [i, armName(i)])]),
    select('task', 'task ', [['', 'all'], ...tasks.map(task => [task, task])]),
    select('failure', 'failure ', [['', 'any'], ...data.failures.map(name => [name, word(name)])]),
    select('fate', 'fact ', [['', 'any'], ...data.fates.map(name => [name, word(name)])]),
    h('label', {}, 'find ', h('input', { type: 'search', size: 14, value: filter.text, oninput: event => { filter.text = event.target.value; shown = kPage; drawList(); } }))),
  h('div', { id: 'list' }));
  drawList();
}

// In words, where the fact went.
function why(answer) {
  const arm = data.arms[answer.arm], right = answer.score >= 1;
  const layers = answer.by_layer.length;
  const share = `${percent(answer.kept, answer.kept > 0 && answer.kept < .1 ? 1 : 0)} % of its (lane, token) pairs are held exactly, and ${plural(answer.layers, 'layer')} of ${layers} hold all of it`;
  if (arm.canonical === 'full' && !right) return 'Wrong with the whole cache: the model’s own mistake, whatever is compressed.';
  if (arm.canonical === 'full') return 'The whole cache.';
  const gone = Math.round(answer.evicted * answer.tokens);
  const parts = [];
  switch (answer.fate_name) {
    case 'unrecorded': return 'This run did not record what became of the answer’s tokens.';
    case 'absent': return 'The document does not state the answer literally: it is computed, stands in the system prompt, or there is none.';
    case 'erased':
      if (answer.evicted > 0) parts.push(`Erased: ${gone === answer.tokens ? 'all' : plain(gone)} of the answer’s ${plural(answer.tokens, 'token')} ${gone === 1 ? 'is' : 'are'} gone from every lane of every layer.`);
      if (answer.support_evicted > 0) parts.push(`${answer.evicted > 0 ? 'Of' : 'Erased: of'} the sentences that the answer depends on, ${percent(answer.support_evicted, 0)} % of ${plural(answer.support, 'token')} are gone from every lane.`);
      if (answer.tokens && answer.evicted < 1) parts.push(`Of the answer itself ${share}.`);
      break;
    case 'summarised': parts.push(`Only in summaries: no token is gone, but some have no exact entry left; ${percent(answer.summarised, 0)} % of the pairs live on in a summary. Of the answer ${share}.`); break;
    case 'partly': parts.push(`Partly kept: ${share}${answer.support ? `; of its ${plural(answer.support, 'supporting token')} ${percent(answer.support_kept, 0)} %` : ''}.`); break;
    default: parts.push(`${right ? 'Kept' : 'Kept but unused'}: ${share}.`);
  }
  if (!right && answer.i.outcome[fullOf(arm.run)] !== '1') parts.push('The full cache does not get it right either.');
  if (right && answer.fate_name === 'erased') parts.push('It was right all the same: guessed, or read from what other tokens had taken up during the prefill.');
  return parts.join(' ');
}

const shareOf = digit => digit === '0' ? 0 : digit === '9' ? 1 : (Number(digit) - .5) / 8;
const strip = answer => answer.tokens === 0 || !answer.by_layer ? null : h('span', { class: 'strip', role: 'img', tabindex: 0, tip: `Share of the answer’s pairs held exactly, layer by layer from the first (left) to the last: ${[...answer.by_layer].map(d => percent(shareOf(d), 0)).join(', ')} %` },
  [...answer.by_layer].map(d => h('i', { vars: { '--v': shareOf(d).toFixed(2) } })));

function excerpt(item, answer) {
  if (!item.excerpt) return h('p', { class: 'quiet' }, 'documents.jsonl of this run does not hold this document and question (it is of an older pith, or they have changed since), so there is no context to show.');
  return h('div', { class: 'excerpt', tabindex: 0 }, item.excerpt.map(piece => {
    if (typeof piece === 'string') return piece;
    if (piece[0] === 'gap') return h('span', { class: 'gap' }, `… ${plural(piece[1], 'byte')} left out here …`);
    if (piece[0] === 's') return h('span', { class: 'support', title: 'the answer depends on this' }, piece[1]);
    const digit = answer ? answer.by_token[piece[2]] : undefined;
    const held = digit === undefined ? 'states the answer' : digit === '0' ? 'held exactly by no lane' : digit === '9' ? 'held by every lane' : `held exactly by about ${percent(shareOf(digit), 0)} % of the lanes`;
    return h('span', { class: digit === '0' ? 'token gone' : 'token', vars: { '--v': digit === undefined ? 0 : shareOf(digit).toFixed(2) }, title: held }, piece[1]);
  }));
}

const dialog = document.getElementById('item');
const itemLink = (key, arm) => `#item=${encodeURIComponent(key)}${arm === undefined ? '' : `&arm=${arm}`}`;
function given(item, arm, current) {
  const answer = answers.find(a => a.i === item && a.arm === arm);
  const mark = item.outcome[arm];
  const row = scoreOf(arm, 'all');
  const line = h('div', { class: 'line' }, sign(mark === '1' ? 1 : mark === 'p' ? .5 : 0), h('span', {}, armLabel(arm)), answer && h('span', {}, verdictWord(answer)), h('span', { class: 'quiet small' }, ratio(row.ratio)));
  if (!answer) return h('div', { class: 'given' }, line, h('p', { class: 'quiet' }, `${mark === '1' ? 'Right' : 'Wrong'}; the text was left out of this file.`));
  return h('div', { class: 'given', tabindex: 0, 'aria-current': String(current), onclick: () => go(itemLink(item.key, arm)), onkeydown: event => { if (event.key === 'Enter') go(itemLink(item.key, arm)); } },
    line, h('blockquote', {}, item.prefix ? h('span', { class: 'quiet' }, item.prefix) : null, answer.text || '(nothing)', answer.ended ? null : h('span', { class: 'quiet' }, ' … did not end')), h('p', { class: 'quiet' }, why(answer), strip(answer)));
}
const go = hash => { history.replaceState(null, '', hash); route(); };

function openItem(number, arm) {
  const item = data.items[number];
  const asked = data.arms.map((a, i) => i).filter(i => item.outcome[i] !== '.').sort((a, b) => armOrder(scoreOf(a, 'all'), scoreOf(b, 'all')));
  if (!asked.includes(arm)) arm = asked.find(i => item.outcome[i] !== '1') ?? asked[0];
  const answer = answers.find(a => a.i === item && a.arm === arm);
  const at = picked.findIndex(a => a.i === item && a.arm === arm);
  const step = by => { const next = picked[at + by]; return at >= 0 && next ? () => go(itemLink(next.i.key, next.arm)) : null; };
  const button = (text, label, act) => h('button', { type: 'button', 'aria-label': label, title: label, disabled: !act, onclick: act }, text);
  const tags = Object.entries(item.tags).map(([k, v]) => `${k} ${v}`).join(' · ');
  const scroll = dialog.open ? dialog.scrollTop : 0;
  dialog.replaceChildren();
  fill(dialog, {}, [h('div', { class: 'head' }, h('h2', {}, item.key), button('←', 'Previous answer of the list (k)', step(-1)), button('→', 'Next answer of the list (j)', step(1)), button('Close', 'Close (Esc)', () => dialog.close())),
    h('div', { class: 'content' },
      h('p', { class: 'quiet small' }, `${item.task} · ${plain(data.lengths[item.length])} tokens · ${tags}`),
      h('dl', { class: 'pairs' }, item.system && [h('dt', {}, 'system prompt'), h('dd', {}, item.system)], h('dt', {}, 'question'), h('dd', {}, item.question), h('dt', {}, item.references.length > 1 ? 'expected, all or any' : 'expected'), h('dd', {}, item.references.join('\n') || '(that it does not know, or a rule kept)')),
      given(item, arm, true),
      h('h3', {}, 'Context ', h('span', { class: 'quiet small' }, 'as held by ', armLabel(arm))),
      excerpt(item, answer),
      item.excerpt && item.places > 0 && h('p', { class: 'quiet small' }, 'Underlined: the tokens that state the answer, the darker the more lanes hold them exactly, struck through where none does. Dotted: sentences that the answer depends on.'),
      asked.length > 1 && h('h3', {}, `The other ${plural(asked.length - 1, 'arm')} `, h('span', { class: 'quiet small' }, 'by ratio; choose one to see the context as it holds it')),
      asked.filter(i => i !== arm).map(i => given(item, i, false))) ]);
  dialog.dataset.next = at;
  if (!dialog.open) dialog.showModal();
  const box = dialog.querySelector('.excerpt'), mark = dialog.querySelector('.excerpt .token') || dialog.querySelector('.excerpt .support');
  if (box && mark) box.scrollTop = mark.offsetTop - box.clientHeight / 2;
  dialog.scrollTop = scroll;
}
dialog.addEventListener('close', () => { tip.hidden = true; if (location.hash.startsWith('#item=')) history.replaceState(null, '', '#answers'); });
dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close(); });
addEventListener('keydown', event => {
  if (!dialog.open || event.ctrlKey || event.metaKey || event.altKey) return;
  const by = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1 }[event.key];
  const next = by && dialog.dataset.next >= 0 && picked[Number(dialog.dataset.next) + by];
  if (next) { event.preventDefault(); go(itemLink(next.i.key, next.arm)); }
});
