// Figures: score against bytes, depth by length, failures and fates as stacked bars.

const choice = (options, current, pick) => h('span', { class: 'choice' },
  options.map(([value, text]) => h('button', { type: 'button', 'aria-pressed': String(value === current), onclick: () => pick(value) }, text)));

function pointTip(row) {
  const conditional = state.conditional;
  const score = conditional ? `${percent(row.of_full)} % ${range(row.of_full_low, row.of_full_high)} of what full gets, n = ${plain(row.full_right_n)}`
    : `${percent(row.score)} % ${range(row.low, row.high)}, ${countOf(row)}`;
  return `${armName(row.arm)}\n${score}\n${bytes(row.bytes)}, ratio ${ratio(row.ratio)}` +
    (row.diff === null ? '' : `\nto full: ${points(row.diff)} points ${range(row.diff_low, row.diff_high, points)}, p ${pValue(row.p_holm)} (Holm)`) +
    (row.a.sees_question ? '\nsees the question' : '') + (row.a.keeps_full ? '\nkeeps the full cache' : '') + (row.a.oracle ? '\noracle' : '');
}

function ticks(low, high) {
  const found = [];
  for (let k = Math.floor(Math.log2(low)); k <= Math.ceil(Math.log2(high)); ++k) if (2 ** k >= low * .999 && 2 ** k <= high * 1.001) found.push(2 ** k);
  while (found.length > 8) for (let i = found.length - 2; i > 0; i -= 2) found.splice(i, 1);
  return found;
}

function scatter(width) {
  const conditional = state.conditional, byRatio = state.axis === 'ratio';
  const value = row => conditional ? row.of_full : row.score;
  const rows = inTask(state.task).filter(row => value(row) !== null && row.bytes > 0);
  const height = Math.max(280, Math.min(430, width * .55));
  const m = { left: 44, right: 14, top: 12, bottom: 44 };
  const size = row => byRatio ? 1 / row.ratio : row.bytes;
  const sizes = rows.map(size);
  const low = Math.min(...sizes) / 1.25, high = Math.max(...sizes) * 1.25;
  const x = v => m.left + (width - m.left - m.right) * Math.log(v / low) / Math.log(high / low);
  const y = v => m.top + (height - m.top - m.bottom) * (1 - v);
  const g = svg('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': 'Score against bytes' });
  const axis = svg('g', { class: 'axis' });
  for (const v of [0, .2, .4, .6, .8, 1]) axis.append(
    svg('line', { class: 'grid', x1: m.left, x2: width - m.right, y1: y(v), y2: y(v) }),
    svg('text', { x: m.left - 8, y: y(v) + 4, 'text-anchor': 'end' }, percent(v, 0)));
  for (const v of ticks(low, high)) axis.append(
    svg('line', { class: 'grid', x1: x(v), x2: x(v), y1: y(0), y2: y(0) + 5 }),
    svg('text', { x: x(v), y: y(0) + 19, 'text-anchor': 'middle' }, byRatio ? ratio(1 / v) : bytes(v).replace(/\.0+ /, ' ')));
  axis.append(svg('text', { x: width - m.right, y: height - 6, 'text-anchor': 'end' }, byRatio ? 'full cache / this cache, logarithmic' : 'bytes of one context’s cache, logarithmic'),
    svg('text', { x: 4, y: height - 6 }, conditional ? '↑ % of what full gets' : '↑ score %'));
  g.append(axis);
  for (const set of sets) {
    const front = rows.filter(row => setOf(row) === set && row.front).sort(byBytes);
    let path = '';
    front.forEach((row, i) => { path += i ? `H${x(size(row))}V${y(value(row))}` : `M${x(size(row))},${y(value(row))}`; });
    if (front.length > 1 && !conditional) g.append(svg('path', { class: 'frontline', d: path }));
  }
  const marks = svg('g'), labels = svg('g'), hits = svg('g'), boxes = [];
  const dim = row => state.method !== null && row.a.method !== state.method ? 'dim' : null;
  for (const run of data.runs.keys()) for (const method of methods) {
    const line = rows.filter(row => row.a.run === run && row.a.method === method).sort(byBytes);
    if (line.length > 1) marks.append(svg('polyline', { class: `method ${dim(line[0]) || ''}`, stroke: methodColor(method), points: line.map(row => `${x(size(row))},${y(value(row))}`).join(' ') }));
  }
  const ends = row => conditional ? [row.of_full_low, row.of_full_high] : [row.low, row.high];
  for (const row of rows) {
    boxes.push([x(size(row)) - 7, y(value(row)) - 7, 14, 14]);
    if (ends(row)[0] !== null) boxes.push([x(size(row)) - 3, y(ends(row)[1]), 6, y(ends(row)[0]) - y(ends(row)[1])]);
  }
  const free = box => box[0] >= m.left && box[0] + box[2] <= width - 2 && box[1] >= 0 && box[1] + box[3] <= y(0) && boxes.every(b => box[0] > b[0] + b[2] || b[0] > box[0] + box[2] || box[1] > b[1] + b[3] || b[1] > box[1] + box[3]);
  for (const row of [...rows].sort((a, b) => b.front - a.front || byBytes(a, b))) {
    const color = methodColor(row.a.method), px = x(size(row)), py = y(value(row));
    const [from, to] = ends(row);
    const one = svg('g', { class: dim(row) });
    if (from !== null) one.append(svg('path', { class: 'whisker', stroke: color, fill: 'none', d: `M${px - 4},${y(to)}h8M${px},${y(to)}V${y(from)}M${px - 4},${y(from)}h8` }));
    one.append(shape(methodShape(row.a.method), px, py, 6, { fill: blind(row) ? color : 'var(--paper)', stroke: blind(row) ? 'var(--paper)' : color, 'stroke-width': blind(row) ? 1 : 2 }));
    marks.append(one);
    const name = (many ? runOf(row.arm).name + ': ' : '') + (row.a.recipe.length > 34 ? row.a.recipe.slice(0, 33) + '…' : row.a.recipe), w = 6.3 * name.length;
    const place = [[px + 10, py - 8], [px - 10 - w, py - 8], [px - w / 2, py - 24], [px - w / 2, py + 9]].find(([a, b]) => free([a, b, w, 15]));
    if (place && width >= 560 && (rows.length <= 40 || row.front)) {
      boxes.push([...place, w, 15]);
      labels.append(svg('text', { x: place[0], y: place[1] + 12, class: dim(row) }, name));
    }
    hits.append(svg('a', { href: `#arm=${row.arm}`, tip: pointTip(row) }, svg('circle', { class: 'hit', cx: px, cy: py, r: 12 })));
  }
  g.append(marks, labels, hits);
  return g;
}

