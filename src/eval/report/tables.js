// Tables: the overview of arms by tasks, one table in full for each task, the notes.

// A table that may be wider than the page has room for: it scrolls, and its edge fades while there is more.
const fade = box => box.classList.toggle('cut', box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
const fading = new ResizeObserver(entries => entries.forEach(entry => fade(entry.target)));
function wide(table) {
  const box = h('div', { class: 'wide', onscroll: event => fade(event.target) }, table);
  fading.observe(box);
  return box;
}

const armOrder = (a, b) => setOf(a) - setOf(b) || a.a.run - b.a.run || a.ratio - b.ratio || b.score - a.score;

function overview() {
  const columns = ['all', ...tasks];
  const ns = task => inTask(task).map(row => row.n);
  const same = task => Math.min(...ns(task)) === Math.max(...ns(task));
  const head = task => h('th', { class: 'over' }, task === 'all' ? 'all tasks' : task.replaceAll('_', '_\u200b'), h('br'), h('small', {}, same(task) ? `n = ${plain(ns(task)[0])}` : 'n in cells'));
  const cell = (arm, task) => {
    const row = scoreOf(arm, task);
    if (!row) return h('td', { class: 'cell' }, h('span', { class: 'v quiet' }, '·'));
    return h('td', { class: 'cell ' + (heat(row.score).class || ''), vars: heat(row.score).vars },
      h('a', { href: `#arm=${arm}&task=${encodeURIComponent(task)}`, tip: `${task}\n${pointTip(row)}` }, percent(row.score, 0), !same(task) && h('small', {}, `n = ${plain(row.n)}`)));
  };
  const rows = inTask('all').sort(armOrder);
  return wide(h('table', {},
    h('thead', {}, h('tr', {}, h('th', { class: 'name' }, 'Recipe'), h('th', {}, 'ratio'), columns.map(head))),
    h('tbody', {}, rows.map(row => h('tr', {}, h('td', { class: 'name' }, armLabel(row.arm)), h('td', {}, ratio(row.ratio)), columns.map(task => cell(row.arm, task)))))));
}

const failureText = row => data.failures.map((name, i) => row.failures[i] ? `${word(name)} ${plain(row.failures[i])}` : null).filter(Boolean).join(', ');
const twinText = row => row.twins.map(([name, n, mean, low, high, p, holm], i) => [i > 0 && h('br'), `${name} ${points(mean)} `, h('small', {}, `${range(low, high, points)} n = ${plain(n)}, p ${pValue(holm)}`)]);
// How a row's answers fail stands below it: as a column it would make every row as high as its list.
const failureRow = (row, columns) => h('tr', { class: 'under' }, h('td', { class: 'text', colspan: columns }, h('small', {}, 'failures: ', failureText(row) || 'none', row.unended ? ` (${percent(row.unended, 0)} % did not end)` : '')));
function taskTable(task) {
  const rows = inTask(task).sort(armOrder), twins = rows.some(row => row.twins.length);
  return wide(h('table', {},
    h('thead', {}, h('tr', {}, h('th', { class: 'name' }, 'Recipe'), h('th', { class: 'drawn' }), h('th', {}, 'score %', h('small', {}, ' 95 %')), h('th', {}, 'n', h('small', {}, ' / docs')), h('th', {}, 'ratio'), h('th', {}, 'cache'),
      h('th', {}, 'to full, points'), h('th', {}, 'p', h('small', {}, ' Holm')), twins && h('th', {}, 'to its twins, points'), h('th', {}, '% of what full gets'), h('th', {}, 'worst tenth'), h('th', {}, 'compress'))),
    h('tbody', {}, rows.map(row => [h('tr', { class: row.front ? 'upper best' : 'upper' }, h('td', { class: 'name', rowspan: 2 }, armLabel(row.arm)), scoreCells(row), nCell(row), sizeCells(row), h('td', {}, difference(row)), h('td', {}, pValue(row.p_holm)), twins && h('td', {}, twinText(row)),
      h('td', {}, row.full_right_n ? [percent(row.of_full, 0), ' ', h('small', {}, `${range(row.of_full_low, row.of_full_high)} n = ${plain(row.full_right_n)}`)] : h('small', {}, 'full gets none')),
      h('td', {}, percent(row.worst_decile, 0)), h('td', {}, `${plain(row.compress_s, 1)} s`)), failureRow(row, twins ? 11 : 10)]))));
}

function drawTasks() {
  show('tasks', overview(),
    h('p', { class: 'quiet small' }, 'Score in percent. A cell leads to its answers. Below, every task in full; a bold recipe stands on the front of its task.', data.arms.some(arm => arm.twin) && ' Twins choose nothing: they show what chance, age and even spacing get out of the same bytes.'),
    ['all', ...tasks].map(task => h('details', { class: 'task', open: task === state.task }, h('summary', {}, task === 'all' ? 'all tasks' : task), taskTable(task))));
}

function drawNotes() {
  const out = data.left_out;
  const missing = out.right + out.wrong;
  show('notes',
    h('ul', { class: 'facts' },
      h('li', {}, 'Score: the mean of the questions’ own metrics, each 0 to 1. Intervals: 95 %, bootstrap over whole documents, or Wilson’s where every document has one question and each score is 0 or 1.'),
      h('li', {}, 'To full: the paired difference on the same questions; p from sign flips of documents, corrected after Holm over the arms of a task.'),
      h('li', {}, 'Bytes: allocated for one context, keys, values and tables. Ratio: the full bf16 cache over that, so that full itself is a little below 1×.'),
      h('li', {}, 'Lane: the entries of one layer and KV head. Kept, summarised and evicted count (lane, token) pairs of layers without a sliding window; a token is gone when no lane holds it in any form (global eviction, arXiv 2603.01426).'),
      h('li', {}, missing ? `Figures count every answer. To keep this file small, ${plain(out.right)} of ${plain(out.right_total)} right and ${plain(out.wrong)} of ${plain(out.wrong_total)} wrong answers are not in it as text; wrong ones come first. Documents are shown around the places that matter.`
        : `All ${plural(out.right_total + out.wrong_total, 'answer')} are in this file. Documents are shown around the places that matter.`)),
    wide(h('table', {},
      h('thead', {}, h('tr', {}, h('th', { class: 'name' }, 'Run'), h('th', { class: 'name' }, 'model'), h('th', {}, 'answers'), h('th', {}, 'questions'), h('th', {}, 'documents'), h('th', {}, 'tokens of a context'))),
      h('tbody', {}, data.runs.map(run => h('tr', {}, h('td', { class: 'name' }, run.name), h('td', { class: 'text' }, run.model || 'not named'), h('td', {}, plain(run.answers)), h('td', {}, plain(run.items)), h('td', {}, plain(run.documents)), h('td', {}, `${plain(run.tokens[0])} to ${plain(run.tokens[1])}`)))))),
    data.runs.filter(run => run.config).map(run => h('details', {}, h('summary', {}, `Configuration of ${run.name}`), h('pre', { class: 'excerpt' }, run.config))));
}
