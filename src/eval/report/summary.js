// The ten-second part: which arm is best at which bytes, how sure that is, what went wrong.

const blind = row => !row.a.sees_question && !row.a.oracle;
const isFull = row => row.a.canonical === 'full';
const setOf = row => data.sets[row.a.run];
const sets = [...new Set(data.sets)];
const setName = set => data.runs.filter((run, i) => data.sets[i] === set).map(run => run.name).join(', ');
const byBytes = (a, b) => a.bytes - b.bytes || b.score - a.score;

// What the difference to the full cache allows one to say.
function verdict(row) {
  if (isFull(row)) return 'the reference';
  if (row.diff === null) return 'no common items with full';
  if (row.diff_low === null) return 'one document: no interval';
  if (row.diff_high < 0) return row.p_holm < .05 ? 'worse than full' : 'probably worse than full';
  if (row.diff_low > 0) return row.p_holm < .05 ? 'better than full' : 'probably better than full';
  if (row.diff_low > -.02) return `as good as full, within ${plain(Math.max(.1, -100 * row.diff_low), 1)} points`;
  return `not settled: from ${plain(-100 * row.diff_low, 1)} points worse to ${plain(100 * row.diff_high, 1)} better`;
}

// The smallest cache on the front that these answers show to lose less than the margin. What they do
// not show to be worse is no such thing: the fewer the documents, the less they show.
const margin = .1;
function headline(set) {
  const rows = inTask(state.task).filter(row => setOf(row) === set && row.front && row.ratio > 1 && !isFull(row)).sort(byBytes);
  const best = rows.find(row => row.diff_low !== null && row.diff_low > -margin);
  const full = inTask(state.task).find(row => setOf(row) === set && isFull(row));
  if (!best) return h('p', { class: 'lead' }, rows.length === 0 ? 'No compressed cache is on the front here.'
    : rows.every(row => row.diff_high !== null && row.diff_high < 0) ? 'No compressed cache holds the score of the full one here: every one on the front is worse.'
      : `Too few documents to say which compressed cache loses less than ${percent(margin, 0)} points to the full one.`);
  return h('p', { class: 'lead' }, `Smallest cache that loses less than ${percent(margin, 0)} points to full (95 %): `, armLabel(best.arm), ', ', h('b', {}, ratio(best.ratio)), ' smaller (', bytes(best.bytes), '), ',
    h('b', {}, `${percent(best.score)} %`), ` ${range(best.low, best.high)}`, full && `, full ${percent(full.score)} % ${range(full.low, full.high)}`, `; ${countOf(best)}. ${sentence(verdict(best))}.`);
}
const sentence = text => text[0].toUpperCase() + text.slice(1);
const difference = row => row.diff === null ? '' : [points(row.diff), ' ', h('small', {}, range(row.diff_low, row.diff_high, points))];

// A score with its interval, drawn on the scale 0 to 100 %.
function intervalBar(row) {
  const x = share => 4 + 112 * share;
  return svg('svg', { width: 120, height: 16, viewBox: '0 0 120 16', role: 'img', 'aria-label': `${percent(row.score)} %` },
    svg('line', { class: 'grid', x1: x(0), x2: x(1), y1: 8, y2: 8 }),
    [0, .5, 1].map(v => svg('line', { class: 'grid', x1: x(v), x2: x(v), y1: 5, y2: 11 })),
    row.low !== null && svg('line', { x1: x(row.low), x2: x(row.high), y1: 8, y2: 8, stroke: methodColor(row.a.method), 'stroke-width': 4, opacity: .45 }),
    shape(methodShape(row.a.method), x(row.score), 8, 4, { fill: methodColor(row.a.method) }));
}
const scoreCells = row => [h('td', { class: 'interval drawn' }, intervalBar(row)), h('td', {}, h('b', {}, percent(row.score)), ' ', h('small', {}, range(row.low, row.high)))];
const sizeCells = row => [h('td', {}, ratio(row.ratio)), h('td', {}, bytes(row.bytes))];
const nCell = row => h('td', { tip: countOf(row) }, plain(row.n), h('small', {}, ` / ${row.documents}`));