function legend() {
  const mark = method => svg('svg', { width: 14, height: 14 }, shape(methodShape(method), 7, 7, 5, { fill: methodColor(method) }));
  const toggle = method => { state.method = state.method === method ? null : method; drawScatter(); };
  return h('ul', { class: 'legend' }, methods.map(method => h('li', {}, h('button', { type: 'button', 'aria-pressed': String(state.method === method), onclick: () => toggle(method) }, mark(method), method))));
}

function drawScatter() {
  const width = Math.max(300, document.querySelector('#bytes > .body').clientWidth);
  const n = inTask(state.task).map(row => state.conditional ? row.full_right_n : row.n);
  const some = Math.min(...n) === Math.max(...n) ? plain(n[0]) : `${plain(Math.min(...n))} to ${plain(Math.max(...n))}`;
  show('bytes',
    h('div', { class: 'row' },
      h('span', {}, 'Score: ', choice([[false, 'all questions'], [true, 'those that full gets']], state.conditional, v => { state.conditional = v; drawScatter(); })),
      h('span', {}, 'Across: ', choice([['bytes', 'bytes'], ['ratio', 'ratio']], state.axis, v => { state.axis = v; drawScatter(); }))),
    scatter(width), legend(),
    h('p', { class: 'quiet small' }, `Task ${state.task}; n = ${some} per arm. Whiskers: 95 % intervals. Broad line: the front, arms that none beats in both bytes and score. `,
      'Hollow marks see the question. A mark or its tooltip leads to the arm’s answers; a name in the legend picks one method.'));
}

// Depth by length. With one length the arms are the rows of one map; with several, each recipe has a map of its own.
const depthLabel = bin => `${plain(100 * bin / data.depths.bins)}–${plain(100 * (bin + 1) / data.depths.bins)} %`;
function heatCell(cell, tip) {
  if (!cell || !cell[0]) return h('td', { class: 'cell' }, h('span', { class: 'v quiet' }, '·'));
  const [n, sum] = cell, colours = heat(sum / n);
  return h('td', { class: 'cell ' + (colours.class || ''), vars: colours.vars, tip: `${tip}\n${percent(sum / n)} %, n = ${plain(n)}` }, h('span', { class: 'v' }, percent(sum / n, 0), h('small', {}, `n = ${plain(n)}`)));
}
function heatMap(corner, columns, rows, cellOf, caption) {
  return h('figure', {}, caption && h('figcaption', {}, caption), wide(h('table', {},
    h('thead', {}, h('tr', {}, h('th', { class: corner.length > 8 ? 'name' : 'edge' }, corner), columns.map(column => h('th', { class: 'over' }, column.label)))),
    h('tbody', {}, rows.map(row => h('tr', {}, h('td', { class: corner.length > 8 ? 'name' : 'edge' }, row.label), columns.map(column => heatCell(cellOf(row.key, column.key), `${row.text || row.label}\n${column.label}`))))))));
}
const sum2 = cells => cells.reduce(([n, sum], r) => [n + r[3], sum + r[4]], [0, 0]);
function drawDepth() {
  const cells = data.depths.rows;
  if (!cells.length) return show('depth', h('p', { class: 'quiet' }, 'No item says where its answer stands in the document.'));
  const bins = [...Array(data.depths.bins).keys()].map(bin => ({ key: bin, label: depthLabel(bin) }));
  const note = h('p', { class: 'quiet small' }, 'Score in percent, all tasks whose answer stands at one place; 0 % is the document’s beginning. A pale cell is a low score; a dot means that nothing was asked there.');
  if (data.lengths.length === 1) {
    const arms = inTask('all').sort(armOrder).map(row => ({ key: row.arm, label: armLabel(row.arm), text: armName(row.arm) }));
    return show('depth', heatMap('Recipe, by depth', bins, arms, (arm, bin) => sum2(cells.filter(r => r[0] === arm && r[2] === bin)), `Contexts of about ${plain(data.lengths[0])} tokens; runs of other lengths beside this one would add that dimension.`), note);
  }
  const key = arm => `${runOf(arm).model}\n${data.arms[arm].canonical}`;
  const recipes = new Map();
  for (const row of inTask('all').sort((a, b) => isFull(b) - isFull(a) || b.front - a.front || armOrder(a, b)))
    if (!recipes.has(key(row.arm))) recipes.set(key(row.arm), row.arm);
  const map = ([name, arm]) => {
    const own = cells.filter(r => key(r[0]) === name);
    const lengths = data.lengths.map((tokens, i) => ({ key: i, label: `${plain(tokens)} tokens` })).filter(length => own.some(r => r[1] === length.key));
    return lengths.length > 0 && heatMap('depth', lengths, bins, (bin, length) => sum2(own.filter(r => r[1] === length && r[2] === bin)), h('code', {}, data.arms[arm].recipe));
  };
  const maps = [...recipes].map(map), few = 12;
  show('depth', h('div', { class: 'multiples' }, maps.slice(0, few)),
    maps.length > few && h('details', { class: 'task' }, h('summary', {}, `${plain(maps.length - few)} more recipes`), h('div', { class: 'multiples' }, maps.slice(few))), note);
}

// Stacked bars, arms by ratio.
const strong = new Set(['abstain', 'kept']);  // colours that need the other ink
function stacked(rows, partsOf, tail) {
  const out = [];
  const sorted = [...rows].sort((a, b) => a.ratio - b.ratio || b.score - a.score);
  for (const row of sorted) {
    const parts = partsOf(row).filter(part => part.n > 0);
    const total = parts.reduce((sum, part) => sum + part.n, 0);
    out.push(h('span', { class: 'ratio' }, ratio(row.ratio)), h('span', { class: 'who' }, armLabel(row.arm)),
      h('div', { class: 'bar' }, parts.map(part => h('a', {
        href: `#arm=${row.arm}${state.task === 'all' ? '' : `&task=${encodeURIComponent(state.task)}`}${part.filter ? '&' + part.filter : ''}`,
        class: strong.has(part.name) ? 'strong' : null, vars: { width: `${100 * part.n / total}%`, 'background-color': part.color, ...(part.name === 'none' || part.name === 'shared' ? { color: 'var(--ink)' } : {}) },
        tip: `${armName(row.arm)}\n${word(part.name)}: ${plain(part.n)} of ${plain(total)} (${percent(part.n / total)} %)` + (meaning[part.name] ? `\n${meaning[part.name]}` : ''),
      }, part.n / total >= .05 ? plain(part.n) : ''))),
      h('span', { class: 'n' }, tail(row, total)));
  }
  return h('div', { class: 'bars' }, out);
}
const keyOf = (names, color) => h('ul', { class: 'legend' }, names.map(name => h('li', { title: meaning[name] }, h('span', { class: 'swatch', vars: { 'background-color': color(name) } }), word(name))));
const classColor = name => name === 'none' ? 'var(--right)' : `var(--${name}, var(--unended))`;