function frontTable(set) {
  const rows = inTask(state.task).filter(row => setOf(row) === set && (row.front || isFull(row))).sort(byBytes);
  const aware = inTask(state.task).filter(row => setOf(row) === set && !blind(row));
  return [
    sets.length > 1 && h('h3', {}, setName(set)),
    headline(set),
    h('div', { class: 'wide' }, h('table', {},
      h('thead', {}, h('tr', {}, h('th', { class: 'name' }, 'Best recipes'), h('th', { class: 'drawn' }), h('th', {}, 'score %', h('small', {}, ' 95 %')), h('th', {}, 'ratio'), h('th', {}, 'cache'),
        h('th', {}, 'n', h('small', {}, ' / docs')), h('th', {}, 'to full, points'), h('th', { class: 'name' }, 'so it is'))),
      h('tbody', {}, rows.map(row => h('tr', {}, h('td', { class: 'name' }, armLabel(row.arm)), scoreCells(row), sizeCells(row), nCell(row),
        h('td', {}, difference(row)), h('td', { class: 'text' }, verdict(row))))))),
    aware.length > 0 && h('p', { class: 'quiet small' }, `${plural(aware.length, 'arm')} more ${aware.length === 1 ? 'sees' : 'see'} the question (or the full cache) before compressing; measured too, but on no front.`),
  ];
}

function sumLists(lists, length) {
  const total = Array(length).fill(0);
  for (const list of lists) list.forEach((x, i) => { total[i] += x; });
  return total;
}
function listed(names, counts) {
  const sum = counts.reduce((a, b) => a + b, 0);
  return counts.map((n, i) => ({ n, name: names[i] })).filter(x => x.n).sort((a, b) => b.n - a.n)
    .map(x => `${word(x.name)} ${plain(x.n)} (${percent(x.n / sum, 0)} %)`).join(', ');
}

function whatWentWrong() {
  const rows = inTask(state.task).filter(row => blind(row) && !isFull(row) && !row.a.twin);
  const asked = rows.reduce((sum, row) => sum + row.full_right_n, 0);
  const lost = sumLists(rows.map(row => row.lost), data.fates.length);
  const total = lost.reduce((a, b) => a + b, 0);
  const failures = sumLists(rows.map(row => row.failures), data.failures.length);
  const wrong = failures.reduce((a, b) => a + b, 0);
  const full = inTask(state.task).filter(isFull);
  return h('ul', { class: 'facts' },
    full.map(row => h('li', {}, `${many ? runOf(row.arm).name + ': the' : 'The'} full cache answers ${percent(row.score)} % ${range(row.low, row.high)} at ${bytes(row.bytes)}; ${countOf(row)}.`)),
    rows.length > 0 && h('li', {}, `The compressed caches lost ${plain(total)} of the ${plural(asked, 'answer')} that the full cache gets`,
      asked ? ` (${percent(total / asked, 0)} %, over ${plural(rows.length, 'arm')}).` : '.',
      total ? ` Where the fact went: ${listed(data.fates, lost)}.` : ''),
    wrong > 0 && h('li', {}, `How they answered when wrong (n = ${plain(wrong)}): ${listed(data.failures, failures)}.`));
}

function drawSummary() {
  const title = state.task === 'all' ? 'All tasks together.' : `Task ${state.task}.`;
  show('short', sets.map(frontTable),
    h('p', { class: 'quiet small' }, title, ' A recipe is listed when none has fewer bytes at as good a score, and full always. Questions of one document share its compression, so the documents, more than n, decide how wide an interval is.'),
    whatWentWrong());
}

function drawHeader() {
  const answers = data.runs.reduce((sum, run) => sum + run.answers, 0);
  const models = [...new Set(data.runs.map(run => run.model).filter(Boolean))];
  const low = Math.min(...data.runs.map(run => run.tokens[0])), high = Math.max(...data.runs.map(run => run.tokens[1]));
  document.getElementById('about-runs').textContent =
    `${models.join(', ') || 'model not named'} · ${plural(answers, 'answer')} · ${many ? plural(data.runs.length, 'run') : `${plural(data.runs[0].items, 'question')} on ${plural(data.runs[0].documents, 'document')}`} · ` +
    `contexts of ${low === high ? plain(low) : `${plain(low)} to ${plain(high)}`} tokens · pith ${data.version}`;
}