function drawFailures() {
  show('failures', keyOf(['none', ...data.failures], classColor),
    stacked(inTask(state.task), row => [{ name: 'none', n: row.n - row.failures.reduce((a, b) => a + b, 0), color: classColor('none'), filter: 'outcome=right' },
      ...data.failures.map((name, i) => ({ name, n: row.failures[i], color: classColor(name), filter: `failure=${name}` }))], (row, total) => `n = ${plain(total)}`),
    h('p', { class: 'quiet small' }, `Task ${state.task}. Sorted by ratio; each part counts answers and leads to them. Right means the full score of the question’s metric.`));
}

const fateColor = name => `var(--${name})`;
function keptBars() {
  const edges = data.kept.edges, last = edges.length;
  const label = bin => bin === 0 ? 'nothing' : bin === last ? 'all of it' : `${bin === 1 ? 'up to' : percent(edges[bin - 1], 0) + '–'} ${percent(edges[bin], 0)} %`.replace('– ', '–');
  const use = data.kept.rows.filter(r => { const a = data.arms[r[0]]; return !a.sees_question && !a.oracle && a.canonical !== 'full'; });
  const bins = [...Array(last + 1).keys()].map(bin => use.filter(r => r[1] === bin).reduce((s, r) => [s[0] + r[2], s[1] + r[3]], [0, 0]));
  if (!bins.some(([n]) => n)) return null;
  return [h('h3', {}, 'Does it help to keep the answer’s tokens?'),
    h('p', { class: 'quiet small' }, 'Right answers by the share of the answer’s (lane, token) pairs that the cache holds exactly; all question-blind arms, questions that the full cache answers.'),
    h('div', { class: 'bars' }, bins.map(([n, sum], bin) => !n ? null : [h('span', { class: 'ratio' }, ''), h('span', { class: 'who' }, label(bin)),
      h('div', { class: 'bar', vars: { 'background-color': 'var(--soft)' } }, h('span', { class: 'strong', vars: { width: `${100 * sum / n}%`, 'background-color': 'var(--kept)' } }, sum / n > .12 ? `${percent(sum / n, 0)} %` : ''), sum / n <= .12 && h('span', {}, ` ${percent(sum / n, 0)} %`)),
      h('span', { class: 'n' }, `n = ${plain(n)}`)]))];
}
function drawLost() {
  const rows = inTask(state.task).filter(row => !isFull(row));
  const names = data.fates.filter((name, i) => rows.some(row => row.lost[i]));
  const total = row => row.lost.reduce((a, b) => a + b, 0);
  const some = rows.filter(row => total(row) > 0), none = rows.filter(row => total(row) === 0);
  show('lost',
    h('p', {}, 'Answers that the full cache gets right and the compressed one does not, by what became of the tokens that state the answer, read off the spans of the cache’s own entries.'),
    keyOf(['none', 'erased', 'summarised', 'partly', 'kept', ...names.filter(name => name === 'absent' || name === 'unrecorded')], name => name === 'none' ? classColor(name) : fateColor(name)),
    some.length ? stacked(some, row => [{ name: 'none', n: row.full_right_n - total(row), color: classColor('none'), filter: 'outcome=right' }, ...['erased', 'summarised', 'partly', 'kept', 'absent', 'unrecorded'].map(name => ({ name, n: row.lost[data.fates.indexOf(name)], color: fateColor(name), filter: `outcome=lost&fate=${name}` }))],
      row => `lost ${plain(total(row))} of ${plain(row.full_right_n)}`) : h('p', {}, 'Nothing was lost.'),
    none.length > 0 && some.length > 0 && h('p', { class: 'quiet small' }, 'Lost nothing: ', none.map((row, i) => [i ? ', ' : '', `${armName(row.arm)} (n = ${plain(row.full_right_n)})`]), '.'),
    h('ul', { class: 'facts small quiet' }, ['erased', 'summarised', 'partly', 'kept'].map(name => h('li', {}, h('b', {}, word(name)), ': ', meaning[name], '.'))),
    keptBars());
}
